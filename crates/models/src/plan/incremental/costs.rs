//! What changes have cost, layer by layer.

use super::Kept;
use super::working::Working;
use crate::plan::Plan;
use crate::plan::graph::{Graph, Step, Work};
use conv3d::blocked::conv::Convolution;
use std::sync::PoisonError;
use std::time::Duration;

/// What all changes of a [`Kept`] image have cost in one layer.
#[derive(Clone, Debug)]
pub struct LayerCost {
    /// What the layer computes.
    pub layer: String,
    /// Voxels of the whole layer, `[z, y, x]`.
    pub size: [usize; 3],
    /// Floating-point operations of the whole layer, counted as [`Plan::operations`] counts.
    pub whole_operations: u64,
    /// Voxels computed, of all changes.
    pub voxels: u64,
    /// Floating-point operations of those.
    pub operations: u64,
    /// Time that the layer took; of changes that threads ask for at once, the sum.
    pub time: Duration,
}

/// What all changes of a [`Kept`] image have cost.
#[derive(Clone, Debug)]
pub struct Costs {
    /// Changes that went through the layers.
    pub changes: u64,
    /// Time to copy what was kept around what is computed.
    pub copies: Duration,
    /// By layer.
    pub layers: Vec<LayerCost>,
}

/// Where the time of changes went, and for how much work.
#[derive(Debug)]
pub(super) struct Clock {
    /// Changes that went through the layers.
    pub(super) changes: u64,
    /// Copying what was kept around what is computed.
    pub(super) copies: Duration,
    /// By step: voxels and time.
    pub(super) steps: Vec<(u64, Duration)>,
}

impl Clock {
    pub(super) fn new(graph: &Graph) -> Clock {
        Clock { changes: 0, copies: Duration::ZERO, steps: vec![(0, Duration::ZERO); graph.steps.len()] }
    }

    /// Adds a step that took some `time` for some changes.
    pub(super) fn step(&mut self, at: usize, working: &[Working], time: Duration) {
        let (voxels, all) = &mut self.steps[at];
        *voxels += working.iter().map(|working| working.boxes.voxels(at) as u64).sum::<u64>();
        *all += time;
    }

    pub(super) fn add(&mut self, other: &Clock) {
        self.changes += other.changes;
        self.copies += other.copies;
        for (mine, others) in self.steps.iter_mut().zip(&other.steps) {
            mine.0 += others.0;
            mine.1 += others.1;
        }
    }
}

impl Plan {
    /// What the changes of `kept` have cost since it was made.
    pub fn costs(&self, kept: &Kept) -> Costs {
        let clock = kept.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let layers = self.graph.steps.iter().zip(&clock.steps).map(|(step, &(voxels, time))| {
            let size = kept.arrangement.windows[step.output].layer.map(|size| size / step.work.factor());
            let by_voxel = 2 * step.work.products() as u64;
            LayerCost {
                layer: describe(step),
                size,
                whole_operations: by_voxel * size.iter().product::<usize>() as u64,
                voxels,
                operations: by_voxel * voxels,
                time,
            }
        });
        Costs { changes: clock.changes, copies: clock.copies, layers: layers.collect() }
    }
}

fn describe(step: &Step) -> String {
    let geometry = step.work.geometry();
    let (kernel, stride) = (geometry.kernel[0], geometry.stride[0]);
    match &step.work {
        Work::Conv(conv) => {
            let [from, to] = conv.channels();
            format!("convolution {from}→{to}, {kernel}³, stride {stride}")
        }
        Work::Winograd(conv) => {
            let [from, to] = conv.channels();
            format!("convolution (Winograd) {from}→{to}, {kernel}³, stride {stride}")
        }
        Work::Pool(_) => format!("max-pool, {kernel}³, stride {stride}"),
        Work::Enlarge { phases, factor } => {
            let [from, to] = phases.first().map_or([0; 2], Convolution::channels);
            format!("transposed convolution {from}→{to}, {factor}³, stride {factor}")
        }
    }
}
