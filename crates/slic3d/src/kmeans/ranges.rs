//! The smallest and largest intensity in each block of a tile, which bound the distances there.

use std::ops::Range;

use rayon::prelude::*;

use super::candidates::{TILE, pieces};
use super::problem::{Problem, Window};

/// Size of a block along z, y and x: the voxels that share one list of candidates.
pub(super) const BLOCK: [usize; 3] = [2, 4, TILE[2]];

/// The smallest and largest intensity of each channel over the voxels of each block; none for a block outside the mask.
pub(super) struct Ranges {
    blocks: [usize; 3],
    channels: usize,
    ranges: Vec<[f32; 2]>,
    inside: Vec<Inside>,
}

/// How much of a block the mask sets.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Nothing,
    Something,
    Everything,
}

impl Ranges {
    pub(super) fn compute(problem: &Problem, channels: usize) -> Ranges {
        let blocks = [0, 1, 2].map(|axis| problem.shape[axis].div_ceil(BLOCK[axis]));
        let [depth, height, width] = problem.shape;
        let slabs: Vec<Range<usize>> = pieces(depth, BLOCK[0]).collect();
        let found: Vec<(Vec<[f32; 2]>, Vec<Inside>)> = slabs
            .into_par_iter()
            .map(|z| {
                let mut ranges = Vec::new();
                let mut inside = Vec::new();
                for y in pieces(height, BLOCK[1]) {
                    for x in pieces(width, BLOCK[2]) {
                        let block = [z.clone(), y.clone(), x];
                        let (mut any, mut all) = (problem.mask.is_none(), true);
                        if let Some(mask) = problem.mask {
                            for_each_row(problem.shape, &block, |row| {
                                let set: usize = mask[row.clone()].iter().map(|&set| usize::from(set)).sum();
                                any |= set > 0;
                                all &= set == row.len();
                            });
                        }
                        for channel in 0..channels {
                            let first = channel * problem.voxels();
                            let mut extremes = [[f32::INFINITY; BLOCK[2]], [f32::NEG_INFINITY; BLOCK[2]]];
                            for_each_row(problem.shape, &block, |row| {
                                let mask = problem.mask.map(|mask| &mask[row.clone()]);
                                extend_by_row(
                                    &mut extremes,
                                    &problem.image[first + row.start..first + row.end],
                                    mask,
                                );
                            });
                            ranges.push([least(&extremes[0]), -least(&extremes[1].map(|high| -high))]);
                        }
                        inside.push(match (any, all) {
                            (false, _) => Inside::Nothing,
                            (true, false) => Inside::Something,
                            (true, true) => Inside::Everything,
                        });
                    }
                }
                (ranges, inside)
            })
            .collect();
        let (ranges, inside): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        Ranges { blocks, channels, ranges: ranges.concat(), inside: inside.concat() }
    }

    /// Returns the ranges of the block that starts at this voxel, or `None` if it is outside the mask.
    #[inline(always)]
    pub(super) fn get(&self, first: [usize; 3]) -> Option<&[[f32; 2]]> {
        let index = self.index(first);
        let inside = self.inside[index] != Inside::Nothing;
        inside.then(|| &self.ranges[index * self.channels..(index + 1) * self.channels])
    }

    /// Returns whether the mask, if there is one, sets all voxels of the block that starts at this voxel.
    #[inline(always)]
    pub(super) fn whole(&self, first: [usize; 3]) -> bool {
        self.inside[self.index(first)] == Inside::Everything
    }

    /// Returns the index of the block that starts at this voxel, in row-major order.
    #[inline(always)]
    pub(super) fn index(&self, [z, y, x]: [usize; 3]) -> usize {
        (z / BLOCK[0] * self.blocks[1] + y / BLOCK[1]) * self.blocks[2] + x / BLOCK[2]
    }

    /// Returns the number of blocks along z, y and x.
    pub(super) fn blocks(&self) -> [usize; 3] {
        self.blocks
    }

    /// Computes the ranges of a tile from those of its blocks; returns false if it is outside the mask.
    #[inline(always)]
    pub(super) fn join(&self, [z, y, x]: &Window, joined: &mut Vec<[f32; 2]>) -> bool {
        joined.clear();
        joined.resize(self.channels, [f32::INFINITY, f32::NEG_INFINITY]);
        let mut any = false;
        for z in z.clone().step_by(BLOCK[0]) {
            for y in y.clone().step_by(BLOCK[1]) {
                let Some(ranges) = self.get([z, y, x.start]) else { continue };
                any = true;
                for (joined, range) in joined.iter_mut().zip(ranges) {
                    *joined = [joined[0].min(range[0]), joined[1].max(range[1])];
                }
            }
        }
        any
    }
}

/// Returns the smallest value of a row, halving it so that the comparisons vectorise.
#[inline(always)]
fn least(row: &[f32; BLOCK[2]]) -> f32 {
    let mut row = *row;
    let mut length = row.len();
    while length > 1 {
        length /= 2;
        for i in 0..length {
            row[i] = if row[i + length] < row[i] { row[i + length] } else { row[i] };
        }
    }
    row[0]
}

/// Extends the smallest and largest value at each position along x by a row, where the mask sets it.
fn extend_by_row([low, high]: &mut [[f32; BLOCK[2]]; 2], row: &[f32], mask: Option<&[bool]>) {
    let mut extend = |x: usize, value: f32, inside: bool| {
        low[x] = if inside & (value < low[x]) { value } else { low[x] };
        high[x] = if inside & (value > high[x]) { value } else { high[x] };
    };
    match (row.first_chunk::<{ BLOCK[2] }>(), mask.map(|mask| mask.first_chunk::<{ BLOCK[2] }>())) {
        (Some(row), None) => (0..BLOCK[2]).for_each(|x| extend(x, row[x], true)),
        (Some(row), Some(Some(mask))) => (0..BLOCK[2]).for_each(|x| extend(x, row[x], mask[x])),
        _ => {
            for (x, &value) in row.iter().enumerate() {
                extend(x, value, mask.is_none_or(|mask| mask[x]));
            }
        }
    }
}

/// Calls `each` with the range of voxels of every row of the block.
fn for_each_row([_, height, width]: [usize; 3], [z, y, x]: &Window, mut each: impl FnMut(Range<usize>)) {
    for z in z.clone() {
        for y in y.clone() {
            let row = (z * height + y) * width;
            each(row + x.start..row + x.end);
        }
    }
}
