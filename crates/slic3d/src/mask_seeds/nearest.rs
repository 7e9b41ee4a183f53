//! The nearest seed of every point of a brick: bounds exclude most seeds, then all remaining distances are computed,
//! vectorised over voxels.

use super::brick::{Brick, EDGE, Span, sum};
use crate::widest::{Work, on_widest};

/// Number of distances that are computed at once: those of two rows of a brick, or of so many seeds.
const LANES: usize = 2 * EDGE;

/// Bound of the relative error of a comparison of two distances: 64 roundings.
const MARGIN: f64 = 32.0 * f64::EPSILON;

/// Sum of the coordinates of each seed's points, and their number. Coordinates are integers, so that sums are exact in
/// any order.
pub(super) type Sums = Vec<([f64; 3], u32)>;

/// Adjacent bricks that share the first search for candidates.
pub(super) struct BlockOfBricks<'a> {
    pub(super) bricks: &'a [Brick],
    pub(super) span: &'a Span,
}

/// Adds the points of the bricks to the sums of their nearest seeds.
pub(super) fn add_bricks(block: &BlockOfBricks, all: &Seeds, buffers: &mut SearchBuffers, sums: &mut Sums) {
    on_widest(Addition { block, all, buffers, sums });
}

/// The arguments of [`add_bricks`].
struct Addition<'a> {
    block: &'a BlockOfBricks<'a>,
    all: &'a Seeds,
    buffers: &'a mut SearchBuffers,
    sums: &'a mut Sums,
}

impl Work for Addition<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let SearchBuffers { of_block, of_brick, distances, nearer } = self.buffers;
        self.all.candidates(self.block.span, distances, of_block);
        for brick in self.block.bricks {
            of_block.candidates(&brick.span, distances, of_brick);
            if let [only] = of_brick.seed[..] {
                add(&mut self.sums[only as usize], brick.sum, brick.points.count_ones());
            } else {
                add_points(brick, of_brick, nearer, self.sums);
            }
        }
    }
}

#[inline(always)]
pub(super) fn add((sum, count): &mut ([f64; 3], u32), more: [f64; 3], points: u32) {
    *sum = [sum[0] + more[0], sum[1] + more[1], sum[2] + more[2]];
    *count += points;
}

/// Seeds in ascending order, their positions axis by axis.
#[derive(Default)]
pub(super) struct Seeds {
    seed: Vec<u32>,
    /// Padded to a multiple of [`LANES`] by infinite positions.
    at: [Vec<f64>; 3],
}

impl Seeds {
    /// Creates the list of all seeds.
    pub(super) fn all(at: &[[f64; 3]]) -> Seeds {
        let mut seeds = Seeds::default();
        (0..).zip(at).for_each(|(seed, &at)| seeds.push(seed, at));
        seeds.pad();
        seeds
    }

    #[inline(always)]
    fn push(&mut self, seed: u32, at: [f64; 3]) {
        self.seed.push(seed);
        self.at.iter_mut().zip(at).for_each(|(axis, at)| axis.push(at));
    }

    #[inline(always)]
    fn clear(&mut self) {
        self.seed.clear();
        self.at.iter_mut().for_each(Vec::clear);
    }

    #[inline(always)]
    fn pad(&mut self) {
        let padded = self.seed.len().next_multiple_of(LANES);
        self.at.iter_mut().for_each(|axis| axis.resize(padded, f64::INFINITY));
    }

    /// Iterates over the positions of [`LANES`] seeds at a time, axis by axis.
    #[inline(always)]
    fn chunks(&self) -> impl Iterator<Item = [&[f64; LANES]; 3]> {
        let [z, y, x] = self.at.each_ref().map(|axis| axis.as_chunks().0);
        z.iter().zip(y).zip(x).map(|((z, y), x)| [z, y, x])
    }

