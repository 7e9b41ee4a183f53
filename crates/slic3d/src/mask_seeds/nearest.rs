//! The nearest seed of every point of a brick: bounds exclude most seeds, then all remaining distances are computed,
//! vectorised over voxels.

use super::brick::{Brick, EDGE, Span};

/// Number of voxels in a brick.
const VOXELS: usize = EDGE * EDGE * EDGE;
/// With at least this many points, distances are computed for all voxels of a brick at once.
const MANY: usize = 16;

/// Bound of the relative error of a comparison of two distances: 64 roundings.
const MARGIN: f64 = 32.0 * f64::EPSILON;

/// Sum of the coordinates of each seed's points, and their number. Coordinates are integers, so that sums are exact in
/// any order.
pub(super) type Sums = Vec<([f64; 3], u32)>;

/// Adjacent bricks that share the first search for candidates.
pub(super) struct BlockOfBricks<'a> {
    pub(super) bricks: &'a [Brick],
    /// The points of all bricks.
    pub(super) points: &'a [u8],
    pub(super) span: &'a Span,
}

/// Adds the points of the bricks to the sums of their nearest seeds.
pub(super) fn add_bricks(block: &BlockOfBricks, all: &Seeds, buffers: &mut SearchBuffers, sums: &mut Sums) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide(block: &BlockOfBricks, all: &Seeds, buffers: &mut SearchBuffers, sums: &mut Sums) {
            add_bricks_portably(block, all, buffers, sums);
        }
        #[target_feature(enable = "avx512f,avx512vl,avx512dq")]
        fn widest(block: &BlockOfBricks, all: &Seeds, buffers: &mut SearchBuffers, sums: &mut Sums) {
            add_bricks_portably(block, all, buffers, sums);
        }
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
        {
            // SAFETY: the processor has the features.
            #[expect(unsafe_code, reason = "the portable form, compiled for wider vectors")]
            return unsafe { widest(block, all, buffers, sums) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            #[expect(unsafe_code, reason = "the portable form, compiled for wider vectors")]
            return unsafe { wide(block, all, buffers, sums) };
        }
    }
    add_bricks_portably(block, all, buffers, sums);
}

#[inline(always)]
fn add_bricks_portably(block: &BlockOfBricks, all: &Seeds, buffers: &mut SearchBuffers, sums: &mut Sums) {
    let SearchBuffers { of_block, of_brick, distances, nearest } = buffers;
    all.candidates(block.span, distances, of_block);
    for brick in block.bricks {
        of_block.candidates(&brick.span, distances, of_brick);
        if let [only] = of_brick.seed[..] {
            add(&mut sums[only as usize], brick.sum, brick.points.len() as u32);
        } else {
            nearest.add_points(&block.points[brick.points.clone()], brick.origin, of_brick, sums);
        }
    }
}

pub(super) fn add((sum, count): &mut ([f64; 3], u32), more: [f64; 3], points: u32) {
    *sum = [sum[0] + more[0], sum[1] + more[1], sum[2] + more[2]];
    *count += points;
}

/// Seeds in ascending order, their positions axis by axis.
#[derive(Default)]
pub(super) struct Seeds {
    seed: Vec<u32>,
    at: [Vec<f64>; 3],
}

impl Seeds {
    pub(super) fn push(&mut self, seed: u32, at: [f64; 3]) {
        self.seed.push(seed);
        self.at.iter_mut().zip(at).for_each(|(axis, at)| axis.push(at));
    }

