//! Logistic regression: what a few plain statistics of a case tell of its class.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use crate::error::{Error, at_least, finite, same_shape};

/// Newton's method on a strictly convex loss is at its minimum long before this.
const NEWTON_STEPS: usize = 30;
/// The ridge, in units of one case, on standardised features: it keeps the weights finite where the classes can be
/// told apart without a fault.
const RIDGE: f64 = 1.0;
/// On the intercept: it only keeps the system regular.
const INTERCEPT_RIDGE: f64 = 1e-9;

/// A fitted logistic regression with a ridge of 1 on standardised features.
///
/// The control for a classifier that is said to *see*: D. R. Cox, "The Regression Analysis of Binary Sequences", Journal
/// of the Royal Statistical Society B 20(2), 1958, on features as plain as a scan's mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Logistic {
    mean: Array1<f64>,
    deviation: Array1<f64>,
    /// The intercept, then one weight a feature.
    weights: Array1<f64>,
}

impl Logistic {
    /// Fits it by Newton's method.
    ///
    /// # Shapes
    /// `x` is `[case, feature]`, one label per case.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::TooFew`] for no feature, [`Error::NotFinite`], [`Error::OneClass`].
    pub fn fit(x: ArrayView2<f64>, labels: &[bool]) -> Result<Self, Error> {
        same_shape("labels", &[x.nrows()], &[labels.len()])?;
        at_least("features", 1, x.ncols())?;
        finite("features", &x.iter().copied().collect::<Vec<_>>())?;
        let positive = labels.iter().filter(|label| **label).count();
        let negative = labels.len() - positive;
        if positive == 0 || negative == 0 {
            return Err(Error::OneClass { positive, negative });
        }
        let cases = x.nrows() as f64;
        let mean = x.sum_axis(Axis(0)) / cases;
        let variance = (&x - &mean).mapv(|d| d * d).sum_axis(Axis(0)) / cases;
        // A feature that is the same everywhere says nothing: its standardised value is 0.
        let deviation = variance.mapv(|v| if v > 0.0 { v.sqrt() } else { 1.0 });
        let mut fitted = Self { mean, deviation, weights: Array1::zeros(x.ncols() + 1) };
        let rows = fitted.standardised(x);
        let told = Array1::from_iter(labels.iter().map(|&label| f64::from(u8::from(label))));
        let mut ridge = Array1::from_elem(x.ncols() + 1, RIDGE);
        ridge[0] = INTERCEPT_RIDGE;
        for _ in 0..NEWTON_STEPS {
            let p = rows.dot(&fitted.weights).mapv(|logit| 1.0 / (1.0 + (-logit).exp()));
            let gradient = rows.t().dot(&(&told - &p)) - &ridge * &fitted.weights;
            let spread = p.mapv(|p| p * (1.0 - p)).insert_axis(Axis(1));
            let hessian = rows.t().dot(&(&rows * &spread)) + Array2::from_diag(&ridge);
            fitted.weights += &solve(hessian, gradient);
        }
        Ok(fitted)
    }

    /// The logit of the positive class of each case.
    ///
    /// # Shapes
    /// `x` is `[case, feature]`.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of features than it was fitted on.
    pub fn logits(&self, x: ArrayView2<f64>) -> Result<Vec<f64>, Error> {
        same_shape("features", &[self.mean.len()], &[x.ncols()])?;
        Ok(self.standardised(x).dot(&self.weights).to_vec())
    }

    /// Rows of 1 and the standardised features.
    fn standardised(&self, x: ArrayView2<f64>) -> Array2<f64> {
        let mut rows = Array2::ones((x.nrows(), x.ncols() + 1));
        rows.slice_mut(ndarray::s![.., 1..]).assign(&((&x - &self.mean) / &self.deviation));
        rows
    }
}

/// Solves a symmetric, positive definite system by Cholesky's decomposition.
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
    use crate::roc_auc;

    fn features() -> Array2<f64> {
        Array2::from_shape_fn((60, 2), |(i, k)| if k == 0 { (i % 7) as f64 } else { (i * 37 % 60) as f64 })
    }

    fn auc(x: ArrayView2<f64>, labels: &[bool]) -> f64 {
        roc_auc(&Logistic::fit(x, labels).unwrap().logits(x).unwrap(), labels).unwrap()
    }

    #[test]
    fn it_learns_what_can_be_learned_and_nothing_else() {
        let x = features();
        let told: Vec<bool> = x.rows().into_iter().map(|row| row[0] + 0.01 * row[1] > 3.2).collect();
        assert!(auc(x.view(), &told) > 0.99);
        let chance: Vec<bool> = (0..60).map(|i| i * 7919 % 13 < 6).collect();
        assert!(auc(x.view(), &chance) < 0.7);
    }

    /// Intercept and weights by scikit-learn 1.9.1, `LogisticRegression(C=1, solver="newton-cholesky", tol=1e-14)` on the
    /// standardised features.
    const SCIKIT_LEARN: [f64; 3] = [0.003327791011, 0.918919533230, 0.352007615829];

    #[test]
    fn weights_are_scikit_learns() {
        let x = array![[1.0, 5.0], [2.0, 1.0], [3.0, 4.0], [4.0, 2.0], [5.0, 6.0], [6.0, 0.0]];
        let labels = [false, false, true, false, true, true];
        let fitted = Logistic::fit(x.view(), &labels).unwrap();
        for (found, expected) in fitted.weights.iter().zip(SCIKIT_LEARN) {
            assert!((found - expected).abs() < 1e-7, "{} beside {SCIKIT_LEARN:?}", fitted.weights);
        }
    }

    #[test]
    fn a_feature_that_never_changes_is_no_use_and_no_harm() {
        let mut x = features();
        x.column_mut(1).fill(3.0);
        let told: Vec<bool> = (0..60).map(|i| i % 7 > 3).collect();
        assert!(Logistic::fit(x.view(), &told).unwrap().weights.iter().all(|w| w.is_finite()));
        assert_eq!(auc(x.view(), &told), 1.0);
    }

    #[test]
    fn what_has_no_answer_is_refused() {
        let x = features();
        assert_eq!(Logistic::fit(x.view(), &[true; 60]), Err(Error::OneClass { positive: 60, negative: 0 }));
        assert!(matches!(Logistic::fit(x.view(), &[true]), Err(Error::Shape { .. })));
        let fitted = Logistic::fit(x.view(), &(0..60).map(|i| i < 30).collect::<Vec<_>>()).unwrap();
        assert!(matches!(fitted.logits(array![[1.0]].view()), Err(Error::Shape { .. })));
        let mut x = x;
        x[[3, 1]] = f64::NAN;
        assert!(matches!(Logistic::fit(x.view(), &[false; 60]), Err(Error::NotFinite { .. })));
    }
}
