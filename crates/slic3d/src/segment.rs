//! Entry points of a segmentation, on validated settings and on settings still to be validated.

use ndarray::{ArrayView3, ArrayView4, Axis};

use crate::error::Error;
use crate::pipeline;
use crate::report::Report;
use crate::settings::Slic;
use crate::supervoxels::Supervoxels;
use crate::valid::ValidSlic;

impl ValidSlic {
    /// Segments an image of one or more channels into supervoxels; with a mask, only the voxels that it sets.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, `mask` is `[z, y, x]`.
    ///
    /// # Errors
    /// - [`Error::Empty`] if the image has no voxels, [`Error::EmptyMask`] if the mask sets none.
    /// - [`Error::ShapeMismatch`] if the mask does not have the shape of the image.
    /// - [`Error::TooManyRegions`] if there are fewer voxels than requested regions.
    /// - [`Error::NonFinite`] if a voxel to segment is NaN or infinite; with smoothing, any voxel of the image, since
    ///   it would spread. Replace such values first.
    /// - [`Error::RangeOverflow`] if the range of values overflows `f32`. Rescale the image first.
    pub fn segment(
        &self,
        image: ArrayView4<f32>,
        mask: Option<ArrayView3<bool>>,
    ) -> Result<Supervoxels, Error> {
        self.segment_with_report(image, mask).map(|(supervoxels, _)| supervoxels)
    }

    /// Segments a single-channel image, as [`segment`](ValidSlic::segment) does.
    ///
    /// # Shapes
    /// `image` and `mask` are `[z, y, x]`.
    ///
    /// # Errors
    /// Those of [`segment`](ValidSlic::segment).
    pub fn segment_volume(
        &self,
        image: ArrayView3<f32>,
        mask: Option<ArrayView3<bool>>,
    ) -> Result<Supervoxels, Error> {
        self.segment(image.insert_axis(Axis(0)), mask)
    }

    /// Segments an image as [`segment`](ValidSlic::segment) does, and returns statistics with the supervoxels.
    ///
    /// # Errors
    /// Those of [`segment`](ValidSlic::segment).
    pub fn segment_with_report(
        &self,
        image: ArrayView4<f32>,
        mask: Option<ArrayView3<bool>>,
    ) -> Result<(Supervoxels, Report), Error> {
        pipeline::segment(self, image, mask)
    }
}

impl Slic {
    /// Validates the settings and calls [`ValidSlic::segment`].
    ///
    /// # Errors
    /// Those of [`check`](Slic::check) and [`ValidSlic::segment`].
    pub fn segment(
        &self,
        image: ArrayView4<f32>,
        mask: Option<ArrayView3<bool>>,
    ) -> Result<Supervoxels, Error> {
        self.clone().check()?.segment(image, mask)
    }

    /// Validates the settings and calls [`ValidSlic::segment_volume`].
    ///
    /// # Errors
    /// Those of [`check`](Slic::check) and [`ValidSlic::segment`].
    pub fn segment_volume(
        &self,
        image: ArrayView3<f32>,
        mask: Option<ArrayView3<bool>>,
    ) -> Result<Supervoxels, Error> {
        self.clone().check()?.segment_volume(image, mask)
    }

    /// Validates the settings and calls [`ValidSlic::segment_with_report`].
    ///
    /// # Errors
    /// Those of [`check`](Slic::check) and [`ValidSlic::segment`].
    pub fn segment_with_report(
        &self,
        image: ArrayView4<f32>,
        mask: Option<ArrayView3<bool>>,
    ) -> Result<(Supervoxels, Report), Error> {
        self.clone().check()?.segment_with_report(image, mask)
    }
}
