//! Constant fills: all voxels of a region take one value per channel, in all channels at once.
//!
//! Rajapaksa and Khalvati (2022), section B: "we set all pixels in the selected region to 0 similar to LIME, max and min
//! perturbations by setting the pixel values in the selected region to the sequence's max and min value". Minimum and
//! maximum are taken over a mask of the brain; with these, a region of air stays as it is under `blank` and becomes as
//! bright as the brain under `max`.
//!
//! `mean` is not part of the paper. The others put a hole or a bright spot into the brain that no training scan has, and
//! a classifier may respond to that artefact; the mean removes what is unusual about a region and little else. It turns
//! air into tissue: use it with partitions of the brain only.

use ndarray::{ArrayView3, Axis, Zip};
use rayon::prelude::*;
use relevox_grid::{ImageView, Patch};
use slic3d::Supervoxels;

use crate::replace::replace_region;
use crate::{Error, Fill, FillKind, Result};

/// A fill that puts one value per channel into all voxels of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantFill {
    name: String,
    values: Vec<f32>,
}

/// The values of one channel inside a mask.
struct Statistics {
    min: f32,
    max: f32,
    mean: f32,
}

impl ConstantFill {
    /// Creates the fill for one scan.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, `mask` (usually the brain) `[z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for [`FillKind::Learned`], [`Error::ShapeMismatch`] if the mask lies on another
    /// grid, [`Error::EmptyMask`] if it has no voxel (`blank` needs none), and [`Error::NonFinite`] if a masked voxel is
    /// NaN or infinite.
    pub fn new(kind: FillKind, image: ImageView<'_>, mask: ArrayView3<'_, bool>) -> Result<Self, Error> {
        if mask.shape() != &image.shape()[1..] {
            return Err(Error::ShapeMismatch {
                what: "the mask",
                expected: image.shape()[1..].to_vec(),
                found: mask.shape().to_vec(),
            });
        }
        let value: fn(Statistics) -> f32 = match kind {
            FillKind::Blank => return Self::from_values(kind.name(), vec![0.0; image.dim().0]),
            FillKind::Min => |of| of.min,
            FillKind::Max => |of| of.max,
            FillKind::Mean => |of| of.mean,
            FillKind::Learned => {
                return Err(Error::InvalidSetting {
                    setting: "fill",
                    expected: format!("one of {}", FillKind::CONSTANT.map(FillKind::name).join(", ")),
                    found: kind.to_string(),
                });
            }
        };
        let values = (0..image.dim().0)
            .map(|channel| statistics(kind, image, channel, mask).map(value))
            .collect::<Result<_, _>>()?;
        Self::from_values(kind.name(), values)
    }

    /// Creates a fill of any other constants, one value per channel.
    ///
    /// # Errors
    /// Returns [`Error::NonFinite`] if a value is NaN or infinite.
    pub fn from_values(name: impl Into<String>, values: Vec<f32>) -> Result<Self, Error> {
        let name = name.into();
        match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            Some((channel, &value)) => Err(Error::non_finite(&name, channel, value)),
            None => Ok(Self { name, values }),
        }
    }

    /// Returns the values by channel.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

/// Computes minimum, maximum and mean of a channel inside a mask.
fn statistics(
    kind: FillKind,
    image: ImageView<'_>,
    channel: usize,
    mask: ArrayView3<'_, bool>,
) -> Result<Statistics, Error> {
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    let (mut sum, mut count) = (0.0, 0_usize);
    let mut odd = None;
    Zip::from(image.index_axis(Axis(0), channel)).and(mask).for_each(|&value, &inside| {
        if inside {
            if !value.is_finite() {
                odd = Some(value);
            }
            min = min.min(value);
            max = max.max(value);
            sum += f64::from(value);
            count += 1;
        }
    });
    match odd {
        Some(value) => Err(Error::non_finite(kind.name(), channel, value)),
        None if count == 0 => Err(Error::EmptyMask { fill: kind.name().to_owned() }),
        None => Ok(Statistics { min, max, mean: (sum / count as f64) as f32 }),
    }
}

impl Fill for ConstantFill {
    fn name(&self) -> &str {
        &self.name
    }

    fn patches(&self, image: ImageView<'_>, regions: &Supervoxels, batch: &[usize]) -> Result<Vec<Patch>> {
        if self.values.len() != image.dim().0 {
            return Err(Error::ShapeMismatch {
                what: "the scan's channels, for which the fill has values",
                expected: vec![self.values.len()],
                found: vec![image.dim().0],
            });
        }
        let replace = |&region: &usize| {
            replace_region(&self.name, image, regions, region, |channel, _| self.values[channel])
        };
        // The first error in order, whichever thread meets one first.
        batch.par_iter().map(replace).collect::<Vec<Result<Patch>>>().into_iter().collect()
    }
}
