//! Memory for one patch: the needed box of each buffer.

use super::Cache;
use super::boxes::Boxes;
use crate::plan::program::{Lifetime, Program, lifetimes, share_memory};
use conv3d::blocked::Lines;
use conv3d::blocked::window::Window;
use rayon::prelude::*;
use relevox_grid::Box3;
use std::ops::Range;

/// Which memory each buffer of a patch takes, and when.
#[derive(Debug)]
pub(super) struct Memory {
    lifetimes: Vec<Lifetime>,
    /// By buffer, if it is used.
    slots: Vec<Option<usize>>,
    /// Values of each slot.
    lens: Vec<usize>,
}

impl Memory {
    pub(super) fn new(program: &Program, boxes: &Boxes) -> Memory {
        let lens: Vec<usize> = lens(program, &boxes.held).collect();
        let mut lifetimes = lifetimes(program, |step| boxes.steps[step].is_some());
        lifetimes
            .iter_mut()
            .zip(&lens)
            .filter(|(_, len)| **len == 0)
            .for_each(|(lifetime, _)| *lifetime = None);
        let (slots, lens) = share_memory(&lifetimes, &lens);
        Memory { lifetimes, slots, lens }
    }

    pub(super) fn bytes(&self) -> usize {
        self.lens.iter().sum::<usize>() * size_of::<f32>()
    }
}

/// A patch's boxes and their memory.
#[derive(Debug)]
pub(super) struct Working {
    pub(super) boxes: Boxes,
    /// Window of each layer of which a box is needed.
    pub(super) windows: Vec<Option<Window>>,
    /// The box of each layer that is computed whole, without parts.
    computed: Vec<Option<Box3>>,
    memory: Memory,
    /// Values of each slot.
    slots: Vec<Lines>,
}

impl Working {
    /// Lays out the boxes in the memory of an earlier patch.
    pub(super) fn new(
        program: &Program,
        cache: &Cache,
        boxes: Boxes,
        memory: Memory,
        mut slots: Vec<Lines>,
    ) -> Working {
        let windows: Vec<Option<Window>> = program
            .layers
            .iter()
            .zip(&cache.arrangement.windows)
            .map(|(place, whole)| {
                let held = boxes.held[place.buffer].as_ref()?;
                Some(Window::new(whole.layer, *held, whole.blocks, whole.pitch))
            })
            .collect();
        let mut computed: Vec<Option<Box3>> = vec![None; program.layers.len()];
        for ((step, outputs), parts) in program.steps.iter().zip(&boxes.steps).zip(&boxes.parts) {
            // Between recomputed parts lie cached values.
            let size = cache.arrangement.windows[step.output].layer;
            let whole = outputs.filter(|_| parts.is_none());
            computed[step.output] = whole.map(|outputs| step.work.written(outputs, size));
        }
        slots.resize_with(slots.len().max(memory.lens.len()), Lines::new);
        for (slot, &len) in slots.iter_mut().zip(&memory.lens) {
            if slot.len() < len {
                *slot = Lines::zeros(len);
            }
        }
        Working { boxes, windows, computed, memory, slots }
    }

    /// Returns a layer's window and values if any of it is needed.
    pub(super) fn layer(&self, program: &Program, layer: usize) -> Option<(&Window, &[f32])> {
        let (place, window) = (program.layers[layer], self.windows[layer].as_ref()?);
        let skip = place.first_block * window.block_len();
        Some((window, &self.slots[self.memory.slots[place.buffer]?][skip..][..window.elements()]))
    }

    /// Takes the memory of a buffer, which is empty if the buffer is not used.
    pub(super) fn take(&mut self, buffer: usize) -> Lines {
        self.memory.slots[buffer].map(|slot| std::mem::take(&mut self.slots[slot])).unwrap_or_default()
    }

    /// Returns what [`Working::take`] took.
    pub(super) fn restore(&mut self, buffer: usize, values: Lines) {
        if let Some(slot) = self.memory.slots[buffer] {
            self.slots[slot] = values;
        }
    }

    /// Returns the window and the values of the image.
    pub(super) fn image(&mut self, program: &Program) -> Option<(&Window, &mut [f32])> {
        let slot = self.memory.slots[program.layers[0].buffer]?;
        Some((self.windows[0].as_ref()?, &mut self.slots[slot]))
    }

    /// Returns the memory for the next patch.
    pub(super) fn into_slots(self) -> Vec<Lines> {
        self.slots
    }

    /// Returns whether a buffer is used for the first time at a step.
    pub(super) fn begins(&self, step: usize) -> bool {
        self.memory.lifetimes.iter().flatten().any(|&[first, _]| first == step)
    }

    /// Copies the cached values that are needed and not recomputed, of buffers that are used from a step on.
    pub(super) fn fill(&mut self, program: &Program, cache: &Cache, step: usize) {
        // Concatenated layers are filled as their parts.
        for layer in std::iter::once(0).chain(program.steps.iter().map(|step| step.output)) {
            let place = program.layers[layer];
            let begins = self.memory.lifetimes[place.buffer].is_some_and(|[first, _]| first == step);
            let Some(slot) = self.memory.slots[place.buffer].filter(|_| begins) else { continue };
            let (Some(from), Some(window)) = (cache.layer(program, layer), &self.windows[layer]) else {
                continue;
            };
            let skip = place.first_block * window.block_len();
            let to = &mut self.slots[slot][skip..][..window.elements()];
            copy(from, (window, to), self.computed[layer]);
        }
    }
}

/// Values that each buffer's box takes.
fn lens<'a>(program: &'a Program, held: &'a [Option<Box3<isize>>]) -> impl Iterator<Item = usize> + 'a {
    program.buffers.iter().zip(held).map(|(buffer, held)| {
        let voxels = held.map_or(0, |held| held.voxels());
        voxels * buffer.blocks * buffer.pitch
    })
}

/// Copies all that `to` holds but for a box.
fn copy((from, values): (&Window, &[f32]), (to, into): (&Window, &mut [f32]), but: Option<Box3>) {
    let pitch = to.pitch;
    let [z, y, x] = [0, 1, 2].map(|axis| to.held(axis));
    into.par_chunks_mut(to.block_len().max(1)).enumerate().for_each(|(block, into)| {
        for z in z.clone() {
            for y in y.clone() {
                let mut run = |x: Range<isize>| {
                    if !x.is_empty() {
                        let (from, at) = (from.at(block, [z, y, x.start]), to.at(0, [z, y, x.start]));
                        let len = x.len() * pitch;
                        into[at..at + len].copy_from_slice(&values[from..from + len]);
                    }
                };
                match but.as_ref().map(Box3::signed) {
                    Some(but) if but.range(0).contains(&z) && but.range(1).contains(&y) => {
                        run(x.start..but.start[2].min(x.end));
                        run(but.end[2].max(x.start)..x.end);
                    }
                    _ => run(x.clone()),
                }
            }
        }
    });
}
