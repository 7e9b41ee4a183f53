//! Logistic regression on a few summary statistics of a case, as a control for shortcut learning.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::checks::{at_least, both_classes, finite, same_shape};
use crate::error::Error;

/// Newton's method converges on a strictly convex loss in far fewer iterations.
const ITERATIONS: usize = 30;
/// L2 penalty of the weights of standardised features, which keeps them finite if the classes are separable.
const RIDGE: f64 = 1.0;
/// L2 penalty of the intercept, which only keeps the system regular.
const INTERCEPT_RIDGE: f64 = 1e-9;

/// A fitted logistic regression with an L2 penalty of 1 on standardised features.
///
/// Fitted to statistics such as the mean brightness of a scan, it shows how much of a classifier's performance needs no
/// spatial information. Cox, D. R., "The Regression Analysis of Binary Sequences", Journal of the Royal Statistical
/// Society B 20(2), 1958, doi:10.1111/j.2517-6161.1958.tb00292.x.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    mean: Array1<f64>,
    deviation: Array1<f64>,
    /// The intercept, followed by one weight per feature.
    weights: Array1<f64>,
}

impl Logistic {
    /// Fits the regression by Newton's method.
    ///
    /// # Shapes
    /// `x` is `[case, feature]`, one label per case.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] unless there is one label per case, [`Error::TooFew`] if there are no features,
    /// [`Error::NonFinite`] if a feature is NaN or infinite, and [`Error::OneClass`] if a class has no case.
    pub fn fit(x: ArrayView2<f64>, labels: &[bool]) -> Result<Self, Error> {
        same_shape("labels", &[x.nrows()], &[labels.len()])?;
        at_least("features", 1, x.ncols())?;
        finite("features", &x.iter().copied().collect::<Vec<_>>())?;
        both_classes(labels)?;
        let cases = x.nrows() as f64;
        let mean = x.sum_axis(Axis(0)) / cases;
        let variance = (&x - &mean).mapv(|d| d * d).sum_axis(Axis(0)) / cases;
        // A constant feature is 0 after standardisation.
        let deviation = variance.mapv(|v| if v > 0.0 { v.sqrt() } else { 1.0 });
        let mut fitted = Self { mean, deviation, weights: Array1::zeros(x.ncols() + 1) };
        let rows = fitted.standardised(x);
        let target = Array1::from_iter(labels.iter().map(|&label| f64::from(u8::from(label))));
        let mut ridge = Array1::from_elem(x.ncols() + 1, RIDGE);
        ridge[0] = INTERCEPT_RIDGE;
        for _ in 0..ITERATIONS {
            let p = rows.dot(&fitted.weights).mapv(|logit| 1.0 / (1.0 + (-logit).exp()));
            let gradient = rows.t().dot(&(&target - &p)) - &ridge * &fitted.weights;
            let spread = p.mapv(|p| p * (1.0 - p)).insert_axis(Axis(1));
            let hessian = rows.t().dot(&(&rows * &spread)) + Array2::from_diag(&ridge);
            fitted.weights += &solve(hessian, gradient);
        }
        Ok(fitted)
    }

    /// Computes the logit of the positive class for each case.
    ///
    /// # Shapes
    /// `x` is `[case, feature]`.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the number of features differs from that of the fit.
    pub fn logits(&self, x: ArrayView2<f64>) -> Result<Vec<f64>, Error> {
        same_shape("features", &[self.mean.len()], &[x.ncols()])?;
        Ok(self.standardised(x).dot(&self.weights).to_vec())
    }

    /// Returns rows of 1 followed by the standardised features.
    fn standardised(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let mut rows = Array2::ones((x.nrows(), x.ncols() + 1));
        rows.slice_mut(ndarray::s![.., 1..]).assign(&((&x - &self.mean) / &self.deviation));
        rows
    }
}

