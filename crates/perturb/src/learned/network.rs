//! A trained U-Net as a fill.

use std::path::Path;

use candle_core::{Device, Tensor};
use ndarray::{ArrayViewMut4, s};
use relevox_grid::{Box3, ImageView, Patch};
use relevox_models::UNet3d;
use relevox_models::engine::Engine;
use slic3d::Supervoxels;

use crate::replace::{check_region, replace_region};
use crate::{Error, Fill, FillKind, Result};

/// A fill whose values come from a U-Net in evaluation mode.
///
/// The U-Net's input is zero outside the region, and its output counts inside the region only. The activations of an
/// image of zeros are cached, and of each layer only the part that the region reaches, and that its values depend on, is
/// recomputed ([`relevox_models::engine`]). The values agree with those of whole forward passes within rounding.
pub struct LearnedFill {
    engine: Engine<UNet3d>,
    keep_air: bool,
}

impl LearnedFill {
    /// Creates the fill from a U-Net whose parameters are on `device`, with the engine's default options.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if a parameter cannot be read.
    pub fn new(unet: UNet3d, device: Device) -> Result<Self, Error> {
        Ok(Self::from(Engine::new(unet, device)?))
    }

    /// Loads the U-Net from a checkpoint.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if the file cannot be read, holds another network, or its weights do not fit.
    pub fn load(path: &Path, device: &Device) -> Result<Self, Error> {
        let trained = relevox_models::checkpoint::load_unet(path, None, device)?;
        Self::new(trained.network, device.clone())
    }

    /// Sets whether a region of air (all voxels 0 in all channels) stays as it is. The U-Net sees nothing of such a
    /// region, so that its output is the same for all of them. Default `false`: the published method perturbs every
    /// region.
    #[must_use]
    pub fn keep_air(mut self, keep: bool) -> Self {
        self.keep_air = keep;
        self
    }

    /// Returns the engine, for other options; `LearnedFill::from` makes it a fill again, one that does not keep air.
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
        let fill = |((values, patch), &region): ((Vec<f32>, &Patch), &usize)| {
            let (bounds, [depth, height, width]) = (patch.bounds(), patch.bounds().size());
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
        };
        values.into_iter().zip(&isolated).zip(batch).map(fill).collect()
    }
}

impl From<Engine<UNet3d>> for LearnedFill {
    fn from(engine: Engine<UNet3d>) -> Self {
        Self { engine, keep_air: false }
    }
}

impl Fill for LearnedFill {
    fn name(&self) -> &str {
        FillKind::Learned.name()
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

/// Copies a region's bounding box, with zeros outside the region.
fn isolated(image: ImageView<'_>, regions: &Supervoxels, region: usize) -> Result<Patch, Error> {
    let bounds = Box3::from(regions.bounds(region));
    let mut patch = Patch::copied(image, bounds)?;
    let [z, y, x] = bounds.ranges();
    let labels = regions.labels().slice_move(s![z, y, x]);
    let id = regions.ids()[region];
    for mut channel in patch.values_mut().outer_iter_mut() {
        ndarray::Zip::from(&mut channel).and(&labels).for_each(|value, &label| {
            if label != id {
                *value = 0.0;
            }
        });
    }
    Ok(patch)
}

/// Copies a region's voxels into an image of zeros: the U-Net's input.
pub(super) fn isolate(
    image: ImageView<'_>,
    regions: &Supervoxels,
    region: usize,
    mut into: ArrayViewMut4<'_, f32>,
) {
    for [z, y, x] in regions.voxels(region) {
        for channel in 0..image.dim().0 {
            into[[channel, z, y, x]] = image[[channel, z, y, x]];
        }
    }
}

/// Returns whether all voxels of the region are 0 in all channels.
pub(super) fn is_air(image: ImageView<'_>, regions: &Supervoxels, region: usize) -> bool {
    let channels = image.dim().0;
    regions.voxels(region).all(|[z, y, x]| (0..channels).all(|channel| image[[channel, z, y, x]] == 0.0))
}

/// The logistic function as ½ (1 + tanh ½x), as training computes it.
fn logistic(x: f32) -> f32 {
    (0.5 * x).tanh().mul_add(0.5, 0.5)
}

/// The logistic function as ½ (1 + tanh ½x), whose gradient stays finite however large the input is.
pub(super) fn sigmoid(x: &Tensor) -> Result<Tensor, Error> {
    Ok(((x * 0.5)?.tanh()?.affine(0.5, 0.5))?)
}