    /// Fills `found` with the seeds that may be nearest to a point of the box.
    ///
    /// The squared distance to a seed minus that to another one is an affine function of the point. Its minimum over the
    /// box is the value at the centre less, for each axis, the extent times the offset between the seeds: where it is
    /// positive for the seed nearest to the centre as the other one, the seed loses all points. A margin for the
    /// rounding of all distances involved makes sure that the computed distances compare alike.
    #[inline(always)]
    fn candidates(&self, span: &Span, distances: &mut Vec<f64>, found: &mut Seeds) {
        let Span { low, high } = *span;
        let centre = [(low[0] + high[0]) * 0.5, (low[1] + high[1]) * 0.5, (low[2] + high[2]) * 0.5];
        let extent = [high[0] - low[0], high[1] - low[1], high[2] - low[2]];
        let radius = (extent[0] * extent[0] + extent[1] * extent[1] + extent[2] * extent[2]) * 0.25;
        distances.clear();
        distances.resize(self.seed.len(), 0.0);
        for (at, centre) in self.at.iter().zip(centre) {
            for (&at, distance) in at.iter().zip(&mut *distances) {
                *distance += (at - centre) * (at - centre);
            }
        }
        let least =
            distances.iter().fold(f64::INFINITY, |least, &other| if other < least { other } else { least });
        let pivot = distances.iter().position(|&distance| distance == least).unwrap_or(0);
        let bound = least * (1.0 + MARGIN) + 2.0 * MARGIN * radius;
        let pivot = [self.at[0][pivot], self.at[1][pivot], self.at[2][pivot]];
        distances.iter_mut().for_each(|distance| *distance *= 1.0 - MARGIN);
        for ((at, pivot), extent) in self.at.iter().zip(pivot).zip(extent) {
            for (&at, distance) in at.iter().zip(&mut *distances) {
                *distance -= extent * (at - pivot).abs();
            }
        }
        found.seed.clear();
        found.at.iter_mut().for_each(Vec::clear);
        for (index, _) in distances.iter().enumerate().filter(|(_, distance)| **distance <= bound) {
            found.push(self.seed[index], [self.at[0][index], self.at[1][index], self.at[2][index]]);
        }
    }
}

/// Buffers of one thread.
#[derive(Default)]
pub(super) struct SearchBuffers {
    of_block: Seeds,
    of_brick: Seeds,
    distances: Vec<f64>,
    nearest: Nearest,
}

/// The nearest candidate of each voxel of a brick, or of each of its points if they are few.
struct Nearest {
    least: [f64; VOXELS],
    /// Index of the candidate as a float, so that it is selected by the same vector operation as the distance.
    candidate: [f64; VOXELS],
    /// Number of points of each candidate, and the sums of their positions in the brick along each axis, 16 bits each.
    totals: Vec<u64>,
}

impl Default for Nearest {
    fn default() -> Self {
        Nearest { least: [0.0; VOXELS], candidate: [0.0; VOXELS], totals: Vec::new() }
    }
}

impl Nearest {
    /// Adds each point to the sums of its nearest seed.
    #[inline(always)]
    fn add_points(&mut self, points: &[u8], origin: [f64; 3], seeds: &Seeds, sums: &mut Sums) {
        let Nearest { least, candidate: nearest, totals } = self;
        *least = [f64::INFINITY; VOXELS];
        let many = points.len() >= MANY;
        for candidate in 0..seeds.seed.len() {
            let [dz, dy, dx] = [0, 1, 2].map(|axis| -> [f64; EDGE] {
                std::array::from_fn(|position| {
                    let offset = seeds.at[axis][candidate] - (origin[axis] + position as f64);
                    offset * offset
                })
            });
            let rows: [f64; EDGE * EDGE] = std::array::from_fn(|row| dz[row / EDGE] + dy[row % EDGE]);
            let index = candidate as f64;
            if many {
                for voxel in 0..VOXELS {
                    let distance = rows[voxel / EDGE] + dx[voxel % EDGE];
                    let nearer = distance < least[voxel];
                    least[voxel] = if nearer { distance } else { least[voxel] };
                    nearest[voxel] = if nearer { index } else { nearest[voxel] };
                }
            } else {
                for ((&point, least), nearest) in points.iter().zip(&mut *least).zip(&mut *nearest) {
                    let distance =
                        rows[usize::from(point) / EDGE % (EDGE * EDGE)] + dx[usize::from(point) % EDGE];
                    let nearer = distance < *least;
                    *least = if nearer { distance } else { *least };
                    *nearest = if nearer { index } else { *nearest };
                }
            }
        }
        totals.clear();
        totals.resize(seeds.seed.len(), 0);
        for (number, &point) in points.iter().enumerate() {
            let voxel = if many { usize::from(point) % VOXELS } else { number };
            let [z, y, x] = [point / 16, point / 4 % 4, point % 4].map(u64::from);
            totals[nearest[voxel] as usize] += 1 | z << 16 | y << 32 | x << 48;
        }
        for (&seed, &total) in seeds.seed.iter().zip(&*totals).filter(|(_, total)| **total > 0) {
            let count = f64::from(total as u16);
            let sum =
                [0, 1, 2].map(|axis| origin[axis] * count + f64::from((total >> (16 * (axis + 1))) as u16));
            add(&mut sums[seed as usize], sum, u32::from(total as u16));
        }
    }
}
