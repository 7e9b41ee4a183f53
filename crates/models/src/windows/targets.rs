//! The boxes of each layer that patches require to recompute.

use super::boxes::{Place, common};
use super::prepare::Program;
use super::reach::Reach;
use relevox_grid::Box3;

impl Program {
    /// Returns the box of each value that each patch requires to recompute; nothing for vectors. `sizes` are the voxels of
    /// each value.
    ///
    /// Forward, a patch reaches the outputs that read a changed input. Backward, only the receptive field of the result is
    /// needed: of a map the patch's own box. The intersection is recomputed.
    pub(super) fn targets(&self, sizes: &[[usize; 3]], patches: &[Box3]) -> Vec<Vec<Box3>> {
        let reached = self.reached(sizes, patches);
        let mut needed = self.needed(sizes, patches);
        let mut targets: Vec<Vec<Box3>> = vec![Vec::new(); sizes.len()];
        for (value, reached) in reached.into_iter().enumerate().rev() {
            targets[value] = match self.traits[value].joins {
                Some(reader) => targets[reader].clone(),
                // All of the result is computed, so that none is read from a cache.
                None if value == self.output && !self.traits[value].is_vector => patches.to_vec(),
                None => {
                    let needed = std::mem::take(&mut needed[value]).into_iter();
                    reached.into_iter().zip(needed).map(|(reached, needed)| common(reached, needed)).collect()
                }
            };
        }
        targets
    }

    fn reached(&self, sizes: &[[usize; 3]], patches: &[Box3]) -> Vec<Vec<Box3>> {
        let mut reached: Vec<Vec<Box3>> = vec![Vec::new(); sizes.len()];
        reached[0] = patches.to_vec();
        for step in self.steps.iter().filter(|step| !step.is_vector) {
            let size = sizes[step.output];
            let of_patch = |index: usize| {
                if self.traits[step.output].is_global {
                    return Box3::whole(size);
                }
                let inputs = step.inputs.iter().map(|&input| reached[input][index]);
                step.reach.reached(inputs.reduce(|a, b| a.hull(&b)).unwrap_or_default(), size)
            };
            reached[step.output] = (0..patches.len()).map(of_patch).collect();
        }
        reached
    }

    fn needed(&self, sizes: &[[usize; 3]], patches: &[Box3]) -> Vec<Vec<Option<Box3>>> {
        let mut needed = vec![vec![None; patches.len()]; sizes.len()];
        if !self.traits[self.output].is_vector {
            needed[self.output] = patches.iter().copied().map(Some).collect();
        }
        for step in self.steps.iter().rev() {
            let (before, outputs) = needed.split_at_mut(step.output);
            for &input in step.inputs.iter().filter(|&&input| !self.traits[input].is_vector) {
                for (all, outputs) in before[input].iter_mut().zip(&outputs[0]) {
                    let read = match outputs {
                        _ if step.is_vector => Box3::whole(sizes[input]),
                        Some(outputs) => step.reach.reads(*outputs, sizes[input]),
                        None => continue,
                    };
                    if !read.is_empty() {
                        *all = Some(all.map_or(read, |all: Box3| all.hull(&read)));
                    }
                }
            }
        }
        needed
    }

    /// Estimates the bytes that a patch takes: the windows that later steps read, those that a step reads with a rearranged
    /// copy, and its result with another.
    pub(super) fn bytes(&self, sizes: &[[usize; 3]], patch: Box3) -> usize {
        let targets = self.targets(sizes, &[patch]);
        let voxels = |size: [usize; 3]| size.iter().product::<usize>();
        let window = |value: usize| match targets[value].is_empty() {
            true => [0; 3],
            false => Place::around(&targets[value], sizes[value]).size,
        };
        let held = |value: usize| self.traits[value].channels * voxels(window(value));
        let (mut live, mut most) = (held(0), 0);
        for (at, step) in self.steps.iter().enumerate() {
            let outputs = Box3::whole(window(step.output));
            let seen = step.inputs.iter().filter(|&&input| !self.traits[input].is_vector).map(|&input| {
                let read = match step.reach {
                    Reach::Whole => sizes[input],
                    Reach::Pointwise => outputs.size(),
                    Reach::Window(geometry) => geometry.receptive_field(outputs).size(),
                    Reach::Spread(spread) => spread.read_by(outputs).size(),
                };
                if read == window(input) { 0 } else { self.traits[input].channels * voxels(read) }
            });
            let result = held(step.output);
            most = most.max(live + 2 * seen.sum::<usize>() + 2 * result);
            live += result;
            let mut done: Vec<usize> = step.inputs.clone();
            done.sort_unstable();
            done.dedup();
            done.retain(|&input| self.traits[input].last_use == Some(at));
            live -= done.into_iter().map(held).sum::<usize>();
        }
        most * size_of::<f32>()
    }
}
