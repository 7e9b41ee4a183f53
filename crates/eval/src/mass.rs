//! Where a map's mass lies: its share inside the target, and whether its highest point hits.
//!
//! Activation precision: A. Barnett et al., "A case-based interpretable deep learning model for classification of mass
//! lesions in digital mammography", Nature Machine Intelligence 3, 2021, doi:10.1038/s42256-021-00423-x. The pointing game:
//! J. Zhang et al., "Top-Down Neural Attention by Excitation Backprop", International Journal of Computer Vision 126,
//! 2018, doi:10.1007/s11263-017-1059-x.

use ndarray::{ArrayView, Dimension, Zip};

use crate::error::{Error, at_least, finite, same_shape};

/// How a map's mass meets the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mass {
    /// Activation precision: the share of the map's mass that lies inside, 0 to 1; `None` for a map without mass.
    pub inside: Option<f64>,
    /// The pointing game: the share of the map's highest voxels that lie inside, which is the chance that one of them
    /// hits. A map that is the same everywhere points nowhere and has the target's share of the volume.
    pub pointing: f64,
}

/// Of a map that is at least 0 everywhere.
///
/// # Shapes
/// Any, the same for both.
///
/// # Errors
/// [`Error::Shape`], [`Error::TooFew`] for an empty map, [`Error::NotFinite`], [`Error::Negative`].
pub fn mass<D: Dimension>(map: ArrayView<'_, f32, D>, truth: ArrayView<'_, bool, D>) -> Result<Mass, Error> {
    same_shape("truth", map.shape(), truth.shape())?;
    let mut parts = Vec::with_capacity(map.len());
    Zip::from(&map).and(&truth).for_each(|&value, &truth| {
        parts.push((f64::from(value), 1, usize::from(truth)));
    });
    mass_of_parts(&parts)
}

/// The same from parts of one value each: `(value, voxels, voxels in the truth)`.
///
/// # Errors
/// [`Error::TooFew`] without a voxel, [`Error::NotFinite`], [`Error::Negative`].
pub fn mass_of_parts(parts: &[(f64, usize, usize)]) -> Result<Mass, Error> {
    let values: Vec<f64> = parts.iter().map(|part| part.0).collect();
    finite("map", &values)?;
    if let Some(index) = values.iter().position(|value| *value < 0.0) {
        return Err(Error::Negative { what: "map", index, value: values[index] });
    }
    let parts = || parts.iter().filter(|part| part.1 > 0);
    at_least("voxels", 1, parts().count())?;
    let (mut all, mut inside) = (0.0, 0.0);
    let (mut highest, mut at, mut hits) = (f64::NEG_INFINITY, 0, 0);
    for &(value, voxels, hit) in parts() {
        all += value * voxels as f64;
        inside += value * hit as f64;
        if value > highest {
            (highest, at, hits) = (value, 0, 0);
        }
        if value == highest {
            at += voxels;
            hits += hit;
        }
    }
    Ok(Mass { inside: (all > 0.0).then(|| inside / all), pointing: hits as f64 / at as f64 })
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    #[test]
    fn shares() {
        let truth = arr1(&[true, true, false, false]);
        let found = mass(arr1(&[3.0, 1.0, 4.0, 0.0]).view(), truth.view()).unwrap();
        assert_eq!(found, Mass { inside: Some(0.5), pointing: 0.0 });
        let found = mass(arr1(&[4.0, 1.0, 4.0, 0.0]).view(), truth.view()).unwrap();
        assert_eq!(found.pointing, 0.5);
        let flat = mass(arr1(&[0.0; 4]).view(), truth.view()).unwrap();
        assert_eq!(flat, Mass { inside: None, pointing: 0.5 });
    }

    #[test]
    fn parts_are_voxels() {
        let map = arr1(&[2.0, 2.0, 5.0, 5.0, 0.5]);
        let truth = arr1(&[true, false, true, true, true]);
        let parts = [(2.0, 2, 1), (5.0, 2, 2), (9.0, 0, 0), (0.5, 1, 1)];
        assert_eq!(mass_of_parts(&parts), mass(map.view(), truth.view()));
    }

    #[test]
    fn refusals() {
        let truth = arr1(&[true]);
        assert!(matches!(mass(arr1(&[-1.0]).view(), truth.view()), Err(Error::Negative { index: 0, .. })));
        assert!(matches!(mass(arr1(&[f32::NAN]).view(), truth.view()), Err(Error::NotFinite { .. })));
        assert!(matches!(mass(arr1(&[1.0, 2.0]).view(), truth.view()), Err(Error::Shape { .. })));
        assert!(matches!(mass_of_parts(&[]), Err(Error::TooFew { .. })));
    }
}
