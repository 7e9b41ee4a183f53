//! Faithfulness of a relevance map to the classifier: deletion and insertion curves, and infidelity.

use crate::checks::{at_least, finite, same_shape};
use crate::error::Error;

/// Computes the area under a curve by the trapezoidal rule, divided by the extent of its x axis: the mean of the curve.
///
/// A *deletion* curve is the probability of the class as regions are removed in order of relevance; a low area is good.
/// An *insertion* curve is the same as regions are added; a high area is good. Petsiuk, V., Das, A. and Saenko, K.,
/// "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018, doi:10.48550/arXiv.1806.07421.
///
/// # Shapes
/// Equally many `x` and `y`, `x` in ascending order.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::TooFew`] for fewer than two points,
/// [`Error::NonFinite`] if a coordinate is NaN or infinite, and [`Error::Constant`] if the last x does not exceed the
/// first.
pub fn area_under_curve(x: &[f64], y: &[f64]) -> Result<f64, Error> {
    same_shape("curve", &[x.len()], &[y.len()])?;
    at_least("points of the curve", 2, x.len())?;
    finite("x", x)?;
    finite("y", y)?;
    let span = x[x.len() - 1] - x[0];
    if span <= 0.0 {
        return Err(Error::Constant { what: "x", value: x[0] });
    }
    let pairs = x.windows(2).zip(y.windows(2));
    Ok(pairs.map(|(x, y)| (x[1] - x[0]) * (y[0] + y[1]) / 2.0).sum::<f64>() / span)
}

/// The error with which a relevance map predicts the effect of random perturbations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Infidelity {
    /// Mean squared error of the scaled prediction.
    pub error: f64,
    /// The scale of the prediction that minimises the error; 0 if the prediction is 0 everywhere.
    pub scale: f64,
    /// `error` divided by the mean square of the observed changes: 0 for a perfect map, 1 for one that predicts
    /// nothing.
    pub relative: f64,
}

/// Computes the infidelity with optimal scaling.
///
/// `predicted` is the sum of the map over the perturbed regions, `observed` the decrease of the classifier's output.
/// Since maps have arbitrary scales, the prediction is scaled by the factor that minimises the error. Yeh, C.-K. et
/// al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019, doi:10.48550/arXiv.1901.09392.
///
/// # Shapes
/// One value per perturbation in both.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ, [`Error::TooFew`] if there are no perturbations and
/// [`Error::NonFinite`] if a value is NaN or infinite.
pub fn infidelity(predicted: &[f64], observed: &[f64]) -> Result<Infidelity, Error> {
    same_shape("observed", &[predicted.len()], &[observed.len()])?;
    at_least("perturbations", 1, predicted.len())?;
    finite("predicted", predicted)?;
    finite("observed", observed)?;
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        predicted.iter().zip(observed).map(|(&p, &o)| of(p, o)).sum::<f64>() / predicted.len() as f64
    };
    let squares = mean(&|p, _| p * p);
    let scale = if squares > 0.0 { mean(&|p, o| p * o) / squares } else { 0.0 };
    let error = mean(&|p, o| (scale * p - o).powi(2));
    let power = mean(&|_, o| o * o);
    Ok(Infidelity { error, scale, relative: if power > 0.0 { error / power } else { 0.0 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_the_mean_of_its_curve() {
        assert_eq!(area_under_curve(&[0.0, 2.0, 4.0], &[1.0, 1.0, 1.0]), Ok(1.0));
        assert_eq!(area_under_curve(&[0.0, 1.0, 4.0], &[1.0, 0.0, 0.0]), Ok(0.125));
        assert!(matches!(area_under_curve(&[0.0], &[1.0]), Err(Error::TooFew { .. })));
        assert!(matches!(area_under_curve(&[1.0, 1.0], &[0.0, 1.0]), Err(Error::Constant { .. })));
        assert!(matches!(area_under_curve(&[0.0, 1.0], &[1.0]), Err(Error::ShapeMismatch { .. })));
    }

    #[test]
    fn a_perfect_prediction_has_no_infidelity() {
        let observed = [0.5, -1.0, 2.0];
        let perfect = infidelity(&observed.map(|value| 40.0 * value), &observed).unwrap();
        assert!(perfect.relative < 1e-30 && (perfect.scale - 0.025).abs() < 1e-15);
        let zero = infidelity(&[0.0; 3], &observed).unwrap();
        assert_eq!((zero.scale, zero.relative), (0.0, 1.0));
        let none = infidelity(&[1.0, 0.0], &[0.0, 0.0]).unwrap();
        assert_eq!((none.error, none.relative), (0.0, 0.0));
    }

    #[test]
    fn no_other_scale_is_better() {
        let (predicted, observed) = ([1.0, 2.0, 0.5, -1.0], [0.3, 0.1, 0.4, -0.2]);
        let found = infidelity(&predicted, &observed).unwrap();
        let error = |scale: f64| {
            predicted.iter().zip(observed).map(|(p, o)| (scale * p - o).powi(2)).sum::<f64>() / 4.0
        };
        assert!((found.error - error(found.scale)).abs() < 1e-15);
        assert!(found.error < error(found.scale + 1e-3) && found.error < error(found.scale - 1e-3));
        assert!(found.relative <= 1.0);
    }
}