    /// Fills `found` with the seeds that may be nearest to a point of the box.
    ///
    /// The squared distance to a seed minus that to another one is an affine function of the point. Its minimum over the
    /// box is the value at the centre less, for each axis, the extent times the offset between the seeds: where it is
    /// positive for the seed nearest to the centre as the other one, the seed loses all points. A margin for the
    /// rounding of all distances involved makes sure that the computed distances compare alike.
    #[inline(always)]
    fn candidates(&self, span: &Span, distances: &mut Vec<[f64; LANES]>, found: &mut Seeds) {
        let Span { low, high } = *span;
        let centre = [(low[0] + high[0]) * 0.5, (low[1] + high[1]) * 0.5, (low[2] + high[2]) * 0.5];
        let extent = [high[0] - low[0], high[1] - low[1], high[2] - low[2]];
        let radius = (extent[0] * extent[0] + extent[1] * extent[1] + extent[2] * extent[2]) * 0.25;
        distances.clear();
        let mut least = [f64::INFINITY; LANES];
        for [z, y, x] in self.chunks() {
            let mut chunk = [0.0; LANES];
            for lane in 0..LANES {
                let offset = [z[lane] - centre[0], y[lane] - centre[1], x[lane] - centre[2]];
                chunk[lane] = offset[0] * offset[0] + offset[1] * offset[1] + offset[2] * offset[2];
                least[lane] = if chunk[lane] < least[lane] { chunk[lane] } else { least[lane] };
            }
            distances.push(chunk);
        }
        let least = least.iter().fold(f64::INFINITY, |a, &b| if b < a { b } else { a });
        let mut pivot = [0.0; 3];
        for (at, chunk) in self.chunks().zip(&*distances) {
            if let Some(lane) = chunk.iter().position(|&distance| distance == least) {
                pivot = at.map(|axis| axis[lane]);
                break;
            }
        }
        let bound = least * (1.0 + MARGIN) + 2.0 * MARGIN * radius;
        found.clear();
        for (index, ([z, y, x], chunk)) in self.chunks().zip(&*distances).enumerate() {
            let mut kept = 0_u32;
            for lane in 0..LANES {
                let loss = extent[0] * (z[lane] - pivot[0]).abs()
                    + extent[1] * (y[lane] - pivot[1]).abs()
                    + extent[2] * (x[lane] - pivot[2]).abs();
                kept |= u32::from(chunk[lane] * (1.0 - MARGIN) - loss <= bound) << lane;
            }
            while kept != 0 {
                let lane = kept.trailing_zeros() as usize % LANES;
                kept &= kept - 1;
                found.push(self.seed[index * LANES + lane], [z[lane], y[lane], x[lane]]);
            }
        }
        found.pad();
    }
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct SearchBuffers {
    of_block: Seeds,
    of_brick: Seeds,
    distances: Vec<[f64; LANES]>,
    /// For each candidate of a brick, the voxels to which it is nearer than all before it.
    nearer: Vec<u64>,
}

/// Adds each point of a brick to the sums of its nearest seed.
#[inline(always)]
fn add_points(brick: &Brick, seeds: &Seeds, nearer: &mut Vec<u64>, sums: &mut Sums) {
    let Brick { points, origin, .. } = *brick;
    let mut least = [[f64::INFINITY; LANES]; EDGE * EDGE / 2];
    nearer.clear();
    for candidate in 0..seeds.seed.len() {
        let [dz, dy, dx] = [0, 1, 2].map(|axis| -> [f64; EDGE] {
            std::array::from_fn(|position| {
                let offset = seeds.at[axis][candidate] - (origin[axis] + position as f64);
                offset * offset
            })
        });
        let mut voxels = 0;
        for (pair, least) in least.iter_mut().enumerate() {
            let (z, y) = (pair / 2, pair % 2 * 2);
            let rows = [dz[z] + dy[y], dz[z] + dy[y + 1]];
            voxels |= u64::from(lessen(least, rows, dx)) << (pair * LANES);
        }
        nearer.push(voxels);
    }
    let mut left = points;
    for (&seed, &nearer) in seeds.seed.iter().zip(&*nearer).rev() {
        let own = left & nearer;
        left &= !nearer;
        if own != 0 {
            add(&mut sums[seed as usize], sum(own, origin), own.count_ones());
        }
    }
}

/// Lessens the distances of two rows to those from another seed, `rows` plus `dx`, and returns one bit for each that was
/// larger, the first lowest.
#[inline(always)]
fn lessen(least: &mut [f64; LANES], rows: [f64; 2], dx: [f64; EDGE]) -> u8 {
    let mut larger = 0;
    for lane in 0..LANES {
        let distance = rows[lane / EDGE] + dx[lane % EDGE];
        let is_larger = distance < least[lane];
        larger |= u8::from(is_larger) << lane;
        least[lane] = if is_larger { distance } else { least[lane] };
    }
    larger
}
