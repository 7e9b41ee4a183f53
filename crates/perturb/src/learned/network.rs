//! The trained U-Net as a fill.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use ndarray::{Array4, Array5, ArrayView4, ArrayViewMut4, Axis, s};
use relevox_models::UNet3d;
use relevox_models::memory::{self, Fitting, Notice, is_exhausted};
use relevox_models::plan::{self, Change, Kept, Plan};
use relevox_models::windows::{UNetKept, UNetWindows};
use slic3d::Supervoxels;

use crate::{Error, Fill, Perturbation, check_region};

/// A fill that asks a U-Net, in evaluation mode.
///
/// What the U-Net sees is zero but for a region, and its answer counts in that region alone: of each layer that alone is
/// computed which the region reaches and which its answer looks back at, beside the layers of an image of zeros, which are
/// kept. On the CPU a compiled plan does so, with the parameters as they were when it was wrapped, on a GPU windows of
/// equal size around the regions ([`relevox_models::windows`]). The values are those of whole forward passes, within rounding.
pub struct LearnedFill {
    unet: UNet3d,
    plan: Option<Plan>,
    windows: UNetWindows,
    device: Device,
    keep_air: bool,
    memory: usize,
    dense: bool,
    fitting: Fitting,
    /// The layers of an image of zeros, of the size asked for last.
    nothing: Mutex<Option<([usize; 4], Arc<Kept>)>>,
    nothing_on_device: Mutex<Option<([usize; 4], Arc<UNetKept>)>>,
}

impl LearnedFill {
    /// Wraps a U-Net whose parameters are on `device`.
    ///
    /// # Errors
    /// Parameters that can't be read.
    pub fn new(unet: UNet3d, device: Device) -> Result<Self, Error> {
        let plan = device.is_cpu().then(|| Plan::unet(&unet)).transpose()?;
        let memory = if device.is_cpu() { plan::MEMORY } else { memory::ON_GPU };
        let windows = UNetWindows::new(unet.clone(), device.clone());
        Ok(Self {
            unet,
            plan,
            windows,
            device,
            keep_air: false,
            memory,
            dense: false,
            fitting: Fitting::default(),
            nothing: Mutex::default(),
            nothing_on_device: Mutex::default(),
        })
    }

    /// Reads a U-Net from a checkpoint.
    ///
    /// # Errors
    /// A file that can't be read, holds another network, or weights that don't fit.
    pub fn load(path: &Path, device: &Device) -> Result<Self, Error> {
        let trained = relevox_models::checkpoint::load_unet(path, None, device)?;
        Self::new(trained.network, device.clone())
    }

    /// Leaves a region as it is where all its voxels are 0 in all sequences. Such a region shows the U-Net
    /// nothing, so that its answer is the same for all of them. Off by default: the method as published
    /// perturbs every region.
    #[must_use]
    pub fn keep_air(mut self, keep: bool) -> Self {
        self.keep_air = keep;
        self
    }

    /// How many bytes a batch of regions, or the layers kept with the regions at work, may take (default
    /// [`plan::MEMORY`], on a GPU [`memory::ON_GPU`]).
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Whether each region takes a whole forward pass, also where there is a faster way.
    #[must_use]
    pub fn dense(mut self, dense: bool) -> Self {
        self.dense = dense;
        self
    }

    /// Whether a compiled plan answers on the CPU, as it does unless told otherwise. Without one, whole forward passes and
    /// windows do, as on a GPU.
    ///
    /// # Errors
    /// Parameters that can't be read.
    pub fn compiled(mut self, compiled: bool) -> Result<Self, Error> {
        self.plan = (compiled && self.device.is_cpu()).then(|| Plan::unet(&self.unet)).transpose()?;
        Ok(self)
    }

    /// Tells `notice` where a batch did not fit into a GPU's memory and was halved, as those after it are.
    #[must_use]
    pub fn on_smaller_batches(mut self, notice: Notice) -> Self {
        self.fitting = Fitting::with_notice(notice);
        self
    }

    /// The U-Net.
    pub fn unet(&self) -> &UNet3d {
        &self.unet
    }

    /// Regions in one forward pass.
    fn batch_size(&self, image: ArrayView4<'_, f32>) -> usize {
        // The first level of 16 channels, its skip, and an operation's input, output and rearranged copy.
        let (_, z, y, x) = image.dim();
        let bytes = 16 * 6 * z * y * x * size_of::<f32>();
        (self.memory / bytes.max(1)).clamp(1, 16).min(self.fitting.most())
    }

    /// The U-Net's output for a batch `[n, c, z, y, x]`.
    fn logits(&self, batch: Vec<f32>, shape: [usize; 5]) -> Result<Vec<f32>, Error> {
        if let Some(plan) = &self.plan {
            return Ok(plan.forward(&batch, shape)?);
        }
        let [count, c, z, y, x] = shape;
        let each = c * z * y * x;
        let exhausted = |error: &Error| matches!(error, Error::Tensor(error) if is_exhausted(error));
        self.fitting.run(count, exhausted, |range| {
            let images = &batch[range.start * each..range.end * each];
            let images = Tensor::from_slice(images, (range.len(), c, z, y, x), &self.device)?;
            Ok(self.unet.forward_t(&images, false)?.detach().flatten_all()?.to_vec1()?)
        })
    }

