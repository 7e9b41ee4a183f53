//! Logistic regression and ROC AUC, to see what simple statistics tell.

/// A ridge, in units of one case, on standardised features.
const RIDGE: f64 = 1.0;
const NEWTON_STEPS: usize = 30;

/// Fits a logistic regression (Newton's method, features standardised on the training cases) and returns its logit.
pub fn logistic_regression(x: &[Vec<f64>], y: &[bool]) -> impl Fn(&[f64]) -> f64 + use<> {
    let (n, features) = (x.len() as f64, x[0].len());
    let mean: Vec<f64> = (0..features).map(|k| x.iter().map(|row| row[k]).sum::<f64>() / n).collect();
    let deviation: Vec<f64> = (0..features)
        .map(|k| (x.iter().map(|row| (row[k] - mean[k]).powi(2)).sum::<f64>() / n).sqrt().max(1e-12))
        .collect();
    let standardise = move |row: &[f64]| -> Vec<f64> {
        let scaled = row.iter().zip(mean.iter().zip(&deviation)).map(|(v, (m, d))| (v - m) / d);
        std::iter::once(1.0).chain(scaled).collect()
    };
    let rows: Vec<Vec<f64>> = x.iter().map(|row| standardise(row)).collect();
    let mut weights = vec![0.0; features + 1];
    for _ in 0..NEWTON_STEPS {
        let size = features + 1;
        let mut gradient: Vec<f64> =
            (0..size).map(|k| if k == 0 { 0.0 } else { -RIDGE * weights[k] }).collect();
        let mut hessian = vec![vec![0.0; size]; size];
        for (k, row) in hessian.iter_mut().enumerate() {
            row[k] = if k == 0 { 1e-9 } else { RIDGE };
        }
        for (row, &positive) in rows.iter().zip(y) {
            let p = 1.0 / (1.0 + (-dot(&weights, row)).exp());
            for i in 0..size {
                gradient[i] += row[i] * (f64::from(positive) - p);
                for j in 0..size {
                    hessian[i][j] += row[i] * row[j] * p * (1.0 - p);
                }
            }
        }
        for (weight, step) in weights.iter_mut().zip(solve(hessian, gradient)) {
            *weight += step;
        }
    }
    move |row| dot(&weights, &standardise(row))
}

/// The chance that a positive case scores above a negative one; ties count half.
pub fn auc(scores: &[f64], labels: &[bool]) -> f64 {
    let of = |wanted: bool| scores.iter().zip(labels).filter(move |&(_, &l)| l == wanted).map(|(&s, _)| s);
    let (mut wins, mut pairs) = (0.0, 0.0);
    for positive in of(true) {
        for negative in of(false) {
            wins += if positive > negative {
                1.0
            } else if positive == negative {
                0.5
            } else {
                0.0
            };
            pairs += 1.0;
        }
    }
    wins / pairs
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Gaussian elimination with pivots.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for column in 0..n {
        let pivot = (column..n).max_by(|&i, &j| a[i][column].abs().total_cmp(&a[j][column].abs())).unwrap();
        a.swap(column, pivot);
        b.swap(column, pivot);
        let (done, below) = a.split_at_mut(column + 1);
        let leading = &done[column];
        for (row, later) in below.iter_mut().enumerate() {
            let factor = later[column] / leading[column];
            later.iter_mut().zip(leading).for_each(|(x, pivot)| *x -= factor * pivot);
            b[column + 1 + row] -= factor * b[column];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|k| a[row][k] * b[k]).sum();
        b[row] = (b[row] - known) / a[row][row];
    }
    b
}

#[test]
fn the_regression_learns_what_can_be_learned_and_nothing_else() {
    let x: Vec<Vec<f64>> = (0..60).map(|i| vec![f64::from(i % 7), f64::from(i * 37 % 60)]).collect();
    let told: Vec<bool> = x.iter().map(|row| row[0] + 0.01 * row[1] > 3.2).collect();
    let predict = logistic_regression(&x, &told);
    assert!(auc(&x.iter().map(|row| predict(row)).collect::<Vec<_>>(), &told) > 0.99);
    let chance: Vec<bool> = (0..60).map(|i| i * 7919 % 13 < 6).collect();
    let predict = logistic_regression(&x, &chance);
    assert!(auc(&x.iter().map(|row| predict(row)).collect::<Vec<_>>(), &chance) < 0.75);
    assert_eq!(auc(&[1.0, 1.0], &[true, false]), 0.5);
}
