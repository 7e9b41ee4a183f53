//! The voxels of each layer that a patch requires to recompute, from the geometry.
//!
//! Forward, a patch reaches the outputs that read a changed input: a box that grows from layer to layer. Backward, only
//! the receptive field of the requested outputs is needed. The intersection is recomputed; the rest of what is needed is
//! cached. If a layer is not cached, all that is needed of it is recomputed.

use crate::plan::program::{Arrangement, Program, Step};
use crate::plan::work::Work;
use conv3d::ConvGeometry;
use relevox_grid::Box3;
use std::ops::Range;

/// The voxels of an image that differ from the cached one.
#[derive(Clone, Debug)]
pub(super) struct Differs {
    /// Smallest box that contains them.
    pub(super) bounds: Box3,
    /// Range of each row `[z][y]` of the box that contains them.
    pub(super) rows: Vec<Range<usize>>,
}

impl Differs {
    /// Returns the smallest range along x that contains the differing voxels of the rows `z` and `y`.
    fn along_x(&self, z: Range<usize>, y: Range<usize>) -> Option<Range<usize>> {
        let [depth, height, _] = self.bounds.ranges();
        let mut all: Option<Range<usize>> = None;
        for z in z.start.max(depth.start)..z.end.min(depth.end) {
            for y in y.start.max(height.start)..y.end.min(height.end) {
                let row = &self.rows[(z - depth.start) * height.len() + y - height.start];
                if !row.is_empty() {
                    all = Some(match all {
                        Some(all) => all.start.min(row.start)..all.end.max(row.end),
                        None => row.clone(),
                    });
                }
            }
        }
        all
    }
}

/// Boxes of one patch, by step and by buffer.
#[derive(Debug)]
pub(super) struct Boxes {
    /// Outputs of each step to compute, before any spread.
    pub(super) steps: Vec<Option<Box3>>,
    /// Finer boxes of the outputs to compute, for convolutions of the image, whose changes are known by voxel.
    pub(super) parts: Vec<Option<Vec<Box3>>>,
    /// Box of each buffer that is read or written.
    pub(super) held: Vec<Option<Box3<isize>>>,
}

impl Boxes {
    /// Computes the boxes of a patch, for a requested box of the last layer and the cached buffers.
    pub(super) fn new(
        program: &Program,
        arrangement: &Arrangement,
        cached: &[bool],
        changed: Option<&Differs>,
        wanted: Box3,
    ) -> Boxes {
        let buffer_of = |layer: usize| program.layers[layer].buffer;
        let size_of = |layer: usize| arrangement.windows[layer].layer;

        let mut reached: Vec<Option<Box3>> = vec![None; program.buffers.len()];
        reached[buffer_of(0)] = changed.map(|changed| changed.bounds);
        let grown: Vec<Option<Box3>> = program
            .steps
            .iter()
            .map(|step| {
                let layer = size_of(step.output);
                let outputs = step.work.positions(Box3::whole(layer));
                // An operation that reads all of its input changes everywhere.
                let through = reached[buffer_of(step.input)].and_then(|changed| match step.work.geometry() {
                    Some(geometry) => geometry.reached_by(changed, outputs.end),
                    None => Some(outputs),
                });
                let beside = step.residual.and_then(|(layer, stride)| {
                    let changed = reached[buffer_of(layer)]?;
                    if step.work.gates() {
                        return Some(outputs);
                    }
                    ConvGeometry::strided([stride; 3]).reached_by(changed, outputs.end)
                });
                let grown = hull(through, beside);
                let all = &mut reached[buffer_of(step.output)];
                *all = hull(*all, grown.map(|grown| step.work.written(grown, layer)));
                grown
            })
            .collect();

        let mut needed: Vec<Option<Box3>> = vec![None; program.buffers.len()];
        let mut held: Vec<Option<Box3<isize>>> = vec![None; program.buffers.len()];
        let last = buffer_of(program.last());
        needed[last] = Some(wanted);
        held[last] = Some(wanted.signed());
        let mut steps: Vec<Option<Box3>> = vec![None; program.steps.len()];
        let mut parts: Vec<Option<Vec<Box3>>> = vec![None; program.steps.len()];
        for (at, step) in program.steps.iter().enumerate().rev() {
            let output = buffer_of(step.output);
            let asked = needed[output].map(|needed| step.work.positions(needed));
            let outputs = match (asked, &grown[at]) {
                (Some(asked), Some(grown)) if cached[output] => asked.intersection(grown),
                (Some(asked), _) if !cached[output] => Some(asked),
                _ => None,
            };
            let Some(outputs) = outputs else { continue };
            let outputs = of_tiles(outputs, step, size_of(step.output));
            let mut read = |layer: usize, geometry: Option<ConvGeometry>| {
                let whole = &arrangement.windows[layer];
                let buffer = buffer_of(layer);
                let Some(geometry) = geometry else {
                    let all = Box3::whole(whole.layer);
                    held[buffer] = hull(held[buffer], Some(all.signed()));
                    needed[buffer] = hull(needed[buffer], Some(all));
                    return;
                };
                // Includes the zeros around rows that the layer has for convolutions.
                let field = geometry.receptive_field(outputs);
                let with_zeros = Box3 {
                    start: std::array::from_fn(|axis| field.start[axis].max(whole.held(axis).start)),
                    end: std::array::from_fn(|axis| field.end[axis].min(whole.held(axis).end)),
                };
                held[buffer] = hull(held[buffer], Some(with_zeros));
                needed[buffer] = hull(needed[buffer], Some(geometry.reads(outputs, whole.layer)));
            };
            read(step.input, step.work.geometry());
            if let Some((layer, stride)) = step.residual {
                read(layer, (!step.work.gates()).then_some(ConvGeometry::strided([stride; 3])));
            }
            let written = step.work.written(outputs, size_of(step.output));
            held[output] = hull(held[output], Some(written.signed()));
            if let Some(changed) =
                changed.filter(|_| cached[output] && step.input == 0 && step.residual.is_none())
            {
                parts[at] = match &step.work {
                    Work::Conv(conv) => {
                        Some(boxes_of_rows(outputs, &rows_of(conv.geometry(), changed, outputs)))
                    }
                    Work::Winograd(conv) => {
                        let rows = rows_of(conv.geometry(), changed, outputs);
                        Some(boxes_of_tiles(outputs, &rows, step, size_of(step.output)))
                    }
                    _ => None,
                };
            }
            steps[at] = Some(outputs);
        }
        Boxes { steps, parts, held }
    }

