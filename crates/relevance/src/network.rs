//! Our networks as black boxes.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use ndarray::{ArrayView4, ArrayView5, Axis};
use relevox_models::ResNet3d;
use relevox_models::plan::{self, Change, Kept, Plan};
use relevox_perturb::{Fill, Perturbation};
use slic3d::Supervoxels;

use crate::classifier::{check_grid, dense, finite, walk};
use crate::{Classifier, Error, Progress, RegionLogits};

/// A residual network in evaluation mode, on the CPU or a GPU.
///
/// On the CPU a compiled plan answers, with the parameters as they were when it was wrapped; a partition is scored
/// incrementally: of each layer that alone is computed again which a region's change reaches. The logits are those of
/// whole forward passes, within rounding. The layers of the scan scored last are kept, so that its other partitions and fills
/// start from them.
pub struct NetworkClassifier {
    network: ResNet3d,
    plan: Option<Plan>,
    device: Device,
    memory: usize,
    dense: bool,
    kept: Mutex<Option<Arc<Kept>>>,
}

/// Regions that are scored side by side where only what they reach is computed.
const TOGETHER: usize = 32;

impl NetworkClassifier {
    /// Wraps a network whose parameters are on `device`.
    ///
    /// # Errors
    /// Parameters that can't be read.
    pub fn new(network: ResNet3d, device: Device) -> Result<Self, Error> {
        let plan = device.is_cpu().then(|| Plan::resnet(&network)).transpose()?;
        let memory = plan::MEMORY;
        Ok(Self { network, plan, device, memory, dense: false, kept: Mutex::default() })
    }

    /// How many bytes a batch, or the layers kept of a scan with the changes at work, may take (default
    /// [`plan::MEMORY`]): it decides how many images go together, and which layers are kept.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// Whether a partition is scored by whole forward passes, also where there is a faster way.
    #[must_use]
    pub fn dense(mut self, dense: bool) -> Self {
        self.dense = dense;
        self
    }

    /// The network.
    pub fn network(&self) -> &ResNet3d {
        &self.network
    }

    /// Where its parameters are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The layers of a scan: those kept, if they are this scan's.
    fn keep(&self, plan: &Plan, image: ArrayView4<'_, f32>) -> Result<Arc<Kept>, Error> {
        let voxels = image.as_standard_layout();
        let (voxels, shape) = (voxels.as_slice().unwrap_or_default(), image.dim().into());
        let mut last = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = last.as_ref().filter(|kept| plan.is_of(kept, voxels, shape)) {
            return Ok(Arc::clone(kept));
        }
        // Two scans' layers at a time would be twice the memory.
        *last = None;
        let kept = Arc::new(plan.keep(voxels, shape, self.memory)?);
        *last = Some(Arc::clone(&kept));
        Ok(kept)
    }
}

impl Classifier for NetworkClassifier {
    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Vec<f32>, Error> {
        if let Some(plan) = &self.plan {
            let images = batch.as_standard_layout();
            return Ok(plan.forward(images.as_slice().unwrap_or_default(), batch.dim().into())?);
        }
        let logits = self.network.forward_t(&upload(batch, &self.device)?, false)?;
        Ok(logits.detach().flatten_all()?.to_vec1()?)
    }

    fn score_regions(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        fill: &dyn Fill,
        progress: Progress<'_>,
    ) -> Result<RegionLogits, Error> {
        let Some(plan) = self.plan.as_ref().filter(|_| !self.dense) else {
            return dense(self, image, regions, fill, progress);
        };
        check_grid(image, regions)?;
        let kept = self.keep(plan, image)?;
        // A plan that compiles a classifier has a logit.
        let original = kept.logit().unwrap_or(f32::NAN);
        finite(&[original], |_| "the unperturbed scan".into())?;
        walk(image, regions, fill, progress, original, TOGETHER, &mut |changes: &[Perturbation]| {
            let boxes: Vec<_> = changes.iter().map(|change| change.values.as_standard_layout()).collect();
            let boxes: Vec<Change<'_>> = changes
                .iter()
                .zip(&boxes)
                .map(|(change, values)| {
                    let (_, z, y, x) = change.values.dim();
                    let values = values.as_slice().unwrap_or_default();
                    Change { start: change.origin, size: [z, y, x], values }
                })
                .collect();
            let logits = plan.changed(&kept, &boxes)?;
            finite(&logits, |i| format!("region {}", changes[i].region))?;
            Ok(logits)
        })
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        // The first stage is the largest: of a stem with stride 2 and 64 channels it is twice as large as
        // four sequences, and an operation holds its input, its output and a rearranged copy.
        let bytes = 8 * shape.iter().product::<usize>() * size_of::<f32>();
        (self.memory / bytes.max(1)).clamp(1, 16)
    }
}

/// A batch as a tensor `[n, c, z, y, x]`.
pub(crate) fn upload(batch: ArrayView5<'_, f32>, device: &Device) -> Result<Tensor, Error> {
    let shape: [usize; 5] = batch.dim().into();
    Ok(Tensor::from_vec(batch.iter().copied().collect::<Vec<f32>>(), &shape, device)?)
}

/// One image as a batch of one.
pub(crate) fn upload_one(image: ArrayView4<'_, f32>, device: &Device) -> Result<Tensor, Error> {
    upload(image.insert_axis(Axis(0)), device)
}
