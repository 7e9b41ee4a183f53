//! K-means tile by tile, in parallel over slabs of planes: the same labels as the plain form, for any number of threads.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::kernel::{Instructions, Kernel, Room, Tile, kernel};
use super::means::{label_range, move_to_means, widen};
use super::tiles::{Field, Search, TILE, Window, pieces};
use super::{Clusters, Course, Problem, UNASSIGNED};

/// Runs all iterations, or fewer where no cluster moves any more. `by_position` leaves the image out of the distance
/// and moves the clusters after the last iteration too.
pub(crate) fn run(
    problem: &Problem,
    clusters: &mut Clusters,
    by_position: bool,
    instructions: Option<Instructions>,
) -> (Vec<u32>, Course) {
    let [depth, height, width] = problem.shape;
    let channels = if by_position { 0 } else { problem.channels };
    let slab = TILE[0] * height * width;
    let kernel = kernel(channels, problem.slic_zero, instructions);
    let ranges = Ranges::of(problem, channels);
    let mut labels = vec![UNASSIGNED; problem.voxels()];
    let mut rows = vec![0..0; depth * height];
    let mut widest = vec![1.0; clusters.len()];
    let mut moved = vec![true; clusters.len()];
    let mut windows = problem.windows(clusters);
    for iteration in 1..=problem.iterations {
        let before = std::mem::replace(&mut windows, problem.windows(clusters));
        let around = |(now, before): (&Window, &Window)| {
            [0, 1, 2].map(|axis| now[axis].start.min(before[axis].start)..now[axis].end.max(before[axis].end))
        };
        let boxes = windows.iter().zip(&before).map(around).zip(&moved);
        let boxes: Vec<Window> = boxes.filter(|(_, moved)| **moved).map(|(window, _)| window).collect();
        // At first all count as changed, so that those which win no voxel die.
        let changed: Vec<AtomicBool> = moved.iter().map(|_| AtomicBool::new(iteration == 1)).collect();
        let field = Field { problem, clusters, windows: &windows, widest: &widest, moved: &boxes, channels };
        labels.par_chunks_mut(slab).zip(rows.par_chunks_mut(TILE[0] * height)).enumerate().for_each_init(
            || (Search::default(), Room::new(channels)),
            |(search, room), (index, (labels, rows))| {
                let z = index * TILE[0]..(index * TILE[0] + TILE[0]).min(depth);
                if assign_slab(&field, search, room, &ranges, kernel, z, labels, &changed) {
                    for (row, labels) in rows.iter_mut().zip(labels.chunks(width)) {
                        *row = label_range(labels);
                    }
                }
            },
        );
        if iteration == problem.iterations && !by_position {
            break;
        }
        let changed: Vec<bool> = changed.into_iter().map(AtomicBool::into_inner).collect();
        moved = move_to_means(problem, clusters, &labels, &rows, &changed);
        if problem.slic_zero {
            let looked_at: Vec<bool> = changed.iter().zip(&moved).map(|(a, b)| *a || *b).collect();
            widen(problem, clusters, &labels, &rows, &looked_at, &mut widest, &mut moved);
        }
        if !moved.contains(&true) {
            return (labels, Course { iterations: iteration, converged: true });
        }
    }
    (labels, Course { iterations: problem.iterations, converged: false })
}

/// Assigns the voxels of the planes `z`, marks clusters that won or lost any, and returns whether there were some.
#[expect(clippy::too_many_arguments, reason = "the state of one thread and of all")]
fn assign_slab(
    field: &Field,
    search: &mut Search,
    room: &mut Room,
    ranges: &Ranges,
    kernel: Kernel,
    z: Range<usize>,
    labels: &mut [u32],
    changed: &[AtomicBool],
) -> bool {
    let [_, height, width] = field.problem.shape;
    let weight = field.problem.spatial_weight();
    let mut any = false;
    if !search.enter_slab(field, &z) {
        return false;
    }
    for y in pieces(height, TILE[1]) {
        if !search.enter_band(field, &y) {
            continue;
        }
        for x in pieces(width, TILE[2]) {
            let tile = [z.clone(), y.clone(), x];
            let Some(range) = ranges.get(&tile) else { continue };
            if search.enter_tile(field, &tile, range) {
                let tile = Tile {
                    problem: field.problem,
                    contenders: &search.contenders,
                    colour: &field.clusters.colour,
                    weight,
                    span: &tile,
                };
                any |= kernel(&tile, room, labels, changed);
            }
        }
    }
    any
}

