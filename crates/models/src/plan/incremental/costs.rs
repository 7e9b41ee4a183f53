//! Cost of patches, by layer.

use super::Cache;
use super::working::Working;
use crate::plan::Plan;
use crate::plan::program::Program;
use relevox_grid::Box3;
use std::sync::PoisonError;
use std::time::Duration;

/// Cost of all patches of a cached image in one layer.
#[derive(Clone, Debug)]
pub struct LayerCost {
    /// Description of the layer.
    pub layer: String,
    /// Size of the whole layer, `[z, y, x]`.
    pub size: [usize; 3],
    /// Floating-point operations of the whole layer, counted as in [`Plan::operations`].
    pub whole_operations: u64,
    /// Voxels computed, of all patches.
    pub voxels: u64,
    /// Floating-point operations of those.
    pub operations: u64,
    /// Floating-point operations of the kernel's own products: those of Winograd's tiles, where it computes these.
    pub products: u64,
    /// Least number of values that the layer reads and writes for all patches, each once; 0 of other layers than convolutions.
    pub values: u64,
    /// Number of weights, which each call reads; 0 of other layers than convolutions.
    pub weights: u64,
    /// Time of the layer, summed over concurrent calls.
    pub time: Duration,
}

/// Cost of all patches of a cached image.
#[derive(Clone, Debug)]
pub struct Costs {
    /// Number of patches computed.
    pub patches: u64,
    /// Time to copy cached values next to the recomputed ones.
    pub copies: Duration,
    /// By layer.
    pub layers: Vec<LayerCost>,
}

/// Time and work of patches.
#[derive(Debug)]
pub(super) struct Clock {
    /// Number of patches computed.
    pub(super) patches: u64,
    /// Time to copy cached values.
    pub(super) copies: Duration,
    /// By step: voxels and time.
    pub(super) steps: Vec<(u64, Duration)>,
}

impl Clock {
    pub(super) fn new(program: &Program) -> Clock {
        Clock { patches: 0, copies: Duration::ZERO, steps: vec![(0, Duration::ZERO); program.steps.len()] }
    }

    /// Adds the time of a step for some patches.
    pub(super) fn step(&mut self, at: usize, working: &[Working], time: Duration) {
        let (voxels, all) = &mut self.steps[at];
        *voxels += working.iter().map(|working| working.boxes.voxels(at) as u64).sum::<u64>();
        *all += time;
    }

    pub(super) fn add(&mut self, other: &Clock) {
        self.patches += other.patches;
        self.copies += other.copies;
        for (mine, others) in self.steps.iter_mut().zip(&other.steps) {
            mine.0 += others.0;
            mine.1 += others.1;
        }
    }
}

impl Plan {
    /// Returns the cost of all patches of a cached image.
    pub fn costs(&self, cache: &Cache) -> Costs {
        let clock = cache.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let layers = self.program.steps.iter().zip(&clock.steps).map(|(step, &(voxels, time))| {
            let layer = cache.arrangement.windows[step.output].layer;
            let size = step.work.positions(Box3::whole(layer)).size();
            let by_voxel = 2 * step.work.products() as u64;
            let (values, weights) = step.work.traffic().unwrap_or_default();
            LayerCost {
                layer: step.work.describe(),
                size,
                whole_operations: by_voxel * size.iter().product::<usize>() as u64,
                voxels,
                operations: by_voxel * voxels,
                products: (2.0 * step.work.multiplications() * voxels as f64) as u64,
                values: values as u64 * voxels,
                weights: weights as u64,
                time,
            }
        });
        Costs { patches: clock.patches, copies: clock.copies, layers: layers.collect() }
    }
}
