//! Incremental inference: the cached activations of an image, and the network's output for patches of it.
//!
//! In each layer a patch reaches the outputs that read a changed input; of those, only the ones in the receptive field of a
//! requested output matter (`boxes`). Only these are recomputed, in memory that holds their boxes and the cached inputs
//! that they read (`working`). Many patches are computed at once, so that late layers, which a patch reaches as a whole, have
//! as much work as a batch.
//!
//! A recomputed output has the order of operations of the dense pass. With Winograd's algorithm the rounding of an output
//! depends on all inputs of its tile: an output that no changed voxel reaches keeps its cached value, which a dense pass
//! would round differently. A network without such layers has the bits of the dense pass, one with them its values to
//! rounding.

mod boxes;
mod costs;
#[cfg(test)]
mod tests;
mod working;

use super::program::{Arrangement, End, Program, Step};
use super::separate::separate;
use super::{Plan, in_pool};
use crate::Error;
use boxes::{Boxes, Differs, hull};
use conv3d::blocked::Lines;
use conv3d::blocked::job::{Job, Residual};
use conv3d::blocked::window::Window;
use costs::Clock;
pub use costs::{Costs, LayerCost};
use rayon::prelude::*;
use relevox_grid::{Box3, Patch};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use working::{Memory, Working};

/// Largest number of patches per layer call: enough to rarely read the weights of late layers.
const TOGETHER: usize = 32;

/// Default memory of [`Plan::cache`] in bytes: 1 GiB for activations, 256 MiB for patches.
pub const MEMORY: usize = 5 << 28;

/// Activations of one image, computed by [`Plan::cache`]. Threads may share it.
#[derive(Debug)]
pub struct Cache {
    size: [usize; 3],
    arrangement: Arrangement,
    /// Whether each buffer is cached.
    cached: Vec<bool>,
    /// Values of each slot of the arrangement; empty if it is not cached.
    slots: Vec<Lines>,
    outputs: Option<Vec<f32>>,
    /// Bytes for patches that are computed at once; a single patch may take more.
    working: usize,
    /// Reused memory of patches.
    spare: Mutex<Vec<Vec<Lines>>>,
    clock: Mutex<Clock>,
}

impl Cache {
    /// Returns the unperturbed image's outputs `[k]`, or `None` for a network with an image of values.
    pub fn outputs(&self) -> Option<&[f32]> {
        self.outputs.as_deref()
    }

    /// Returns the size of the cached activations in bytes.
    pub fn bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.len() * size_of::<f32>()).sum()
    }

    /// Returns a layer's window and values if it is cached.
    fn layer(&self, program: &Program, layer: usize) -> Option<(&Window, &[f32])> {
        let (place, window) = (program.layers[layer], &self.arrangement.windows[layer]);
        self.cached[place.buffer].then(|| {
            let skip = place.first_block * window.block_len();
            (window, &self.slots[self.arrangement.slots[place.buffer]][skip..][..window.elements()])
        })
    }
}

