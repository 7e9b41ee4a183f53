//! Which voxels of each layer a change makes it necessary to compute, from the geometry alone.
//!
//! Going forward, a change reaches the outputs whose kernels see a changed input: a box that grows from layer to layer.
//! Going back from the outputs that are wanted, only the boxes that they look back at are needed. What lies in both is
//! computed; the rest of what is needed is what was kept, and where a layer was not kept, all that is needed of it is
//! computed.

use crate::plan::graph::{Arrangement, Graph, Step, Work};
use conv3d::blocked::conv::Geometry;
use conv3d::blocked::window::{clip, signed};
use std::ops::Range;

/// A box of voxels.
pub(super) type Region = [Range<usize>; 3];
/// A box that may stand out of its layer along x, into the zeros around it.
pub(super) type Held = [Range<isize>; 3];

/// Where an image differs from the one that was kept.
#[derive(Clone, Debug)]
pub(super) struct Differs {
    /// The smallest box that holds all that differs.
    pub(super) region: Region,
    /// What of each of its rows differs, from `[z][y]`.
    pub(super) rows: Vec<Range<usize>>,
}

impl Differs {
    /// The smallest range that holds what differs in all rows of `z` and `y`.
    fn along_x(&self, z: Range<usize>, y: Range<usize>) -> Option<Range<usize>> {
        let [depth, height, _] = &self.region;
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

/// What one change asks of each step and each buffer.
#[derive(Debug)]
pub(super) struct Boxes {
    /// By step, the outputs to compute (before they are spread); none where there are none.
    pub(super) steps: Vec<Option<Region>>,
    /// By step, boxes that what to compute lies in: of convolutions of the image, whose changes are known to the voxel.
    pub(super) parts: Vec<Option<Vec<Region>>>,
    /// By buffer, what has to be at hand to read from or to write to.
    pub(super) held: Vec<Option<Held>>,
}

impl Boxes {
    /// `changed` is what of the image changes, `wanted` the box of the last layer that is asked for, `kept` says
    /// which buffers were kept.
    pub(super) fn new(
        graph: &Graph,
        arrangement: &Arrangement,
        kept: &[bool],
        changed: Option<&Differs>,
        wanted: &Region,
    ) -> Boxes {
        let buffer_of = |layer: usize| graph.layers[layer].buffer;
        let size_of = |layer: usize| arrangement.windows[layer].layer;

        let mut reached: Vec<Option<Region>> = vec![None; graph.buffers.len()];
        reached[buffer_of(0)] = changed.map(|changed| changed.region.clone());
        let grown: Vec<Option<Region>> = graph
            .steps
            .iter()
            .map(|step| {
                let factor = step.work.factor();
                let outputs = size_of(step.output).map(|size| size / factor);
                let through = reached[buffer_of(step.input)].as_ref();
                let through = through.and_then(|changed| reached_by(step.work.geometry(), changed, outputs));
                let beside = step.residual.and_then(|(layer, stride)| {
                    let every = Geometry { stride: [stride; 3], ..Geometry::VOXEL };
                    reached_by(every, reached[buffer_of(layer)].as_ref()?, outputs)
                });
                let grown = union(through, beside);
                let all = &mut reached[buffer_of(step.output)];
                *all = union(all.take(), grown.as_ref().map(|grown| scaled(grown, factor)));
                grown
            })
            .collect();

        let mut needed: Vec<Option<Region>> = vec![None; graph.buffers.len()];
        let mut held: Vec<Option<Held>> = vec![None; graph.buffers.len()];
        let last = buffer_of(graph.last());
        needed[last] = Some(wanted.clone());
        held[last] = Some(signed(wanted));
        let mut steps: Vec<Option<Region>> = vec![None; graph.steps.len()];
        let mut parts: Vec<Option<Vec<Region>>> = vec![None; graph.steps.len()];
        for (at, step) in graph.steps.iter().enumerate().rev() {
            let output = buffer_of(step.output);
            let factor = step.work.factor();
            let asked = needed[output].as_ref().map(|needed| {
                std::array::from_fn(|axis| needed[axis].start / factor..needed[axis].end.div_ceil(factor))
            });
            let region = match (asked, &grown[at]) {
                (Some(asked), Some(grown)) if kept[output] => intersection(&asked, grown),
                (Some(asked), _) if !kept[output] => Some(asked),
                _ => None,
            };
            let Some(region) = region else { continue };
            let region = of_tiles(&region, step, size_of(step.output));
            let mut read = |layer: usize, reach: Held| {
                let whole = &arrangement.windows[layer];
                let inside = std::array::from_fn(|axis| {
                    let Range { start, end } = clip(reach[axis].clone(), whole.layer[axis]);
                    start as usize..end as usize
                });
                // With the zeros around rows that a layer has where convolutions read them.
                let with_zeros = std::array::from_fn(|axis| {
                    let Range { start, end } = &reach[axis];
                    let first = whole.start[axis];
                    (*start).max(first)..(*end).min(first + whole.size[axis] as isize)
                });
                let buffer = buffer_of(layer);
                held[buffer] = hull(held[buffer].take(), with_zeros);
                needed[buffer] = union(needed[buffer].take(), Some(inside));
            };
            read(step.input, step.work.geometry().reach(&region));
            if let Some((layer, stride)) = step.residual {
                let every = Geometry { stride: [stride; 3], ..Geometry::VOXEL };
                read(layer, every.reach(&region));
            }
            held[output] = hull(held[output].take(), signed(&scaled(&region, factor)));
            if let Some(changed) =
                changed.filter(|_| kept[output] && step.input == 0 && step.residual.is_none())
            {
                let rows = rows_of(step.work.geometry(), changed, &region);
                parts[at] = match step.work {
                    Work::Conv(_) => Some(boxes_of_rows(&region, &rows)),
                    Work::Winograd(_) => Some(boxes_of_tiles(&region, &rows, step, size_of(step.output))),
                    Work::Pool(_) | Work::Enlarge { .. } => None,
                };
            }
            steps[at] = Some(region);
        }
        Boxes { steps, parts, held }
    }

    /// Voxels that a step computes.
    pub(super) fn voxels(&self, step: usize) -> usize {
        let all = match &self.parts[step] {
            Some(parts) => parts,
            None => self.steps[step].as_slice(),
        };
        all.iter().map(|region| region.iter().map(Range::len).product::<usize>()).sum()
    }
}

/// What of each row of a box of outputs sees a changed voxel.
fn rows_of(geometry: Geometry, changed: &Differs, region: &Region) -> Vec<Range<usize>> {
    let [z, y, x] = region;
    let mut rows = Vec::with_capacity(z.len() * y.len());
    for z in z.clone() {
        for y in y.clone() {
            let [z, y, _] = geometry.reach(&[z..z + 1, y..y + 1, 0..1]);
            let [z, y] = [z, y].map(|range| range.start.max(0) as usize..range.end.max(0) as usize);
            let reached = changed.along_x(z, y).and_then(|along| {
                reached_by(geometry, &[0..1, 0..1, along], [usize::MAX, usize::MAX, x.end])
            });
            rows.push(reached.map_or(x.start..x.start, |[_, _, row]| row.start.max(x.start)..row.end));
        }
    }
    rows
}

/// Each row's part that is not empty.
fn boxes_of_rows([z, y, _]: &Region, rows: &[Range<usize>]) -> Vec<Region> {
    let voxels = z.clone().flat_map(|z| y.clone().map(move |y| [z, y]));
    voxels
        .zip(rows)
        .filter(|(_, row)| !row.is_empty())
        .map(|([z, y], row)| [z..z + 1, y..y + 1, row.clone()])
        .collect()
}

/// Boxes of whole tiles that hold all that is not empty of a box's rows: for each place of a tile the planes between the
/// first and the last that it is needed in.
fn boxes_of_tiles(region: &Region, rows: &[Range<usize>], step: &Step, size: [usize; 3]) -> Vec<Region> {
    let [z, y, x] = region;
    let [_, high, wide] = step.work.grid();
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
            boxes.push([planes, tile_y.clone(), start..(start + wide).min(size[2])]);
        }
    }
    boxes
}

