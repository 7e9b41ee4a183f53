//! Points of the k-means sorted into bricks of voxels, which share the search for the nearest seeds.

use std::ops::Range;

use rayon::prelude::*;

use super::brick::{Brick, EDGE, Span};
use super::nearest::{BlockOfBricks, SearchBuffers, Seeds, add, add_bricks};

/// Edge length in voxels of a block of bricks, whose candidates are found first.
const BLOCK_EDGE: usize = 16;

/// The points of the k-means, brick by brick within blocks.
pub(super) struct Bricks {
    pub(super) bricks: Vec<Brick>,
    blocks: Vec<(Range<usize>, Span)>,
}

impl Bricks {
    /// Sorts voxels of an image of this shape into bricks.
    pub(super) fn new(voxels: &[u32], shape: [usize; 3]) -> Bricks {
        let grid = [shape[1], shape[2]];
        // An axis shorter than a block has only as many bricks as it needs.
        let inner = shape.map(|n| n.min(BLOCK_EDGE).div_ceil(EDGE));
        let outer = shape.map(|n| n.div_ceil(BLOCK_EDGE));
        let in_block: usize = inner.iter().product();
        let mut row = (0..0, 0, 0);
        // Returns the brick of a voxel and its position there. Voxels ascend, so that the row rarely changes.
        let mut key = |voxel: u32| {
            if !row.0.contains(&voxel) {
                let here = voxel as usize / grid[1];
                let [z, y] = [here / grid[0], here % grid[0]];
                let block = (z / BLOCK_EDGE * outer[1] + y / BLOCK_EDGE) * outer[2] * in_block;
                let brick = (z % BLOCK_EDGE / EDGE * inner[1] + y % BLOCK_EDGE / EDGE) * inner[2];
                let first = (here * grid[1]) as u32;
                row = (first..first + grid[1] as u32, block + brick, (z % EDGE * EDGE + y % EDGE) * EDGE);
            }
            let x = (voxel - row.0.start) as usize;
            (row.1 + x / BLOCK_EDGE * in_block + x % BLOCK_EDGE / EDGE, row.2 + x % EDGE)
        };
        let mut points = vec![0_u64; outer.iter().product::<usize>() * in_block];
        for &voxel in voxels {
            let (brick, position) = key(voxel);
            points[brick] |= 1 << position;
        }
        let mut sorted = Bricks { bricks: Vec::new(), blocks: Vec::new() };
        let unravel = |index: usize, [_, height, width]: [usize; 3]| {
            [index / (height * width), index / width % height, index % width]
        };
        for (block, points) in points.chunks(in_block).enumerate() {
            let outside = unravel(block, outer);
            let first = sorted.bricks.len();
            let mut span = Span::EMPTY;
            for (brick, &points) in points.iter().enumerate().filter(|(_, points)| **points != 0) {
                let inside = unravel(brick, inner);
                let origin = [0, 1, 2].map(|axis| (outside[axis] * BLOCK_EDGE + inside[axis] * EDGE) as f64);
                let brick = Brick::new(points, origin);
                span.join(brick.span);
                sorted.bricks.push(brick);
            }
            if sorted.bricks.len() > first {
                sorted.blocks.push((first..sorted.bricks.len(), span));
            }
        }
        sorted
    }

    /// Moves every seed to the mean of the points nearest to it, where the first of equally near seeds counts. A seed
    /// without points does not move.
    pub(super) fn step(&self, seeds: &mut [[f64; 3]]) {
        let zero = || vec![([0.0; 3], 0); seeds.len()];
        let all = Seeds::all(seeds);
        let sums = self
            .blocks
            .par_iter()
            .fold(
                || (zero(), SearchBuffers::default()),
                |(mut sums, mut buffers), (bricks, span)| {
                    let block = BlockOfBricks { bricks: &self.bricks[bricks.clone()], span };
                    add_bricks(&block, &all, &mut buffers, &mut sums);
                    (sums, buffers)
                },
            )
            .map(|(sums, _)| sums)
            .reduce(zero, |mut a, b| {
                a.iter_mut().zip(b).for_each(|(into, (sum, count))| add(into, sum, count));
                a
            });
        for (seed, (sum, count)) in seeds.iter_mut().zip(sums) {
            if count > 0 {
                *seed = sum.map(|value| value / f64::from(count));
            }
        }
    }
}