/// Solves a symmetric, positive definite system by Cholesky decomposition.
fn solve(matrix: Array2<f64>, right: Array1<f64>) -> Array1<f64> {
    let n = right.len();
    let mut lower = matrix;
    let dot = |a: ArrayView1<f64>, b: ArrayView1<f64>| a.dot(&b);
    for row in 0..n {
        for column in 0..=row {
            let known =
                dot(lower.slice(ndarray::s![row, ..column]), lower.slice(ndarray::s![column, ..column]));
            let left = lower[[row, column]] - known;
            lower[[row, column]] = if row == column { left.sqrt() } else { left / lower[[column, column]] };
        }
    }
    let mut x = right;
    for row in 0..n {
        let known = dot(lower.slice(ndarray::s![row, ..row]), x.slice(ndarray::s![..row]));
        x[row] = (x[row] - known) / lower[[row, row]];
    }
    for row in (0..n).rev() {
        let known = dot(lower.slice(ndarray::s![row + 1.., row]), x.slice(ndarray::s![row + 1..]));
        x[row] = (x[row] - known) / lower[[row, row]];
    }
    x
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::roc::roc_auc;

    fn features() -> Array2<f64> {
        Array2::from_shape_fn((60, 2), |(i, k)| if k == 0 { (i % 7) as f64 } else { (i * 37 % 60) as f64 })
    }

    fn auc(x: ArrayView2<f64>, labels: &[bool]) -> f64 {
        roc_auc(&Logistic::fit(x, labels).unwrap().logits(x).unwrap(), labels).unwrap()
    }

    #[test]
    fn systems_are_solved() {
        // Any descent direction leads Newton's method to the same weights: the solver is tested on its own.
        let matrix = array![[4.0, 2.0, 2.0], [2.0, 5.0, 3.0], [2.0, 3.0, 6.0]];
        let solution = array![1.0, -2.0, 3.0];
        let found = solve(matrix.clone(), matrix.dot(&solution));
        assert!((found.clone() - solution).iter().all(|error| error.abs() < 1e-12), "{found}");
    }

    #[test]
    fn separable_classes_are_learned_and_random_ones_are_not() {
        let x = features();
        let separable: Vec<bool> = x.rows().into_iter().map(|row| row[0] + 0.01 * row[1] > 3.2).collect();
        assert!(auc(x.view(), &separable) > 0.99);
        let chance: Vec<bool> = (0..60).map(|i| i * 7919 % 13 < 6).collect();
        assert!(auc(x.view(), &chance) < 0.7);
    }

    /// Intercept and weights of `LogisticRegression(C=1, solver="newton-cholesky", tol=1e-14)` of scikit-learn 1.9.1 on
    /// the standardised features.
    const SCIKIT_LEARN: [f64; 3] = [0.003327791011, 0.918919533230, 0.352007615829];

    #[test]
    fn weights_equal_those_of_scikit_learn() {
        let x = array![[1.0, 5.0], [2.0, 1.0], [3.0, 4.0], [4.0, 2.0], [5.0, 6.0], [6.0, 0.0]];
        let labels = [false, false, true, false, true, true];
        let fitted = Logistic::fit(x.view(), &labels).unwrap();
        for (found, expected) in fitted.weights.iter().zip(SCIKIT_LEARN) {
            assert!((found - expected).abs() < 1e-7, "expected {SCIKIT_LEARN:?}, found {}", fitted.weights);
        }
    }

    #[test]
    fn a_constant_feature_is_ignored() {
        let mut x = features();
        x.column_mut(1).fill(3.0);
        let labels: Vec<bool> = (0..60).map(|i| i % 7 > 3).collect();
        assert!(Logistic::fit(x.view(), &labels).unwrap().weights.iter().all(|w| w.is_finite()));
        assert_eq!(auc(x.view(), &labels), 1.0);
    }

    #[test]
    fn invalid_input_is_rejected() {
        let x = features();
        assert_eq!(Logistic::fit(x.view(), &[true; 60]), Err(Error::OneClass { positive: 60, negative: 0 }));
        assert!(matches!(Logistic::fit(x.view(), &[true]), Err(Error::ShapeMismatch { .. })));
        let fitted = Logistic::fit(x.view(), &(0..60).map(|i| i < 30).collect::<Vec<_>>()).unwrap();
        assert!(matches!(fitted.logits(array![[1.0]].view()), Err(Error::ShapeMismatch { .. })));
        let mut x = x;
        x[[3, 1]] = f64::NAN;
        assert!(matches!(Logistic::fit(x.view(), &[false; 60]), Err(Error::NonFinite { .. })));
    }
}
