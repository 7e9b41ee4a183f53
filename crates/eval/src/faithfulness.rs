//! Whether a map says what the classifier does: curves of deletion and insertion, and infidelity.

use crate::error::{Error, at_least, finite, same_shape};

/// The area under a curve by trapezoids, over the length of its x axis: the curve's mean.
///
/// Of a *deletion* curve (the class's probability as regions are taken away, the most relevant first) a low area is
/// good, of an *insertion* curve a high one: V. Petsiuk, A. Das and K. Saenko, "RISE", BMVC 2018,
/// doi:10.48550/arXiv.1806.07421.
///
/// # Shapes
/// As many points in both; x rises.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`] under two points, [`Error::NotFinite`], [`Error::Constant`] where x spans nothing.
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

/// How far what a map foretells lies from what happens, over random perturbations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Infidelity {
    /// The mean squared error of the map's prediction, after the one factor that makes it least: maps come in any scale.
    pub error: f64,
    /// That factor; 0 where the map foretells nothing.
    pub scale: f64,
    /// `error` over the mean square of what happened: 0 for a perfect map, 1 for one that foretells nothing.
    pub relative: f64,
}

/// Infidelity with its optimal scaling: C.-K. Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS
/// 2019, doi:10.48550/arXiv.1901.09392. `foretold` is the sum of the map's values over the perturbed regions,
/// `happened` how far the classifier's output fell.
///
/// # Shapes
/// One value per perturbation in both.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`] without a perturbation, [`Error::NotFinite`].
pub fn infidelity(foretold: &[f64], happened: &[f64]) -> Result<Infidelity, Error> {
    same_shape("what happened", &[foretold.len()], &[happened.len()])?;
    at_least("perturbations", 1, foretold.len())?;
    finite("what was foretold", foretold)?;
    finite("what happened", happened)?;
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        foretold.iter().zip(happened).map(|(&told, &was)| of(told, was)).sum::<f64>() / foretold.len() as f64
    };
    let squares = mean(&|told, _| told * told);
    let scale = if squares > 0.0 { mean(&|told, was| told * was) / squares } else { 0.0 };
    let error = mean(&|told, was| (scale * told - was).powi(2));
    let happened = mean(&|_, was| was * was);
    Ok(Infidelity { error, scale, relative: if happened > 0.0 { error / happened } else { 0.0 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_means() {
        assert_eq!(area_under_curve(&[0.0, 2.0, 4.0], &[1.0, 1.0, 1.0]), Ok(1.0));
        assert_eq!(area_under_curve(&[0.0, 1.0, 4.0], &[1.0, 0.0, 0.0]), Ok(0.125));
        assert!(matches!(area_under_curve(&[0.0], &[1.0]), Err(Error::TooFew { .. })));
        assert!(matches!(area_under_curve(&[1.0, 1.0], &[0.0, 1.0]), Err(Error::Constant { .. })));
        assert!(matches!(area_under_curve(&[0.0, 1.0], &[1.0]), Err(Error::Shape { .. })));
    }

    #[test]
    fn a_map_that_foretells_all_has_none() {
        let happened = [0.5, -1.0, 2.0];
        let perfect = infidelity(&happened.map(|value| 40.0 * value), &happened).unwrap();
        assert!(perfect.relative < 1e-30 && (perfect.scale - 0.025).abs() < 1e-15);
        let silent = infidelity(&[0.0; 3], &happened).unwrap();
        assert_eq!((silent.scale, silent.relative), (0.0, 1.0));
        let none = infidelity(&[1.0, 0.0], &[0.0, 0.0]).unwrap();
        assert_eq!((none.error, none.relative), (0.0, 0.0));
    }

    #[test]
    fn no_other_scale_is_better() {
        let (told, was) = ([1.0, 2.0, 0.5, -1.0], [0.3, 0.1, 0.4, -0.2]);
        let found = infidelity(&told, &was).unwrap();
        let error =
            |scale: f64| told.iter().zip(was).map(|(t, w)| (scale * t - w).powi(2)).sum::<f64>() / 4.0;
        assert!((found.error - error(found.scale)).abs() < 1e-15);
        assert!(found.error < error(found.scale + 1e-3) && found.error < error(found.scale - 1e-3));
        assert!(found.relative <= 1.0);
    }
}
