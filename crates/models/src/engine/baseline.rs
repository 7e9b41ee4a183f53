//! The cached activations of an image.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::Array4;

use crate::Error;
use crate::plan::{self, Plan};
use crate::windows::GraphCache;

/// Outputs and cached activations of one image, from which an [`Engine`](super::Engine) computes its patches. Threads
/// may share it.
pub struct Baseline {
    pub(super) layers: Layers,
    pub(super) outputs: Vec<f32>,
    pub(super) shape: [usize; 4],
    /// Whether the image is all zeros.
    pub(super) is_zero: bool,
}

/// Activations of an image, or the image itself where patches take whole passes.
pub(super) enum Layers {
    Plan(Box<plan::Cache>),
    Windows(Box<GraphCache>),
    Image(Array4<f32>),
}

impl Baseline {
    /// Returns the outputs for the image itself: a classifier's `[k]`; nothing for a network that returns a map.
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// Returns the shape of the image, `[c, z, y, x]`.
    pub fn shape(&self) -> [usize; 4] {
        self.shape
    }

    /// Returns whether the activations are those of this image.
    pub(super) fn is_of(&self, plan: Option<&Plan>, image: &[f32], shape: [usize; 4]) -> bool {
        self.shape == shape
            && match (&self.layers, plan) {
                (Layers::Plan(cache), Some(plan)) => plan.is_of(cache, image, shape),
                (Layers::Plan(_), None) => false,
                (Layers::Windows(layers), _) => layers.is_of(image, shape),
                (Layers::Image(own), _) => own.as_slice() == Some(image),
            }
    }
}

/// The latest baseline.
#[derive(Default)]
pub(super) struct Cache(Mutex<Option<Arc<Baseline>>>);

impl Cache {
    /// Returns the cached baseline if `is_this` holds of it, or computes and caches another.
    pub(super) fn get_or_compute(
        &self,
        is_this: impl Fn(&Baseline) -> bool,
        compute: impl FnOnce() -> Result<Baseline, Error>,
    ) -> Result<Arc<Baseline>, Error> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(baseline) = latest.as_ref().filter(|baseline| is_this(baseline)) {
            return Ok(Arc::clone(baseline));
        }
        // Dropped first: the activations of two images would take twice the memory.
        *latest = None;
        let baseline = Arc::new(compute()?);
        *latest = Some(Arc::clone(&baseline));
        Ok(baseline)
    }

    /// Forgets the baseline.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
