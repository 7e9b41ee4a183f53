//! A trained U-Net as a fill.

use std::path::Path;

use candle_core::{Device, Tensor};
use relevox_grid::{Box3, ImageView, Patch};
use relevox_models::UNet3d;
use relevox_models::engine::Engine;
use slic3d::Supervoxels;

use super::isolate::{is_air, isolated};
use super::{Tissues, Variant};
use crate::replace::{check_region, replace_region};
use crate::{Error, Fill, Result};

/// A fill whose values come from a U-Net in evaluation mode.
///
/// The U-Net's input is zero outside the region, and its output counts inside the region only. The activations of an
/// image of zeros are cached, and of each layer only the part that the region reaches, and that its values depend on, is
/// recomputed ([`relevox_models::engine`]). The values agree with those of whole forward passes within rounding.
pub struct LearnedFill {
    engine: Engine<UNet3d>,
    variant: Variant,
    keep_air: bool,
}

impl LearnedFill {
    /// Creates the paper's fill from a U-Net whose parameters are on `device`, with the engine's default options.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if a parameter cannot be read.
    pub fn new(unet: UNet3d, device: Device) -> Result<Self, Error> {
        Ok(Self::from(Engine::new(unet, device)?))
    }

    /// Loads the U-Net from a checkpoint, whose metadata states the variant; one that does not is the paper's.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if the file cannot be read, holds another network, or its weights do not fit, and
    /// [`Error::UnknownName`] if it states an unknown variant.
    pub fn load(path: &Path, device: &Device) -> Result<Self, Error> {
        let trained = relevox_models::checkpoint::load_unet(path, None, device)?;
        let variant = Variant::of(trained.metadata.as_ref())?;
        Ok(Self::new(trained.network, device.clone())?.variant(variant))
    }

    /// Sets what the U-Net was trained for. Default: the paper's.
    #[must_use]
    pub fn variant(mut self, variant: Variant) -> Self {
        self.variant = variant;
        self
    }

    /// Sets whether a region of air (all voxels 0 in all channels) stays as it is. The U-Net sees nothing of such a
    /// region, so that its output is the same for all of them. Default `false`: the published method perturbs every
    /// region.
    #[must_use]
    pub fn keep_air(mut self, keep: bool) -> Self {
        self.keep_air = keep;
        self
    }

    /// Returns the engine, for other options; `LearnedFill::from` makes it a fill again, the paper's, which does not keep air.
    pub fn into_engine(self) -> Engine<UNet3d> {
        self.engine
    }

    /// Returns the U-Net.
    pub fn unet(&self) -> &UNet3d {
        self.engine.network()
    }

    /// Computes the patches of regions, air included.
    fn filled(
        &self,
        image: ImageView<'_>,
        regions: &Supervoxels,
        batch: &[usize],
    ) -> Result<Vec<Patch>, Error> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let isolated = batch
            .iter()
            .map(|&region| isolated(image, regions, region))
            .collect::<Result<Vec<Patch>, Error>>()?;
        let nothing = self.engine.baseline_of_zeros(image.dim().into())?;
        let values = self.engine.patched(&nothing, &isolated)?;
        let tissues = match self.variant {
            Variant::Tissue => Some(Tissues::of(image, regions)?),
            Variant::Paper | Variant::Signed => None,
        };
        let fill = |((values, patch), &region): ((Vec<f32>, &Patch), &usize)| match &tissues {
            Some(tissues) => self.of_tissue(image, regions, region, tissues, &values),
            None => self.of_values(image, regions, region, patch, &values),
        };
        values.into_iter().zip(&isolated).zip(batch).map(fill).collect()
    }

    /// Replaces a region with the U-Net's values: `[c, z, y, x]` in the region's bounding box, before the sigmoid.
    fn of_values(
        &self,
        image: ImageView<'_>,
        regions: &Supervoxels,
        region: usize,
        isolated: &Patch,
        values: &[f32],
    ) -> Result<Patch, Error> {
        let (bounds, [depth, height, width]) = (isolated.bounds(), isolated.bounds().size());
        let expected = image.dim().0 * bounds.voxels();
        if values.len() != expected {
            return Err(Error::ShapeMismatch {
                what: "the U-Net's output",
                expected: vec![expected],
                found: vec![values.len()],
            });
        }
        replace_region(self.name(), image, regions, region, |channel, voxel| {
            let [z, y, x]: [usize; 3] = std::array::from_fn(|axis| voxel[axis] - bounds.start[axis]);
            logistic(values[((channel * depth + z) * height + y) * width + x])
        })
    }

    /// Replaces a region with the tissue that has the largest mean logit over its voxels; `logits` are `[tissue, z, y, x]` in
    /// the region's bounding box.
    fn of_tissue(
        &self,
        image: ImageView<'_>,
        regions: &Supervoxels,
        region: usize,
        tissues: &Tissues,
        logits: &[f32],
    ) -> Result<Patch, Error> {
        let bounds = Box3::from(regions.bounds(region));
        let [_, height, width] = bounds.size();
        let positions: Vec<usize> = regions
            .voxels(region)
            .map(|voxel| {
                let [z, y, x]: [usize; 3] = std::array::from_fn(|axis| voxel[axis] - bounds.start[axis]);
                (z * height + y) * width + x
            })
            .collect();
        let sums: Vec<f64> = logits
            .chunks_exact(bounds.voxels())
            .map(|logits| positions.iter().map(|&at| f64::from(logits[at])).sum())
            .collect();
        if let Some(channel) = sums.iter().position(|sum| !sum.is_finite()) {
            return Err(Error::non_finite(self.name(), channel, sums[channel] as f32));
        }
        let best = (1..sums.len()).fold(0, |best, next| if sums[next] > sums[best] { next } else { best });
        let values = tissues.others(region, sums.len()).swap_remove(best);
        replace_region(self.name(), image, regions, region, |channel, _| values[channel])
    }
}

impl From<Engine<UNet3d>> for LearnedFill {
    fn from(engine: Engine<UNet3d>) -> Self {
        Self { engine, variant: Variant::Paper, keep_air: false }
    }
}

impl Fill for LearnedFill {
    fn name(&self) -> &str {
        self.variant.name()
    }

    fn patches(&self, image: ImageView<'_>, regions: &Supervoxels, batch: &[usize]) -> Result<Vec<Patch>> {
        for &region in batch {
            check_region(image, regions, region)?;
        }
        let stays = |region: usize| self.keep_air && is_air(image, regions, region);
        let filled: Vec<usize> = batch.iter().copied().filter(|&region| !stays(region)).collect();
        let patches = self.filled(image, regions, &filled)?;
        let mut filled = filled.into_iter().zip(patches).peekable();
        batch
            .iter()
            .map(|&region| match filled.next_if(|(of, _)| *of == region) {
                Some((_, patch)) => Ok(patch),
                None => Ok(Patch::copied(image, Box3::from(regions.bounds(region)))?),
            })
            .collect()
    }
}

/// The logistic function as ½ (1 + tanh ½x), as training computes it.
fn logistic(x: f32) -> f32 {
    (0.5 * x).tanh().mul_add(0.5, 0.5)
}

/// The logistic function as ½ (1 + tanh ½x), whose gradient stays finite however large the input is.
pub(super) fn sigmoid(x: &Tensor) -> Result<Tensor, Error> {
    Ok(((x * 0.5)?.tanh()?.affine(0.5, 0.5))?)
}
