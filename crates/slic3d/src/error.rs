//! Errors of settings, images, masks and label arrays.

use std::fmt::Display;

/// Why an image could not be segmented, or an array of labels is not a partition.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is outside its range.
    #[error("{setting}: expected {expected}, found {found}")]
    InvalidSetting {
        /// Name of the setting.
        setting: &'static str,
        /// The accepted values.
        expected: String,
        /// The value that was given.
        found: String,
    },
    /// More regions were requested than there are voxels to segment.
    #[error("regions: expected at most {voxels}, the number of voxels, found {regions}")]
    TooManyRegions {
        /// Number of regions requested.
        regions: usize,
        /// Number of voxels in the image, or in the mask if there is one.
        voxels: usize,
    },
    /// An array has an axis of length 0.
    #[error("{what}: expected at least one voxel, found shape {shape:?}")]
    Empty {
        /// The array.
        what: &'static str,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// No voxel of the mask is set.
    #[error("mask: expected at least one voxel that is set, found none of {voxels}")]
    EmptyMask {
        /// Number of voxels in the mask array.
        voxels: usize,
    },
    /// Every voxel has the background label.
    #[error("labels: expected at least one region, found {voxels} voxels of background")]
    NoRegions {
        /// Number of voxels in the array.
        voxels: usize,
    },
    /// Two arrays that must share a grid have different shapes.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// The array that was compared.
        what: &'static str,
        /// The required shape, `[z, y, x]`.
        expected: Vec<usize>,
        /// The shape that was given, `[z, y, x]`.
        found: Vec<usize>,
    },
    /// The image contains NaN or infinity.
    #[error("{what}: expected a finite value, found {value}")]
    NonFinite {
        /// The array and the index of the first such value in memory order, `[c, z, y, x]`.
        what: String,
        /// The value found there.
        value: f32,
    },
    /// The difference between the largest and the smallest value overflows `f32`.
    #[error("image: expected values whose range is finite in f32, found {min} to {max}")]
    RangeOverflow {
        /// Smallest value.
        min: f32,
        /// Largest value.
        max: f32,
    },
}

impl Error {
    pub(crate) fn invalid(setting: &'static str, expected: &str, found: impl Display) -> Error {
        Error::InvalidSetting { setting, expected: expected.into(), found: found.to_string() }
    }
}