impl Plan {
    /// Computes an image and caches its activations.
    ///
    /// `memory` limits the bytes of the activations and of the patches computed at once ([`MEMORY`] is a good choice): a
    /// fifth of it is for patches. If the activations do not fit into the rest, the largest layers are not cached, and
    /// patches recompute the part of them that they need. The image, the last layer and one patch may exceed the limit.
    /// Computing the image takes the memory of [`Plan::forward`].
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]` in C order.
    ///
    /// # Errors
    /// Returns the errors of [`Plan::forward`].
    pub fn cache(&self, image: &[f32], shape: [usize; 4], memory: usize) -> Result<Cache, Error> {
        let [channels, z, y, x] = shape;
        let size = [z, y, x];
        let mut arrangement = self.arrange(image.len(), [1, channels, z, y, x])?;
        let working = memory / 5;
        let cached = choose(&self.program, &arrangement.buffer_lens, (memory - working) / size_of::<f32>());
        arrangement.keep(&self.program, &cached);
        let mut slots: Vec<Lines> = arrangement.slot_lens.iter().map(|&len| Lines::zeros(len)).collect();
        self.pack(&arrangement, image, size, &mut slots);
        for step in &self.program.steps {
            self.step(&arrangement, step, 1, &mut slots);
        }
        let outputs = self.program.end.is_vector().then(|| {
            let mut outputs = vec![0.0; self.values(&arrangement, size)];
            self.unpack(&arrangement, size, &slots, &mut outputs);
            outputs
        });
        let clock = Mutex::new(Clock::new(&self.program));
        let mut wanted = vec![false; slots.len()];
        for (&slot, _) in arrangement.slots.iter().zip(&cached).filter(|(_, cached)| **cached) {
            wanted[slot] = true;
        }
        slots.iter_mut().zip(wanted).filter(|(_, wanted)| !wanted).for_each(|(slot, _)| *slot = Lines::new());
        Ok(Cache { size, arrangement, cached, slots, outputs, working, spare: Mutex::default(), clock })
    }

    /// Returns whether the activations are those of this image of shape `[c, z, y, x]`.
    pub fn is_of(&self, cache: &Cache, image: &[f32], shape: [usize; 4]) -> bool {
        let [channels, z, y, x] = shape;
        channels == self.program.channels
            && cache.size == [z, y, x]
            && cache.cached.len() == self.program.buffers.len()
            && image.len() == shape.iter().product::<usize>()
            && self.differs(cache, Box3::whole(cache.size), image).is_none()
    }

    /// Computes the outputs of the image with each patch pasted in, separately: `[k]` for each patch.
    ///
    /// Equal to [`Plan::forward`] of the patched images: to the bit if no layer uses Winograd's algorithm, otherwise to
    /// rounding. Tests allow 1e-5 of the largest value or of 1, and more for networks that amplify rounding. The rounding may
    /// depend on the memory of the cache.
    ///
    /// # Errors
    /// Returns [`Error::Batch`] if a patch does not fit the image or the network is not a classifier.
    ///
    /// # Panics
    /// Panics if the cache is of another plan.
    pub fn patched_outputs(&self, cache: &Cache, patches: &[Patch]) -> Result<Vec<Vec<f32>>, Error> {
        let Some(outputs) = cache.outputs() else {
            let found = "a network with an image of values".to_owned();
            return Err(Error::Batch { expected: "a classifier".to_owned(), found });
        };
        let last = self.program.last();
        let whole = Box3::whole(cache.arrangement.windows[last].layer);
        let mut found = vec![outputs.to_vec(); patches.len()];
        self.go_through(
            cache,
            patches,
            |_, differs| differs.map(|_| whole),
            &mut found,
            |working, _, to| {
                if let Some((window, values)) = working.layer(&self.program, last) {
                    self.program.end.outputs(window, values, to);
                }
            },
        )?;
        Ok(found)
    }

    /// Computes the network's values in the box of each patch, separately.
    ///
    /// Equal to [`Plan::forward`] of the patched images: to the bit if no layer uses Winograd's algorithm, otherwise to
    /// rounding. Tests allow 1e-5 of the largest value or of 1, and more for networks that amplify rounding. The rounding may
    /// depend on the memory of the cache.
    ///
    /// # Shapes
    /// `[out, z, y, x]` for each patch, of the size of its box.
    ///
    /// # Errors
    /// Returns [`Error::Batch`] if a patch does not fit the image or the network is a classifier.
    ///
    /// # Panics
    /// Panics if the cache is of another plan.
    pub fn patched_values(&self, cache: &Cache, patches: &[Patch]) -> Result<Vec<Vec<f32>>, Error> {
        let End::Map(lanes) = &self.program.end else {
            let found = "a classifier".to_owned();
            return Err(Error::Batch { expected: "a network with an image of values".to_owned(), found });
        };
        let last = self.program.last();
        let mut found: Vec<Vec<f32>> = vec![Vec::new(); patches.len()];
        let wanted =
            |patch: &Patch, _: Option<&Differs>| Some(patch.bounds()).filter(|bounds| !bounds.is_empty());
        self.go_through(cache, patches, wanted, &mut found, |working, patch, to| {
            let Some((window, values)) = working.layer(&self.program, last) else { return };
            let (start, [depth, height, width]) = (patch.bounds().start, patch.bounds().size());
            let channels = lanes.channels.iter().enumerate().filter(|(_, channel)| channel.is_some());
            to.reserve(lanes.count() * depth * height * width);
            for (lane, _) in channels {
                for row in 0..depth * height {
                    let place = [start[0] + row / height, start[1] + row % height, start[2]];
                    let at =
                        window.at(lane / window.pitch, place.map(|at| at as isize)) + lane % window.pitch;
                    to.extend(values[at..].iter().step_by(window.pitch).take(width));
                }
            }
        })?;
        Ok(found)
    }

    /// Returns the number of floating-point operations of the convolutions for patches, counted as in
    /// [`Plan::operations`].
    ///
    /// # Errors
    /// Returns [`Error::Batch`] if a patch does not fit the image.
    pub fn patched_operations(&self, cache: &Cache, patches: &[Patch]) -> Result<u64, Error> {
        let last = Box3::whole(cache.arrangement.windows[self.program.last()].layer);
        let mut products = 0;
        for patch in patches {
            self.check(cache, patch)?;
            let differs = self.differs(cache, patch.bounds(), patch.as_slice());
            let wanted = match self.program.end.is_vector() {
                true if differs.is_none() => continue,
                true => last,
                false => patch.bounds(),
            };
            let boxes =
                Boxes::new(&self.program, &cache.arrangement, &cache.cached, differs.as_ref(), wanted);
            products += (self.program.steps.iter().enumerate())
                .map(|(at, step)| step.work.products() * boxes.voxels(at))
                .sum::<usize>();
        }
        Ok(2 * products as u64)
    }

    /// Computes each patch that has a `wanted` box of the last layer, and calls `done` with its result.
    fn go_through<T: Send>(
        &self,
        cache: &Cache,
        patches: &[Patch],
        wanted: impl Fn(&Patch, Option<&Differs>) -> Option<Box3> + Sync,
        results: &mut [T],
        done: impl Fn(&Working, &Patch, &mut T) + Sync,
    ) -> Result<(), Error> {
        assert_eq!(cache.cached.len(), self.program.buffers.len(), "a cache of another plan");
        for patch in patches {
            self.check(cache, patch)?;
        }
        let boxes: Vec<Option<(Boxes, Memory)>> = patches
            .par_iter()
            .map(|patch| {
                let differs = self.differs(cache, patch.bounds(), patch.as_slice());
                let wanted = wanted(patch, differs.as_ref())?;
                let boxes =
                    Boxes::new(&self.program, &cache.arrangement, &cache.cached, differs.as_ref(), wanted);
                let memory = Memory::new(&self.program, &boxes);
                Some((boxes, memory))
            })
            .collect();
        let mut waiting = boxes
            .into_iter()
            .zip(patches)
            .zip(results)
            .filter_map(|((boxes, patch), result)| Some((boxes?, patch, result)));
        let mut next = waiting.next();
        while next.is_some() {
            let mut together = Vec::new();
            let mut room = cache.working;
            while let Some(waits) = next.take() {
                let ((_, memory), ..) = &waits;
                let bytes = memory.bytes();
                if !together.is_empty() && (bytes > room || together.len() == TOGETHER) {
                    next = Some(waits);
                    break;
                }
                room = room.saturating_sub(bytes);
                together.push(waits);
                next = waiting.next();
            }
            in_pool(|| self.patch(cache, together, &done));
        }
        Ok(())
    }

    /// Computes patches at once.
    fn patch<T: Send>(
        &self,
        cache: &Cache,
        together: Vec<((Boxes, Memory), &Patch, &mut T)>,
        done: &(impl Fn(&Working, &Patch, &mut T) + Sync),
    ) {
        let mut clock = Clock { patches: together.len() as u64, ..Clock::new(&self.program) };
        let mut spare = cache.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut working, targets): (Vec<Working>, Vec<(&Patch, &mut T)>) = together
            .into_iter()
            .map(|((boxes, memory), patch, result)| {
                let slots = spare.pop().unwrap_or_default();
                (Working::new(&self.program, cache, boxes, memory, slots), (patch, result))
            })
            .unzip();
        drop(spare);
        let patches: Vec<&Patch> = targets.iter().map(|(patch, _)| *patch).collect();
        for at in 0..=self.program.steps.len() {
            let start = Instant::now();
            if working.iter().any(|working| working.begins(at)) {
                working.par_iter_mut().for_each(|working| working.fill(&self.program, cache, at));
            }
            if at == 0 {
                working.par_iter_mut().zip(&patches).for_each(|(working, patch)| self.write(patch, working));
            }
            clock.copies += start.elapsed();
            let Some(step) = self.program.steps.get(at) else { break };
            let start = Instant::now();
            self.step_boxes(at, step, &mut working);
            clock.step(at, &working, start.elapsed());
        }
        cache.clock.lock().unwrap_or_else(PoisonError::into_inner).add(&clock);
        working.par_iter().zip(targets).for_each(|(working, (patch, result))| done(working, patch, result));
        let mut spare = cache.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.extend(working.into_iter().map(Working::into_slots));
    }

    fn check(&self, cache: &Cache, patch: &Patch) -> Result<(), Error> {
        if !Box3::whole(cache.size).contains(&patch.bounds()) {
            let expected = format!("a patch within {:?} voxels", cache.size);
            return Err(Error::Batch { expected, found: format!("{:?}", patch.bounds()) });
        }
        let channels = patch.values().dim().0;
        if channels != self.program.channels {
            let expected = format!("a patch of {} channels", self.program.channels);
            return Err(Error::Batch { expected, found: channels.to_string() });
        }
        Ok(())
    }

    /// Returns the part of a box that differs from the image.
    fn differs(&self, cache: &Cache, bounds: Box3, values: &[f32]) -> Option<Differs> {
        let (window, image) = cache.layer(&self.program, 0)?;
        let (start, [depth, height, _]) = (bounds.start, bounds.size());
        let mut differing = vec![0..0; depth * height];
        rows(bounds, values, |c, [z, y, x], values| {
            let at = window.at(c / window.pitch, [z, y, x].map(|at| at as isize)) + c % window.pitch;
            let old = image[at..].iter().step_by(window.pitch);
            let row: &mut Range<usize> = &mut differing[(z - start[0]) * height + y - start[1]];
            for (at, _) in old.zip(values).enumerate().filter(|(_, (old, new))| old != new) {
                let at = x + at;
                *row = if Range::is_empty(row) { at..at + 1 } else { row.start.min(at)..row.end.max(at + 1) };
            }
        });
        let mut all: Option<Box3> = None;
        for (at, row) in differing.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
            let (z, y) = (start[0] + at / height, start[1] + at % height);
            all = hull(all, Some([z..z + 1, y..y + 1, row.clone()].into()));
        }
        let bounds = all?;
        let inside = bounds.range(0).flat_map(|z| bounds.range(1).map(move |y| (z, y)));
        let rows = inside.map(|(z, y)| differing[(z - start[0]) * height + y - start[1]].clone()).collect();
        Some(Differs { bounds, rows })
    }

    /// Writes the part of a patch that is needed into the image.
    fn write(&self, patch: &Patch, working: &mut Working) {
        let Some((window, image)) = working.image(&self.program) else { return };
        let held = |axis: usize, at: usize| {
            (window.start[axis]..window.start[axis] + window.size[axis] as isize).contains(&(at as isize))
        };
        rows(patch.bounds(), patch.as_slice(), |c, [z, y, x], values| {
            if !held(0, z) || !held(1, y) {
                return;
            }
            let skip = (window.start[2] - x as isize).max(0) as usize;
            let end = window.start[2] + window.size[2] as isize - x as isize;
            let Some(values) = values.get(skip..values.len().min(end.max(0) as usize)) else { return };
            if values.is_empty() {
                return;
            }
            let at = window.at(c / window.pitch, [z, y, x + skip].map(|at| at as isize)) + c % window.pitch;
            image[at..].iter_mut().step_by(window.pitch).zip(values).for_each(|(to, &value)| *to = value);
        });
    }

    /// Computes the boxes of a step.
    fn step_boxes(&self, at: usize, step: &Step, working: &mut [Working]) {
        let place = self.program.layers[step.output];
        let mut written: Vec<Lines> = working.iter_mut().map(|working| working.take(place.buffer)).collect();
        let shown: &[Working] = working;
        let mut jobs: Vec<Job<'_>> = shown
            .iter()
            .zip(&mut written)
            .filter_map(|(working, buffer)| {
                let outputs = working.boxes.steps[at]?;
                let output = working.windows[step.output].as_ref()?;
                let own = place.first_block * output.block_len();
                let (to, beside) = separate(buffer, own..own + output.elements());
                let read = |layer: usize| {
                    let of = self.program.layers[layer];
                    if of.buffer != place.buffer {
                        return working.layer(&self.program, layer);
                    }
                    let window = working.windows[layer].as_ref()?;
                    let first = of.first_block * window.block_len();
                    Some((window, beside.get(first..first + window.elements())))
                };
                let residual = match step.residual {
                    Some((layer, stride)) => {
                        let (window, values) = read(layer)?;
                        Some(Residual { window, values, stride })
                    }
                    None => None,
                };
                let parts = working.boxes.parts[at].as_deref();
                Some(Job { outputs, parts, input: read(step.input)?, residual, output: (output, to) })
            })
            .collect();
        step.work.run(&mut jobs);
        drop(jobs);
        for (working, written) in working.iter_mut().zip(written) {
            working.restore(place.buffer, written);
        }
    }
}

/// Calls `row` with each row of a box `[c, z, y, x]`: its channel, its first voxel and its values.
fn rows(bounds: Box3, values: &[f32], mut row: impl FnMut(usize, [usize; 3], &[f32])) {
    let ([z, y, x], [depth, height, width]) = (bounds.start, bounds.size());
    for (at, values) in values.chunks_exact(width.max(1)).enumerate() {
        let plane = at / height;
        row(plane / depth, [z + plane % depth, y + at % height, x], values);
    }
}

/// Returns which buffers to cache, given their sizes and the room in values: the largest are left out.
fn choose(program: &Program, lens: &[usize], room: usize) -> Vec<bool> {
    let mut cached = vec![true; lens.len()];
    let always = [0, program.last()].map(|layer| program.layers[layer].buffer);
    let mut total: usize = lens.iter().sum();
    let mut others: Vec<usize> = (0..lens.len()).filter(|buffer| !always.contains(buffer)).collect();
    others.sort_by_key(|&buffer| std::cmp::Reverse(lens[buffer]));
    for buffer in others {
        if total <= room {
            break;
        }
        cached[buffer] = false;
        total -= lens[buffer];
    }
    cached
}
