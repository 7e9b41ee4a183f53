//! Our networks as black boxes.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Device, Tensor};
use ndarray::{ArrayView4, ArrayView5, Axis, s};
use relevox_models::ResNet3d;
use relevox_models::memory::{self, Fitting, Notice, is_exhausted};
use relevox_models::plan::{self, Change, Kept, Plan};
use relevox_models::windows::{self, Windows};
use relevox_perturb::{Fill, Perturbation};
use slic3d::Supervoxels;

use crate::classifier::{check_grid, dense, finite, walk};
use crate::{Classifier, Error, Progress, RegionLogits};

/// A residual network in evaluation mode, on the CPU or a GPU.
///
/// On the CPU a compiled plan answers, with the parameters as they were when it was wrapped; a partition is scored
/// incrementally: of each layer that alone is computed again which a region's change reaches. The logits are those of
/// whole forward passes, within rounding. On a GPU windows of equal size around the regions go through the layers together
/// ([`relevox_models::windows`]), within rounding too. The layers of the scan scored last are kept, so that its other
/// partitions and fills start from them.
pub struct NetworkClassifier {
    network: ResNet3d,
    plan: Option<Plan>,
    windows: Windows,
    device: Device,
    memory: usize,
    dense: bool,
    /// How many whole images go together.
    images: Fitting,
    /// How many changes go together, each of which takes far less.
    boxes: Fitting,
    kept: Mutex<Option<Arc<Kept>>>,
    kept_on_device: Mutex<Option<Arc<windows::Kept>>>,
}

/// Regions that are scored side by side where only what they reach is computed.
const TOGETHER: usize = 32;
/// Regions that are asked about at once on a GPU, to be scored beside others of their size.
const AT_ONCE_ON_GPU: usize = 8 * windows::TOGETHER;

impl NetworkClassifier {
    /// Wraps a network whose parameters are on `device`.
    ///
    /// # Errors
    /// Parameters that can't be read.
    pub fn new(network: ResNet3d, device: Device) -> Result<Self, Error> {
        let plan = device.is_cpu().then(|| Plan::resnet(&network)).transpose()?;
        let memory = if device.is_cpu() { plan::MEMORY } else { memory::ON_GPU };
        let windows = Windows::new(network.clone(), device.clone());
        Ok(Self {
            network,
            plan,
            windows,
            device,
            memory,
            dense: false,
            images: Fitting::default(),
            boxes: Fitting::default(),
            kept: Mutex::default(),
            kept_on_device: Mutex::default(),
        })
    }

    /// How many bytes a batch, or the layers kept of a scan with the changes at work, may take (default
    /// [`plan::MEMORY`], on a GPU [`memory::ON_GPU`]): it decides how many images go together, and which layers are kept.
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

    /// Whether a compiled plan answers on the CPU, as it does unless told otherwise. Without one, whole forward passes and
    /// windows do, as on a GPU.
    ///
    /// # Errors
    /// Parameters that can't be read.
    pub fn compiled(mut self, compiled: bool) -> Result<Self, Error> {
        self.plan = (compiled && self.device.is_cpu()).then(|| Plan::resnet(&self.network)).transpose()?;
        Ok(self)
    }

    /// Tells `notice` where a batch did not fit into a GPU's memory and was halved, as those after it are.
    #[must_use]
    pub fn on_smaller_batches(mut self, notice: Notice) -> Self {
        let notice: Arc<dyn Fn(usize) + Send + Sync> = Arc::from(notice);
        let same = Arc::clone(&notice);
        self.images = Fitting::with_notice(Box::new(move |most| notice(most)));
        self.boxes = Fitting::with_notice(Box::new(move |most| same(most)));
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

    /// The same on the device.
    fn keep_on_device(&self, image: ArrayView4<'_, f32>) -> Result<Arc<windows::Kept>, Error> {
        let voxels = image.as_standard_layout();
        let (voxels, shape) = (voxels.as_slice().unwrap_or_default(), image.dim().into());
        let mut last = self.kept_on_device.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = last.as_ref().filter(|kept| kept.is_of(voxels, shape)) {
            return Ok(Arc::clone(kept));
        }
        *last = None;
        let kept = Arc::new(self.windows.keep(voxels, shape)?);
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
        let exhausted = |error: &Error| matches!(error, Error::Network(error) if is_exhausted(error));
        self.images.run(batch.dim().0, exhausted, |range| {
            let images = batch.slice(s![range, .., .., .., ..]);
            let logits = self.network.forward_t(&upload(images, &self.device)?, false)?;
            Ok(logits.detach().flatten_all()?.to_vec1()?)
        })
    }

    fn score_regions(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        fill: &dyn Fill,
        progress: Progress<'_>,
    ) -> Result<RegionLogits, Error> {
        if self.dense {
            return dense(self, image, regions, fill, progress);
        }
        check_grid(image, regions)?;
        match &self.plan {
            Some(plan) => {
                let kept = self.keep(plan, image)?;
                // A plan that compiles a classifier has a logit.
                let original = kept.logit().unwrap_or(f32::NAN);
                follow(image, regions, fill, progress, original, TOGETHER, |boxes| {
                    Ok(plan.changed(&kept, boxes)?)
                })
            }
            None => {
                let kept = self.keep_on_device(image)?;
                follow(image, regions, fill, progress, kept.logit(), AT_ONCE_ON_GPU, |boxes| {
                    Ok(self.windows.changed(&kept, boxes, self.memory, &self.boxes)?)
                })
            }
        }
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        // The first stage is the largest: of a stem with stride 2 and 64 channels it is twice as large as
        // four sequences, and an operation holds its input, its output and a rearranged copy.
        let bytes = 8 * shape.iter().product::<usize>() * size_of::<f32>();
        (self.memory / bytes.max(1)).clamp(1, 16).min(self.images.most())
    }
}

/// Goes through a partition, asking for the logits of many boxes of changed voxels at a time.
fn follow(
    image: ArrayView4<'_, f32>,
    regions: &Supervoxels,
    fill: &dyn Fill,
    progress: Progress<'_>,
    original: f32,
    together: usize,
    ask: impl Fn(&[Change<'_>]) -> Result<Vec<f32>, Error>,
) -> Result<RegionLogits, Error> {
    finite(&[original], |_| "the unperturbed scan".into())?;
    walk(image, regions, fill, progress, original, together, &mut |changes: &[Perturbation]| {
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
        let logits = ask(&boxes)?;
        finite(&logits, |i| format!("region {}", changes[i].region))?;
        Ok(logits)
    })
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
