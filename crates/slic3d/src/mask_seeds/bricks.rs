//! Points of a k-means sorted into bricks of voxels, which share their search for the nearest seeds.

use std::ops::Range;

use rayon::prelude::*;

use super::nearest::{Fine, Near, Search, add, add_bricks};

/// Voxels along an edge of the bricks whose points share their search for seeds, first coarsely and then finely.
const COARSE: usize = 16;
pub(super) const FINE: usize = 4;

/// A box around points.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) low: [f64; 3],
    pub(super) high: [f64; 3],
}

impl Span {
    const NONE: Span = Span { low: [f64::INFINITY; 3], high: [f64::NEG_INFINITY; 3] };

    fn join(&mut self, other: Span) {
        for axis in 0..3 {
            self.low[axis] = self.low[axis].min(other.low[axis]);
            self.high[axis] = self.high[axis].max(other.high[axis]);
        }
    }
}

/// Points of one fine brick.
pub(super) struct Brick {
    pub(super) points: Range<usize>,
    /// Its first voxel.
    pub(super) origin: [f64; 3],
    pub(super) span: Span,
    pub(super) sum: [f64; 3],
}

/// The points of the k-means, fine brick by fine brick within coarse ones.
pub(super) struct Bricks {
    /// Where in its fine brick each point lies, row-major.
    points: Vec<u8>,
    pub(super) fine: Vec<Brick>,
    coarse: Vec<(Range<usize>, Span)>,
}

impl Bricks {
    /// Sorts voxels of an image of this shape into bricks.
    pub(super) fn of(voxels: &[u32], shape: [usize; 3]) -> Bricks {
        let grid = [shape[1], shape[2]];
        // An axis shorter than a coarse brick has no more fine ones than it needs.
        let inner = shape.map(|n| n.min(COARSE).div_ceil(FINE));
        let outer = shape.map(|n| n.div_ceil(COARSE));
        let in_coarse: usize = inner.iter().product();
        let mut row = (0..0, 0, 0);
        // The fine brick of a voxel, and its place there. Voxels ascend: their row is seldom another.
        let mut key = |voxel: u32| {
            if !row.0.contains(&voxel) {
                let here = voxel as usize / grid[1];
                let [z, y] = [here / grid[0], here % grid[0]];
                let coarse = (z / COARSE * outer[1] + y / COARSE) * outer[2] * in_coarse;
                let fine = (z % COARSE / FINE * inner[1] + y % COARSE / FINE) * inner[2];
                let first = (here * grid[1]) as u32;
                row = (first..first + grid[1] as u32, coarse + fine, (z % FINE * FINE + y % FINE) * FINE);
            }
            let x = (voxel - row.0.start) as usize;
            (row.1 + x / COARSE * in_coarse + x % COARSE / FINE, (row.2 + x % FINE) as u8)
        };
        let mut ends = vec![0_u32; outer.iter().product::<usize>() * in_coarse];
        voxels.iter().for_each(|&voxel| ends[key(voxel).0] += 1);
        let mut start = 0;
        for end in &mut ends {
            start += std::mem::replace(end, start);
        }
        let mut points = vec![0; voxels.len()];
        for &voxel in voxels {
            let (brick, place) = key(voxel);
            points[ends[brick] as usize] = place;
            ends[brick] += 1;
        }
        let mut bricks = Bricks { points, fine: Vec::new(), coarse: Vec::new() };
        let mut start = 0;
        let unravel = |place: usize, [_, height, width]: [usize; 3]| {
            [place / (height * width), place / width % height, place % width]
        };
        for (place, ends) in ends.chunks(in_coarse).enumerate() {
            let outside = unravel(place, outer);
            let first = bricks.fine.len();
            let mut span = Span::NONE;
            for (place, &end) in ends.iter().enumerate() {
                let points = start..end as usize;
                start = points.end.max(start);
                if !points.is_empty() {
                    let inside = unravel(place, inner);
                    let origin = [0, 1, 2].map(|axis| (outside[axis] * COARSE + inside[axis] * FINE) as f64);
                    let brick = bricks.brick(points, origin);
                    span.join(brick.span);
                    bricks.fine.push(brick);
                }
            }
            if bricks.fine.len() > first {
                bricks.coarse.push((first..bricks.fine.len(), span));
            }
        }
        bricks
    }

    fn brick(&self, points: Range<usize>, origin: [f64; 3]) -> Brick {
        let mut brick = Brick { points: points.clone(), origin, span: Span::NONE, sum: [0.0; 3] };
        for &place in &self.points[points] {
            let inside = [place / 16, place / 4 % 4, place % 4];
            let point = [0, 1, 2].map(|axis| origin[axis] + f64::from(inside[axis]));
            brick.span.join(Span { low: point, high: point });
            brick.sum = [0, 1, 2].map(|axis| brick.sum[axis] + point[axis]);
        }
        brick
    }

    /// Moves every seed to the mean of the points nearest to it (of equally near seeds the first); one with none stays.
    pub(super) fn step(&self, seeds: &mut [[f64; 3]]) {
        let zero = || vec![([0.0; 3], 0); seeds.len()];
        let mut all = Near::default();
        (0..).zip(seeds.iter()).for_each(|(seed, &at)| all.push(seed, at));
        let sums = self
            .coarse
            .par_iter()
            .fold(
                || (zero(), Search::default()),
                |(mut sums, mut search), (fine, span)| {
                    let fine = Fine { bricks: &self.fine[fine.clone()], points: &self.points, span };
                    add_bricks(&fine, &all, &mut search, &mut sums);
                    (sums, search)
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
