//! Memory for one patch: the needed box of each buffer.

use super::Cache;
use super::boxes::Boxes;
use crate::plan::program::Program;
use conv3d::blocked::Lines;
use conv3d::blocked::window::Window;
use relevox_grid::Box3;
use std::ops::Range;

/// A patch's boxes and their memory.
#[derive(Debug)]
pub(super) struct Working {
    pub(super) boxes: Boxes,
    /// Window of each layer of which a box is needed.
    pub(super) windows: Vec<Option<Window>>,
    /// Values of each buffer.
    pub(super) buffers: Vec<Lines>,
}

impl Working {
    /// Lays out the boxes in the memory of an earlier patch.
    pub(super) fn new(program: &Program, cache: &Cache, boxes: Boxes, mut buffers: Vec<Lines>) -> Working {
        let windows: Vec<Option<Window>> = program
            .layers
            .iter()
            .zip(&cache.arrangement.windows)
            .map(|(place, whole)| {
                let held = boxes.held[place.buffer].as_ref()?;
                Some(Window::new(whole.layer, *held, whole.blocks, whole.pitch))
            })
            .collect();
        buffers.resize_with(program.buffers.len(), Lines::new);
        for (buffer, len) in buffers.iter_mut().zip(lens(program, &boxes.held)) {
            if buffer.len() < len {
                *buffer = Lines::zeros(len);
            }
        }
        Working { boxes, windows, buffers }
    }

    /// Returns a layer's window and values if any of it is needed.
    pub(super) fn layer(&self, program: &Program, layer: usize) -> Option<(&Window, &[f32])> {
        let (place, window) = (program.layers[layer], self.windows[layer].as_ref()?);
        let skip = place.first_block * window.block_len();
        Some((window, &self.buffers[place.buffer][skip..][..window.elements()]))
    }

    /// Copies the cached values that are needed and not recomputed.
    pub(super) fn fill(&mut self, program: &Program, cache: &Cache) {
        let mut computed: Vec<Option<Box3>> = vec![None; program.layers.len()];
        let mut written = vec![false; program.layers.len()];
        for ((step, outputs), parts) in program.steps.iter().zip(&self.boxes.steps).zip(&self.boxes.parts) {
            written[step.output] = true;
            // Between recomputed parts lie cached values.
            let size = cache.arrangement.windows[step.output].layer;
            let whole = outputs.filter(|_| parts.is_none());
            computed[step.output] = whole.map(|outputs| step.work.written(outputs, size));
        }
        // Concatenated layers are filled as their parts.
        for (layer, place) in
            program.layers.iter().enumerate().filter(|(layer, _)| *layer == 0 || written[*layer])
        {
            let Some(from) = cache.layer(program, layer) else { continue };
            let Some(window) = &self.windows[layer] else { continue };
            let skip = place.first_block * window.block_len();
            let to = &mut self.buffers[place.buffer][skip..][..window.elements()];
            copy(from, (window, to), computed[layer]);
        }
    }
}

/// Values that each buffer's box takes.
pub(super) fn lens<'a>(
    program: &'a Program,
    held: &'a [Option<Box3<isize>>],
) -> impl Iterator<Item = usize> + 'a {
    program.buffers.iter().zip(held).map(|(buffer, held)| {
        let voxels = held.map_or(0, |held| held.voxels());
        voxels * buffer.blocks * buffer.pitch
    })
}

/// Copies all that `to` holds but for a box.
fn copy((from, values): (&Window, &[f32]), (to, into): (&Window, &mut [f32]), but: Option<Box3>) {
    let pitch = to.pitch;
    let [z, y, x] = [0, 1, 2].map(|axis| to.held(axis));
    for block in 0..to.blocks {
        for z in z.clone() {
            for y in y.clone() {
                let mut run = |x: Range<isize>| {
                    if !x.is_empty() {
                        let (from, at) = (from.at(block, [z, y, x.start]), to.at(block, [z, y, x.start]));
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
    }
}