/// The outputs that see an input of a box, if there are any.
fn reached_by(geometry: Geometry, changed: &Region, output: [usize; 3]) -> Option<Region> {
    let Geometry { kernel, stride, padding } = geometry;
    let reached: Region = std::array::from_fn(|axis| {
        let Range { start, end } = changed[axis];
        let first = (start + padding[axis]).saturating_sub(kernel[axis] - 1).div_ceil(stride[axis]);
        let past = (end - 1 + padding[axis]) / stride[axis] + 1;
        first..past.min(output[axis])
    });
    reached.iter().all(|range| !range.is_empty()).then_some(reached)
}

/// The whole tiles that a box lies in: only those can be computed.
fn of_tiles(region: &Region, step: &Step, size: [usize; 3]) -> Region {
    let grid = step.work.grid();
    std::array::from_fn(|axis| {
        let (Range { start, end }, grid) = (region[axis].clone(), grid[axis]);
        if grid == 1 {
            return start..end;
        }
        start / grid * grid..end.next_multiple_of(grid).min(size[axis])
    })
}

fn scaled(region: &Region, factor: usize) -> Region {
    region.clone().map(|range| range.start * factor..range.end * factor)
}

/// What lies in both boxes, if anything does.
pub(super) fn intersection(a: &Region, b: &Region) -> Option<Region> {
    let both: Region =
        std::array::from_fn(|axis| a[axis].start.max(b[axis].start)..a[axis].end.min(b[axis].end));
    both.iter().all(|range| !range.is_empty()).then_some(both)
}

/// The smallest box that holds both.
pub(super) fn union(a: Option<Region>, b: Option<Region>) -> Option<Region> {
    match (a, b) {
        (Some(a), Some(b)) => {
            Some(std::array::from_fn(|axis| a[axis].start.min(b[axis].start)..a[axis].end.max(b[axis].end)))
        }
        (a, b) => a.or(b),
    }
}

/// The smallest box that holds both.
fn hull(a: Option<Held>, b: Held) -> Option<Held> {
    Some(match a {
        Some(a) => std::array::from_fn(|axis| a[axis].start.min(b[axis].start)..a[axis].end.max(b[axis].end)),
        None => b,
    })
}
