//! Location of a relevance map's mass: activation precision and the pointing game.
//!
//! Activation precision: Barnett, A. J. et al., "A case-based interpretable deep learning model for classification of
//! mass lesions in digital mammography", Nature Machine Intelligence 3, 2021, doi:10.1038/s42256-021-00423-x. The
//! pointing game: Zhang, J. et al., "Top-Down Neural Attention by Excitation Backprop", International Journal of
//! Computer Vision 126, 2018, doi:10.1007/s11263-017-1059-x.

use ndarray::{ArrayView, Dimension, Zip};

use crate::checks::{at_least, not_negative, same_shape};
use crate::error::Error;
use crate::map_part::MapPart;

/// Location of a relevance map's mass relative to the ground truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mass {
    /// Activation precision: the fraction of the map's mass that lies inside the ground truth; `None` if the map is 0
    /// everywhere.
    pub inside: Option<f64>,
    /// The pointing game: the fraction of the map's maximal voxels that lie inside the ground truth, which is the
    /// probability that one of them, chosen at random, is a hit. A constant map has the ground truth's fraction of the
    /// volume.
    pub pointing: f64,
}

/// Computes activation precision and pointing game of a map that is not negative.
///
/// # Shapes
/// Map and ground truth of any equal shape.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the shapes differ, [`Error::TooFew`] if the map has no voxels,
/// [`Error::NonFinite`] if a value is NaN or infinite, and [`Error::Negative`] if one is negative.
pub fn mass<D: Dimension>(map: ArrayView<'_, f32, D>, truth: ArrayView<'_, bool, D>) -> Result<Mass, Error> {
    same_shape("truth", map.shape(), truth.shape())?;
    let mut parts = Vec::with_capacity(map.len());
    Zip::from(&map).and(&truth).for_each(|&value, &truth| {
        parts.push(MapPart { value: f64::from(value), voxels: 1, inside: usize::from(truth) });
    });
    mass_of_parts(&parts)
}

/// Computes activation precision and pointing game as [`mass`] does, from the parts of a map.
///
/// # Errors
/// Returns [`Error::TooFew`] if no part has a voxel, [`Error::NonFinite`] if a value is NaN or infinite, and
/// [`Error::Negative`] if one is negative.
pub fn mass_of_parts(parts: &[MapPart]) -> Result<Mass, Error> {
    let values: Vec<f64> = parts.iter().map(|part| part.value).collect();
    not_negative("map", &values)?;
    let parts = || parts.iter().filter(|part| part.voxels > 0);
    at_least("voxels", 1, parts().count())?;
    let (mut total, mut mass_inside) = (0.0, 0.0);
    let (mut highest, mut at, mut hits) = (f64::NEG_INFINITY, 0, 0);
    for &MapPart { value, voxels, inside } in parts() {
        total += value * voxels as f64;
        mass_inside += value * inside as f64;
        if value > highest {
            (highest, at, hits) = (value, 0, 0);
        }
        if value == highest {
            at += voxels;
            hits += inside;
        }
    }
    Ok(Mass { inside: (total > 0.0).then(|| mass_inside / total), pointing: hits as f64 / at as f64 })
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    #[test]
    fn mass_and_maximum_are_located() {
        let truth = arr1(&[true, true, false, false]);
        let found = mass(arr1(&[3.0, 1.0, 4.0, 0.0]).view(), truth.view()).unwrap();
        assert_eq!(found, Mass { inside: Some(0.5), pointing: 0.0 });
        let found = mass(arr1(&[4.0, 1.0, 4.0, 0.0]).view(), truth.view()).unwrap();
        assert_eq!(found.pointing, 0.5);
        let flat = mass(arr1(&[0.0; 4]).view(), truth.view()).unwrap();
        assert_eq!(flat, Mass { inside: None, pointing: 0.5 });
    }

    #[test]
    fn parts_count_as_their_voxels() {
        let map = arr1(&[2.0, 2.0, 5.0, 5.0, 0.5]);
        let truth = arr1(&[true, false, true, true, true]);
        let parts = [(2.0, 2, 1), (5.0, 2, 2), (9.0, 0, 0), (0.5, 1, 1)];
        let parts = parts.map(|(value, voxels, inside)| MapPart { value, voxels, inside });
        assert_eq!(mass_of_parts(&parts), mass(map.view(), truth.view()));
    }

    #[test]
    fn invalid_input_is_rejected() {
        let truth = arr1(&[true]);
        assert!(matches!(mass(arr1(&[-1.0]).view(), truth.view()), Err(Error::Negative { .. })));
        assert!(matches!(mass(arr1(&[f32::NAN]).view(), truth.view()), Err(Error::NonFinite { .. })));
        assert!(matches!(mass(arr1(&[1.0, 2.0]).view(), truth.view()), Err(Error::ShapeMismatch { .. })));
        assert!(matches!(mass_of_parts(&[]), Err(Error::TooFew { .. })));
    }
}
