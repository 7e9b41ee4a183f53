//! What can be wrong with an image, a mask, labels or parameters.

/// Why an image was not segmented, or labels are no partition.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An axis of the array has no elements.
    #[error("{what}: shape {shape:?} has no voxels")]
    Empty {
        /// Which array.
        what: &'static str,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// The image holds a NaN or an infinity where it is segmented.
    #[error("image: voxel [c, z, y, x] = {index:?} is {value}, expected a finite value")]
    NotFinite {
        /// Channel, z, y and x of the first such value in array order.
        index: [usize; 4],
        /// The value found.
        value: f32,
    },
    /// The range of the image's values overflows `f32`.
    #[error("image: values from {min} to {max} span more than f32 can hold")]
    Range {
        /// Smallest value.
        min: f32,
        /// Largest value.
        max: f32,
    },
    /// More regions are asked for than there are voxels to share out.
    #[error("{regions} regions asked of {voxels} voxels")]
    TooManyRegions {
        /// Regions asked for.
        regions: usize,
        /// Voxels in the image, or in the mask where one is given.
        voxels: usize,
    },
    /// No voxel of the mask is set.
    #[error("mask: none of its {voxels} voxels is set")]
    EmptyMask {
        /// Voxels in the mask.
        voxels: usize,
    },
    /// Two arrays that must lie on one grid do not.
    #[error("{what}: shape [z, y, x] = {found:?}, expected {expected:?}")]
    Shape {
        /// The array that does not fit.
        what: &'static str,
        /// The shape it should have.
        expected: [usize; 3],
        /// The shape it has.
        found: [usize; 3],
    },
    /// A parameter is outside its range.
    #[error("{name} = {value}, expected {expected}")]
    Parameter {
        /// The parameter's name.
        name: &'static str,
        /// The value given.
        value: String,
        /// The values it may have.
        expected: &'static str,
    },
    /// Every voxel carries the background label.
    #[error("labels: all {voxels} voxels are background")]
    NoRegion {
        /// Voxels in the array.
        voxels: usize,
    },
}
