//! Blank, min, max and mean: the region takes one value per sequence.
//!
//! Rajapaksa and Khalvati (2022), section B: "we set all pixels in the selected region to 0 similar to LIME,
//! max and min perturbations by setting the pixel values in the selected region to the sequence's max and
//! min value". All voxels of the region take it, in all sequences at once; with the brain's own extremes, a
//! region of air stays as it is under `blank`, and becomes brain-bright under `max`.
//!
//! `mean` is not the paper's: the others put a hole or a flare into the brain that no training scan has, and a classifier may
//! answer to that; the sequence's mean takes away what is unusual about a region of brain and little else. A region of air
//! becomes tissue under it: it is for partitions of the brain alone.

use std::fmt;
use std::str::FromStr;

use ndarray::{ArrayView3, ArrayView4, Axis, Zip};
use slic3d::Supervoxels;

use crate::{Error, Fill, Perturbation};

/// The paper's three trivial fills, and one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Constant {
    /// 0, which is air.
    Blank,
    /// The smallest value of the sequence's brain voxels.
    Min,
    /// The largest value of the sequence's brain voxels.
    Max,
    /// The mean of the sequence's brain voxels.
    Mean,
}

impl Constant {
    /// All of them, the paper's in the order of its Table 3 first.
    pub const ALL: [Self; 4] = [Self::Blank, Self::Min, Self::Max, Self::Mean];

    /// The name in file names and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "mean",
        }
    }
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Constant {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|constant| constant.name() == name)
            .ok_or_else(|| Error::UnknownConstant { name: name.to_owned() })
    }
}

/// A fill that puts one value per sequence on all voxels of a region.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantFill {
    name: String,
    values: Vec<f32>,
}

impl ConstantFill {
    /// The fill for one scan.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, `brain` `[z, y, x]`.
    ///
    /// # Errors
    /// A mask on another grid, a mask without a voxel (but for `blank`), brain voxels that are not finite.
    pub fn new(
        constant: Constant,
        image: ArrayView4<'_, f32>,
        brain: ArrayView3<'_, bool>,
    ) -> Result<Self, Error> {
        if brain.shape() != &image.shape()[1..] {
            return Err(Error::ShapeMismatch {
                what: "the brain mask",
                expected: image.shape()[1..].to_vec(),
                found: brain.shape().to_vec(),
            });
        }
        let name = constant.name();
        if constant == Constant::Blank {
            return Self::from_values(name, vec![0.0; image.dim().0]);
        }
        let mut values = Vec::with_capacity(image.dim().0);
        for (channel, sequence) in image.axis_iter(Axis(0)).enumerate() {
            let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
            let (mut sum, mut count) = (0.0, 0_usize);
            let mut odd = None;
            Zip::from(sequence).and(brain).for_each(|&value, &inside| {
                if inside {
                    if !value.is_finite() {
                        odd = Some(value);
                    }
                    low = low.min(value);
                    high = high.max(value);
                    sum += f64::from(value);
                    count += 1;
                }
            });
            if let Some(value) = odd {
                return Err(Error::NonFinite { fill: name.to_owned(), channel, value });
            }
            if count == 0 {
                return Err(Error::EmptyBrain { fill: name.to_owned() });
            }
            values.push(match constant {
                Constant::Blank => 0.0,
                Constant::Min => low,
                Constant::Max => high,
                Constant::Mean => (sum / count as f64) as f32,
            });
        }
        Self::from_values(name, values)
    }

    /// Any other constant: one value per sequence.
    ///
    /// # Errors
    /// A value that is not finite.
    pub fn from_values(name: impl Into<String>, values: Vec<f32>) -> Result<Self, Error> {
        let name = name.into();
        match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            Some((channel, &value)) => Err(Error::NonFinite { fill: name, channel, value }),
            None => Ok(Self { name, values }),
        }
    }

    /// What the region takes, by sequence.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl Fill for ConstantFill {
    fn name(&self) -> &str {
        &self.name
    }

    fn perturb(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        region: usize,
    ) -> Result<Perturbation, Error> {
        if self.values.len() != image.dim().0 {
            return Err(Error::ShapeMismatch {
                what: "the scan's sequences, for which the fill has values",
                expected: vec![self.values.len()],
                found: vec![image.dim().0],
            });
        }
        Perturbation::replace(&self.name, image, regions, region, |channel, _| self.values[channel])
    }
}
