//! The Dice coefficient of two masks.
//!
//! Dice, L. R., "Measures of the amount of ecologic association between species", Ecology 26(3), 1945,
//! doi:10.2307/1932409.

use ndarray::{ArrayView, Dimension, Zip};

use crate::checks::same_shape;
use crate::error::Error;

/// Computes the Dice coefficient from numbers of voxels, `2 |A ∩ B| / (|A| + |B|)`; 1 if both masks are empty.
pub fn dice_of_counts(both: usize, a: usize, b: usize) -> f64 {
    debug_assert!(both <= a && both <= b);
    if a + b == 0 { 1.0 } else { 2.0 * both as f64 / (a + b) as f64 }
}

/// Computes the Dice coefficient of two masks, `2 |A ∩ B| / (|A| + |B|)`; 1 if both are empty.
///
/// # Shapes
/// Masks of any equal shape.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the shapes differ.
pub fn dice<D: Dimension>(a: ArrayView<'_, bool, D>, b: ArrayView<'_, bool, D>) -> Result<f64, Error> {
    same_shape("second mask", a.shape(), b.shape())?;
    let (mut both, mut in_a, mut in_b) = (0, 0, 0);
    Zip::from(&a).and(&b).for_each(|&a, &b| {
        both += usize::from(a && b);
        in_a += usize::from(a);
        in_b += usize::from(b);
    });
    Ok(dice_of_counts(both, in_a, in_b))
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    #[test]
    fn the_overlap_counts_twice() {
        let a = arr1(&[true, true, false, false]);
        let b = arr1(&[false, true, true, true]);
        assert_eq!(dice(a.view(), b.view()), Ok(2.0 / 5.0));
    }

    #[test]
    fn two_empty_masks_agree() {
        let none = arr1(&[false, false]);
        let some = arr1(&[false, true]);
        assert_eq!(dice(none.view(), none.view()), Ok(1.0));
        assert_eq!(dice(none.view(), some.view()), Ok(0.0));
    }

    #[test]
    fn different_shapes_are_rejected() {
        let error = dice(arr1(&[true]).view(), arr1(&[true, false]).view()).unwrap_err();
        assert_eq!(error, Error::ShapeMismatch { what: "second mask", expected: vec![1], found: vec![2] });
    }
}
