//! What changes have cost, layer by layer.

use super::Kept;
use super::working::Working;
use crate::plan::Plan;
use crate::plan::graph::{Graph, Step, Work};
use std::sync::PoisonError;
use std::time::Duration;

/// What all changes of a [`Kept`] image have cost in one layer.
#[derive(Clone, Debug)]
pub struct LayerCost {
    /// What the layer computes, from which channels to which.
    pub layer: String,
    /// Voxels of the whole layer, `[z, y, x]`.
    pub size: [usize; 3],
    /// Voxels computed, of all changes.
    pub voxels: u64,
    /// Floating-point operations, counted as [`Plan::operations`] counts.
    pub operations: u64,
    /// Time that the layer took.
    pub time: Duration,
}

/// Where the time of changes went, and for how much work.
#[derive(Debug)]
pub(super) struct Clock {
    /// Changes that went through the layers.
    pub(super) changes: u64,
    /// Laying out boxes and copying what was kept around them.
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
    /// What the changes of `kept` have cost since it was made: first the copies of what was kept around what is computed,
    /// whose voxels are the changes' count, then each layer.
    pub fn costs(&self, kept: &Kept) -> Vec<LayerCost> {
        let clock = kept.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let copies = LayerCost {
            layer: "copies of what is kept".to_owned(),
            size: kept.size,
            voxels: clock.changes,
            operations: 0,
            time: clock.copies,
        };
        let layers = self.graph.steps.iter().zip(&clock.steps).map(|(step, &(voxels, time))| LayerCost {
            layer: describe(&self.graph, step),
            size: kept.arrangement.windows[step.output].layer.map(|size| size / step.work.factor()),
            voxels,
            operations: 2 * step.work.products() as u64 * voxels,
            time,
        });
        std::iter::once(copies).chain(layers).collect()
    }
}

fn describe(graph: &Graph, step: &Step) -> String {
    let channels = |layer: usize| {
        let place = graph.layers[layer];
        place.blocks * graph.buffers[place.buffer].pitch
    };
    let [from, to] = [step.input, step.output].map(channels);
    let geometry = step.work.geometry();
    let what = match &step.work {
        Work::Conv(_) => "convolution",
        Work::Winograd(_) => "convolution (Winograd)",
        Work::Pool(_) => "max-pool",
        Work::Enlarge { .. } => "transposed convolution",
    };
    format!("{what} {from}→{to}, {}³, stride {}", geometry.kernel[0], geometry.stride[0])
}
