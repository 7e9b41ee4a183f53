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
        let [depth, height, _] = problem.shape;
        let slabs: Vec<Range<usize>> = pieces(depth, BLOCK[0]).collect();
        let found: Vec<(Vec<[f32; 2]>, Vec<Inside>)> = slabs
            .into_par_iter()
            .map(|z| {
                let (mut ranges, mut inside) = (Vec::new(), Vec::new());
                let mut extremes = Extremes::default();
                for y in pieces(height, BLOCK[1]) {
                    let first = ranges.len();
                    ranges.resize(first + blocks[2] * channels, [0.0; 2]);
                    for channel in 0..channels {
                        extremes.find(problem, channel, &z, &y);
                        let rows = extremes.low.chunks(BLOCK[2]).zip(extremes.high.chunks(BLOCK[2]));
                        for (x, (low, high)) in rows.enumerate() {
                            let low = low.iter().copied().fold(f32::INFINITY, f32::min);
                            let high = high.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                            ranges[first + x * channels + channel] = [low, high];
                        }
                    }
                    inside.extend(extremes.inside(problem, &z, &y));
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

/// Extremes over some planes and rows at each position along x, which are found row by row, in the order of memory.
#[derive(Default)]
struct Extremes {
    low: Vec<f32>,
    high: Vec<f32>,
    /// Number of voxels in the mask.
    set: Vec<u8>,
}

impl Extremes {
    /// Finds the smallest and the largest intensity in the mask.
    fn find(&mut self, problem: &Problem, channel: usize, z: &Range<usize>, y: &Range<usize>) {
        let width = problem.shape[2];
        self.low.clear();
        self.low.resize(width, f32::INFINITY);
        self.high.clear();
        self.high.resize(width, f32::NEG_INFINITY);
        for_each_row(problem.shape, z, y, |row| {
            let values = &problem.image[channel * problem.voxels() + row..][..width];
            let extremes = self.low.iter_mut().zip(&mut self.high).zip(values);
            match problem.mask {
                None => extremes.for_each(|((low, high), &value)| {
                    *low = if value < *low { value } else { *low };
                    *high = if value > *high { value } else { *high };
                }),
                Some(mask) => {
                    extremes.zip(&mask[row..row + width]).for_each(|(((low, high), &value), &inside)| {
                        *low = if inside & (value < *low) { value } else { *low };
                        *high = if inside & (value > *high) { value } else { *high };
                    })
                }
            }
        });
    }

    /// Returns how much of each block of these planes and rows the mask sets.
    fn inside(
        &mut self,
        problem: &Problem,
        z: &Range<usize>,
        y: &Range<usize>,
    ) -> impl Iterator<Item = Inside> {
        let width = problem.shape[2];
        let all = (z.len() * y.len()) as u8;
        self.set.clear();
        self.set.resize(width, if problem.mask.is_none() { all } else { 0 });
        if let Some(mask) = problem.mask {
            for_each_row(problem.shape, z, y, |row| {
                let row = &mask[row..row + width];
                self.set.iter_mut().zip(row).for_each(|(set, &inside)| *set += u8::from(inside));
            });
        }
        self.set.chunks(BLOCK[2]).map(move |set| {
            if set.iter().all(|&set| set == 0) {
                Inside::Nothing
            } else if set.iter().all(|&set| set == all) {
                Inside::Everything
            } else {
                Inside::Something
            }
        })
    }
}

/// Calls `each` with the first voxel of every row.
fn for_each_row(
    [_, height, width]: [usize; 3],
    z: &Range<usize>,
    y: &Range<usize>,
    mut each: impl FnMut(usize),
) {
    for z in z.clone() {
        for y in y.clone() {
            each((z * height + y) * width);
        }
    }
}
