//! The smallest and largest intensity in each tile, which bound the intensity term of a distance there.

use std::ops::Range;

use rayon::prelude::*;

use super::problem::Problem;
use super::tiles::{TILE, pieces};

/// The smallest and largest intensity of each channel over the voxels of each tile; none for a tile outside the mask.
pub(super) struct Ranges {
    tiles: [usize; 3],
    channels: usize,
    ranges: Vec<[f32; 2]>,
    inside: Vec<bool>,
}

impl Ranges {
    pub(super) fn compute(problem: &Problem, channels: usize) -> Ranges {
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
                                extend_by_row(
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

    /// Returns the ranges of a tile, or `None` if it is outside the mask.
    pub(super) fn get(&self, tile: &[Range<usize>; 3]) -> Option<&[[f32; 2]]> {
        let [z, y, x] = [0, 1, 2].map(|axis| tile[axis].start / TILE[axis]);
        let index = (z * self.tiles[1] + y) * self.tiles[2] + x;
        self.inside[index].then(|| &self.ranges[index * self.channels..(index + 1) * self.channels])
    }
}

/// Extends the smallest and largest value at each position along x by a row, where the mask sets it.
fn extend_by_row([low, high]: &mut [[f32; TILE[2]]; 2], row: &[f32], mask: Option<&[bool]>) {
    let mut extend = |x: usize, value: f32, inside: bool| {
        low[x] = if inside & (value < low[x]) { value } else { low[x] };
        high[x] = if inside & (value > high[x]) { value } else { high[x] };
    };
    match (row.first_chunk::<{ TILE[2] }>(), mask.map(|mask| mask.first_chunk::<{ TILE[2] }>())) {
        (Some(row), None) => (0..TILE[2]).for_each(|x| extend(x, row[x], true)),
        (Some(row), Some(Some(mask))) => (0..TILE[2]).for_each(|x| extend(x, row[x], mask[x])),
        _ => {
            for (x, &value) in row.iter().enumerate() {
                extend(x, value, mask.is_none_or(|mask| mask[x]));
            }
        }
    }
}

/// Calls `each` with the range of voxels of every row of the tile.
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