/// The least and greatest value of each channel over each tile's voxels; none for a tile outside the mask.
struct Ranges {
    tiles: [usize; 3],
    channels: usize,
    ranges: Vec<[f32; 2]>,
    inside: Vec<bool>,
}

impl Ranges {
    fn of(problem: &Problem, channels: usize) -> Ranges {
        let tiles = [0, 1, 2].map(|axis| problem.shape[axis].div_ceil(TILE[axis]));
        let [depth, height, width] = problem.shape;
        let slabs: Vec<Range<usize>> = pieces(depth, TILE[0]).collect();
        let found: Vec<(Vec<[f32; 2]>, Vec<bool>)> = slabs
            .into_par_iter()
            .map(|z| {
                let mut ranges = Vec::new();
                let mut inside = Vec::new();
                for y in pieces(height, TILE[1]) {
                    for x in pieces(width, TILE[2]) {
                        let tile = [z.clone(), y.clone(), x];
                        let mut any = problem.mask.is_none();
                        if let Some(mask) = problem.mask {
                            for_each_row(problem.shape, &tile, |row| any |= mask[row].contains(&true));
                        }
                        for channel in 0..channels {
                            let first = channel * problem.voxels();
                            let mut extremes = [[f32::INFINITY; TILE[2]], [f32::NEG_INFINITY; TILE[2]]];
                            for_each_row(problem.shape, &tile, |row| {
                                let mask = problem.mask.map(|mask| &mask[row.clone()]);
                                widen_by_row(
                                    &mut extremes,
                                    &problem.image[first + row.start..first + row.end],
                                    mask,
                                );
                            });
                            let [low, high] = extremes;
                            ranges.push([
                                low.into_iter().fold(f32::INFINITY, f32::min),
                                high.into_iter().fold(f32::NEG_INFINITY, f32::max),
                            ]);
                        }
                        inside.push(any);
                    }
                }
                (ranges, inside)
            })
            .collect();
        let (ranges, inside): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Ranges { tiles, channels, ranges: ranges.concat(), inside: inside.concat() }
    }

    fn get(&self, tile: &[Range<usize>; 3]) -> Option<&[[f32; 2]]> {
        let [z, y, x] = [0, 1, 2].map(|axis| tile[axis].start / TILE[axis]);
        let place = (z * self.tiles[1] + y) * self.tiles[2] + x;
        self.inside[place].then(|| &self.ranges[place * self.channels..(place + 1) * self.channels])
    }
}

/// Takes the values of a row, where it is in the mask, into the least and the greatest at each place along x.
fn widen_by_row([low, high]: &mut [[f32; TILE[2]]; 2], row: &[f32], mask: Option<&[bool]>) {
    let mut take = |place: usize, value: f32, inside: bool| {
        low[place] = if inside & (value < low[place]) { value } else { low[place] };
        high[place] = if inside & (value > high[place]) { value } else { high[place] };
    };
    match (row.first_chunk::<{ TILE[2] }>(), mask.map(|mask| mask.first_chunk::<{ TILE[2] }>())) {
        (Some(row), None) => (0..TILE[2]).for_each(|place| take(place, row[place], true)),
        (Some(row), Some(Some(mask))) => (0..TILE[2]).for_each(|place| take(place, row[place], mask[place])),
        _ => {
            for (place, &value) in row.iter().enumerate() {
                take(place, value, mask.is_none_or(|mask| mask[place]));
            }
        }
    }
}

/// Calls `each` with the voxels of every row of the tile.
fn for_each_row(
    [_, height, width]: [usize; 3],
    [z, y, x]: &[Range<usize>; 3],
    mut each: impl FnMut(Range<usize>),
) {
    for z in z.clone() {
        for y in y.clone() {
            let row = (z * height + y) * width;
            each(row + x.start..row + x.end);
        }
    }
}