    /// Returns the number of voxels that a step computes.
    pub(super) fn voxels(&self, step: usize) -> usize {
        let all = match &self.parts[step] {
            Some(parts) => parts,
            None => self.steps[step].as_slice(),
        };
        all.iter().map(|bounds| bounds.voxels()).sum()
    }
}

/// Returns the range of each row of a box of outputs that reads a changed voxel.
fn rows_of(geometry: ConvGeometry, changed: &Differs, outputs: Box3) -> Vec<Range<usize>> {
    let [z, y, x] = outputs.ranges();
    let mut rows = Vec::with_capacity(z.len() * y.len());
    for z in z {
        for y in y.clone() {
            // Far ends are clipped by the rows that differ.
            let z = geometry.reads_along(0, z..z + 1, isize::MAX as usize);
            let y = geometry.reads_along(1, y..y + 1, isize::MAX as usize);
            let along = changed.along_x(z, y).unwrap_or_default();
            let reached = geometry.reached_along(2, along, x.end);
            rows.push(if reached.is_empty() {
                x.start..x.start
            } else {
                reached.start.max(x.start)..reached.end
            });
        }
    }
    rows
}

/// Returns a box for each range that is not empty.
fn boxes_of_rows(outputs: Box3, rows: &[Range<usize>]) -> Vec<Box3> {
    let [z, y, _] = outputs.ranges();
    let voxels = z.flat_map(|z| y.clone().map(move |y| [z, y]));
    voxels
        .zip(rows)
        .filter(|(_, row)| !row.is_empty())
        .map(|([z, y], row)| [z..z + 1, y..y + 1, row.clone()].into())
        .collect()
}

/// Returns boxes of whole tiles that contain the ranges of a box's rows: for each position of a tile, the planes from the
/// first to the last in which it is needed, in whole tiles.
fn boxes_of_tiles(outputs: Box3, rows: &[Range<usize>], step: &Step, size: [usize; 3]) -> Vec<Box3> {
    let [z, y, x] = outputs.ranges();
    let [deep, high, wide] = step.work.grid();
    let mut boxes = Vec::new();
    for tile_y in y.clone().step_by(high) {
        let tile_y = tile_y..(tile_y + high).min(y.end);
        let mut planes: Vec<Option<Range<usize>>> = vec![None; x.len().div_ceil(wide)];
        for (plane, rows) in z.clone().zip(rows.chunks_exact(y.len().max(1))) {
            let rows = &rows[tile_y.start - y.start..tile_y.end - y.start];
            for row in rows.iter().filter(|row| !row.is_empty()) {
                let tiles = (row.start - x.start) / wide..(row.end - x.start).div_ceil(wide);
                for planes in &mut planes[tiles] {
                    let first = planes.as_ref().map_or(plane, |planes| planes.start);
                    *planes = Some(first..plane + 1);
                }
            }
        }
        for (tile, planes) in planes.into_iter().enumerate() {
            let Some(planes) = planes else { continue };
            let start = x.start + tile * wide;
            let planes = planes.start / deep * deep..planes.end.next_multiple_of(deep).min(size[0]);
            boxes.push([planes, tile_y.clone(), start..(start + wide).min(size[2])].into());
        }
    }
    boxes
}

/// Returns the whole tiles that a box lies in: only those can be computed.
fn of_tiles(outputs: Box3, step: &Step, size: [usize; 3]) -> Box3 {
    let grid = step.work.grid();
    std::array::from_fn(|axis| {
        let (Range { start, end }, grid) = (outputs.range(axis), grid[axis]);
        if grid == 1 {
            return start..end;
        }
        start / grid * grid..end.next_multiple_of(grid).min(size[axis])
    })
    .into()
}

/// Returns the smallest box that contains both, if there is any.
pub(super) fn hull<T: Copy + Ord>(a: Option<Box3<T>>, b: Option<Box3<T>>) -> Option<Box3<T>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.hull(&b)),
        (a, b) => a.or(b),
    }
}