    /// The values of changes of an image of zeros, from the boxes that each reaches and looks back at.
    fn beside_nothing(&self, shape: [usize; 4], changes: &[Change<'_>]) -> Result<Vec<Vec<f32>>, Error> {
        if let Some(plan) = &self.plan {
            let kept = once(&self.nothing, shape, |zeros| plan.keep(zeros, shape, self.memory))?;
            return Ok(plan.changed_values(&kept, changes)?);
        }
        let kept = once(&self.nothing_on_device, shape, |zeros| self.windows.keep(zeros, shape))?;
        Ok(self.windows.changed(&kept, changes, self.memory, &self.fitting)?)
    }

    /// Fills each region from the boxes that it reaches and looks back at.
    fn fill_boxes(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        together: &[usize],
    ) -> Result<Vec<Perturbation>, Error> {
        let isolated: Vec<([usize; 3], Array4<f32>)> = together
            .iter()
            .map(|&region| {
                let [z, y, x] = regions.bounds(region);
                let start = [z.start, y.start, x.start];
                let mut values = image.slice(s![.., z.clone(), y.clone(), x.clone()]).to_owned();
                let labels = regions.labels().slice_move(s![z, y, x]);
                for mut sequence in values.outer_iter_mut() {
                    ndarray::Zip::from(&mut sequence).and(&labels).for_each(|value, &label| {
                        if label != regions.ids()[region] {
                            *value = 0.0;
                        }
                    });
                }
                (start, values)
            })
            .collect();
        let changes: Vec<Change<'_>> = isolated
            .iter()
            .map(|(start, values)| {
                let (_, z, y, x) = values.dim();
                let values = values.as_slice().unwrap_or_default();
                Change { start: *start, size: [z, y, x], values }
            })
            .collect();
        let found = self.beside_nothing(image.dim().into(), &changes)?;
        let filled = found.into_iter().zip(&isolated).zip(together);
        filled
            .map(|((values, ([oz, oy, ox], isolated)), &region)| {
                let (expected, len) = (isolated.dim(), values.len());
                let values = Array4::from_shape_vec(expected, values).map_err(|_| Error::ShapeMismatch {
                    what: "the U-Net's output",
                    expected: vec![expected.0, expected.1, expected.2, expected.3],
                    found: vec![len],
                })?;
                Perturbation::replace(self.name(), image, regions, region, |channel, [z, y, x]| {
                    logistic(values[[channel, z - oz, y - oy, x - ox]])
                })
            })
            .collect()
    }

    /// Fills each region from a forward pass.
    fn fill_together(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        together: &[usize],
    ) -> Result<Vec<Perturbation>, Error> {
        let (c, z, y, x) = image.dim();
        let mut seen = Array5::zeros((together.len(), c, z, y, x));
        for (input, &region) in seen.axis_iter_mut(Axis(0)).zip(together) {
            isolate(image, regions, region, input);
        }
        let shape = [together.len(), c, z, y, x];
        let values = self.logits(seen.into_raw_vec_and_offset().0, shape)?;
        let found = values.len();
        let values = Array5::from_shape_vec(shape, values).map_err(|_| Error::ShapeMismatch {
            what: "the U-Net's output",
            expected: shape.to_vec(),
            found: vec![found],
        })?;
        values
            .axis_iter(Axis(0))
            .zip(together)
            .map(|(values, &region)| {
                Perturbation::replace(self.name(), image, regions, region, |channel, [z, y, x]| {
                    logistic(values[[channel, z, y, x]])
                })
            })
            .collect()
    }
}

impl Fill for LearnedFill {
    fn name(&self) -> &str {
        "learned"
    }

    fn perturb(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        region: usize,
    ) -> Result<Perturbation, Error> {
        let mut one = self.perturb_batch(image, regions, &[region])?;
        one.pop().ok_or(Error::RegionOutOfRange { region, regions: regions.len() })
    }

    fn perturb_batch(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        batch: &[usize],
    ) -> Result<Vec<Perturbation>, Error> {
        for &region in batch {
            check_region(image, regions, region)?;
        }
        let asked: Vec<usize> =
            batch.iter().copied().filter(|&r| !(self.keep_air && is_air(image, regions, r))).collect();
        let mut filled = Vec::with_capacity(asked.len());
        if self.dense {
            for together in asked.chunks(self.batch_size(image)) {
                filled.extend(self.fill_together(image, regions, together)?);
            }
        } else {
            filled = self.fill_boxes(image, regions, &asked)?;
        }
        let mut filled = filled.into_iter().peekable();
        batch
            .iter()
            .map(|&region| match filled.next_if(|change| change.region == region) {
                Some(change) => Ok(change),
                None => Perturbation::replace(self.name(), image, regions, region, |channel, [z, y, x]| {
                    image[[channel, z, y, x]]
                }),
            })
            .collect()
    }
}

/// What was made of an image of zeros of this shape, or now is: that of one shape is kept.
fn once<T>(
    last: &Mutex<Option<([usize; 4], Arc<T>)>>,
    shape: [usize; 4],
    make: impl FnOnce(&[f32]) -> Result<T, relevox_models::Error>,
) -> Result<Arc<T>, Error> {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, kept)) = last.as_ref().filter(|(of, _)| *of == shape) {
        return Ok(Arc::clone(kept));
    }
    // Two shapes' layers at a time would be twice the memory.
    *last = None;
    let kept = Arc::new(make(&vec![0.0; shape.iter().product()])?);
    *last = Some((shape, Arc::clone(&kept)));
    Ok(kept)
}

/// Copies a region's voxels into an image of zeros: what the U-Net sees.
pub(super) fn isolate(
    image: ArrayView4<'_, f32>,
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

/// All voxels of the region are 0 in all sequences.
pub(super) fn is_air(image: ArrayView4<'_, f32>, regions: &Supervoxels, region: usize) -> bool {
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
