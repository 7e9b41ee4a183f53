//! Symmetric positive definite linear systems of a few hundred unknowns.

use ndarray::{Array1, Array2, s};

/// Solves `matrix · x = right` by Cholesky decomposition; `None` if the matrix is not positive definite to rounding.
pub(crate) fn solve(mut matrix: Array2<f64>, right: Array1<f64>) -> Option<Array1<f64>> {
    let n = right.len();
    for row in 0..n {
        for column in 0..=row {
            let known = matrix.slice(s![row, ..column]).dot(&matrix.slice(s![column, ..column]));
            let left = matrix[[row, column]] - known;
            if row != column {
                matrix[[row, column]] = left / matrix[[column, column]];
            } else if left > 0.0 {
                matrix[[row, row]] = left.sqrt();
            } else {
                return None;
            }
        }
    }
    let mut x = right;
    for row in 0..n {
        let known = matrix.slice(s![row, ..row]).dot(&x.slice(s![..row]));
        x[row] = (x[row] - known) / matrix[[row, row]];
    }
    for row in (0..n).rev() {
        let known = matrix.slice(s![row + 1.., row]).dot(&x.slice(s![row + 1..]));
        x[row] = (x[row] - known) / matrix[[row, row]];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_solution_solves() {
        let root = Array2::from_shape_fn((7, 7), |(i, k)| ((i * 5 + k * 3) % 11) as f64 - 4.0);
        let matrix = root.dot(&root.t()) + Array2::<f64>::eye(7);
        let right = Array1::from_shape_fn(7, |i| i as f64 - 3.0);
        let x = solve(matrix.clone(), right.clone()).unwrap();
        assert!((matrix.dot(&x) - right).iter().all(|rest| rest.abs() < 1e-10));
    }

    #[test]
    fn an_indefinite_matrix_has_no_solution() {
        assert_eq!(solve(array![[1.0, 2.0], [2.0, 1.0]], array![1.0, 1.0]), None);
        assert_eq!(solve(array![[0.0]], array![1.0]), None);
    }
}
