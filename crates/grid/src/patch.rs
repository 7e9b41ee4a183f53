//! A box of new values.

use ndarray::{Array4, ArrayView4, ArrayViewMut4, SliceInfo, SliceInfoElem, s};

use crate::{Box3, Error};

type Window = SliceInfo<[SliceInfoElem; 4], ndarray::Ix4, ndarray::Ix4>;

/// A box of an image and the values that it holds after a change, in all channels.
///
/// Pasting a patch changes what its values change: voxels of the box that are to stay carry the image's own values.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    bounds: Box3,
    values: Array4<f32>,
}

impl Patch {
    /// Creates a patch.
    ///
    /// # Shapes
    /// `values` is `[c, dz, dy, dx]`, with the size of `bounds`.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the values do not have the size of the box.
    pub fn new(bounds: Box3, values: Array4<f32>) -> Result<Self, Error> {
        let (_, z, y, x) = values.dim();
        if [z, y, x] != bounds.size() {
            return Err(Error::ShapeMismatch {
                what: "a patch's values",
                expected: bounds.size().to_vec(),
                found: vec![z, y, x],
            });
        }
        Ok(Self { bounds, values: values.as_standard_layout().into_owned() })
    }

    /// Copies a box out of an image `[c, z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the box does not lie inside the image.
    pub fn copied(image: ArrayView4<'_, f32>, bounds: Box3) -> Result<Self, Error> {
        let values = image.slice(window(image.dim(), bounds)?);
        Ok(Self { bounds, values: values.as_standard_layout().into_owned() })
    }

    /// Returns the box.
    pub fn bounds(&self) -> Box3 {
        self.bounds
    }

    /// Returns the values after the change, `[c, dz, dy, dx]`, in C order.
    pub fn values(&self) -> ArrayView4<'_, f32> {
        self.values.view()
    }

    /// Returns the values after the change, to be edited in place.
    pub fn values_mut(&mut self) -> ArrayViewMut4<'_, f32> {
        self.values.view_mut()
    }

    /// Returns the values after the change as one slice, in C order.
    pub fn as_slice(&self) -> &[f32] {
        self.values.as_slice().unwrap_or_default()
    }

    /// Writes the values into an image `[c, z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the box does not lie inside the image or the channels differ.
    pub fn apply(&self, image: &mut ArrayViewMut4<'_, f32>) -> Result<(), Error> {
        self.check(image.view())?;
        let window = window(image.dim(), self.bounds)?;
        image.slice_mut(window).assign(&self.values);
        Ok(())
    }

    /// Counts the voxels whose value differs from the image's in at least one channel. 0 means that the patch changes
    /// nothing.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] as [`Patch::apply`] does.
    pub fn changed_voxels(&self, image: ArrayView4<'_, f32>) -> Result<usize, Error> {
        self.check(image)?;
        let before = image.slice(window(image.dim(), self.bounds)?);
        let [depth, height, width] = self.bounds.size();
        let differs = |(z, y, x): (usize, usize, usize)| {
            (0..image.dim().0).any(|channel| before[[channel, z, y, x]] != self.values[[channel, z, y, x]])
        };
        Ok(ndarray::indices((depth, height, width)).into_iter().filter(|&voxel| differs(voxel)).count())
    }

    fn check(&self, image: ArrayView4<'_, f32>) -> Result<(), Error> {
        let (expected, found) = (image.dim().0, self.values.dim().0);
        if expected == found {
            return Ok(());
        }
        Err(Error::ShapeMismatch { what: "a patch's channels", expected: vec![expected], found: vec![found] })
    }
}

/// The slice of an image that a box covers.
fn window((_, z, y, x): (usize, usize, usize, usize), bounds: Box3) -> Result<Window, Error> {
    if bounds.is_empty() || !Box3::whole([z, y, x]).contains(&bounds) {
        return Err(Error::ShapeMismatch {
            what: "the end of a patch's box, which must lie inside the image",
            expected: vec![z, y, x],
            found: bounds.end.to_vec(),
        });
    }
    let [z, y, x] = bounds.ranges();
    Ok(s![.., z, y, x])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Array4<f32> {
        Array4::from_shape_fn((2, 3, 4, 5), |(c, z, y, x)| (c * 60 + z * 20 + y * 5 + x) as f32)
    }

    #[test]
    fn a_copy_changes_nothing_and_an_edited_copy_its_voxel() {
        let original = image();
        let bounds = Box3::new([1, 0, 2], [3, 4, 5]);
        let mut patch = Patch::copied(original.view(), bounds).unwrap();
        assert_eq!(patch.changed_voxels(original.view()).unwrap(), 0);
        patch.values_mut()[[1, 0, 0, 0]] = -1.0;
        patch.values_mut()[[0, 0, 0, 0]] = -2.0;
        assert_eq!(patch.changed_voxels(original.view()).unwrap(), 1);
        let mut changed = original.clone();
        patch.apply(&mut changed.view_mut()).unwrap();
        assert_eq!((changed[[1, 1, 0, 2]], changed[[0, 1, 0, 2]]), (-1.0, -2.0));
        assert_eq!(changed.iter().zip(&original).filter(|(a, b)| a != b).count(), 2);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let bounds = Box3::new([0; 3], [2, 2, 2]);
        assert!(Patch::new(bounds, Array4::zeros((1, 2, 2, 1))).is_err());
        let patch = Patch::new(bounds, Array4::zeros((1, 2, 2, 2))).unwrap();
        assert!(patch.apply(&mut image().view_mut()).is_err(), "other channels");
        let outside = Patch::new(Box3::new([2; 3], [4; 3]), Array4::zeros((2, 2, 2, 2))).unwrap();
        assert!(outside.apply(&mut image().view_mut()).is_err(), "outside of the image");
        assert!(Patch::copied(image().view(), Box3::new([1; 3], [1; 3])).is_err(), "an empty box");
    }
}
