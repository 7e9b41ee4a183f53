//! Seeds spread evenly over a mask by k-means of its coordinates (maskSLIC), as scikit-image draws them.
//!
//! B. Irving: "maskSLIC: regional superpixel generation with application to local pathology characterisation in
//! medical images" (2016), arXiv:1606.09518. The draws are those of `numpy.random.RandomState(123)`, the k-means that of
//! `scipy.cluster.vq.kmeans2` with five iterations.

use std::ops::Range;

use ndarray::ArrayView3;
use rayon::prelude::*;

use crate::random_state::RandomState;

const DRAW_SEED: u32 = 123;
const KMEANS_ITERATIONS: usize = 5;
/// How many times closer the points of the k-means lie along an axis than the seeds.
const DENSE_FACTOR: usize = 10;

/// Seeds in voxels, and their mean distance to the nearest other seed along each axis.
pub(crate) struct MaskSeeds {
    pub(crate) seeds: Vec<[f64; 3]>,
    pub(crate) steps: [f64; 3],
}

/// Spreads `count` seeds over the mask. `multichannel` thins the points of the k-means by ten, as scikit-image does.
pub(crate) fn mask_seeds(mask: ArrayView3<bool>, count: usize, multichannel: bool) -> MaskSeeds {
    let (depth, height, width) = mask.dim();
    let grid = [height, width];
    let voxels: Vec<u32> =
        (0..).zip(mask.iter()).filter(|(_, inside)| **inside).map(|(voxel, _)| voxel).collect();
    let mut random = RandomState::new(DRAW_SEED);
    let total = voxels.len() as u32;
    let chosen = random.sorted_choice(total, count.min(voxels.len()));
    let mut seeds: Vec<[f64; 3]> = chosen.into_iter().map(|i| position(voxels[i as usize], grid)).collect();
    let dense = DENSE_FACTOR.pow(if multichannel { 2 } else { 3 }).saturating_mul(count);
    let voxels = if voxels.len() > dense {
        let mut thinned = random.sorted_choice(total, dense);
        thinned.iter_mut().for_each(|i| *i = voxels[*i as usize]);
        thinned
    } else {
        voxels
    };
    let bricks = Bricks::of(&voxels, [depth, height, width]);
    drop(voxels);
    for _ in 0..KMEANS_ITERATIONS {
        bricks.step(&mut seeds);
    }
    let steps = mean_gap(&seeds);
    MaskSeeds { seeds, steps }
}

/// Where a voxel of a grid of this height and width lies, `[z, y, x]`.
fn position(voxel: u32, [height, width]: [usize; 2]) -> [f64; 3] {
    let row = voxel as usize / width;
    [row / height, row % height, voxel as usize - row * width].map(|at| at as f64)
}

fn squared_distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let square = |axis: usize| (a[axis] - b[axis]) * (a[axis] - b[axis]);
    square(0) + square(1) + square(2)
}

/// Voxels along an edge of the bricks whose points share their search for seeds, first coarsely and then finely.
const COARSE: usize = 16;
const FINE: usize = 4;
const IN_FINE: usize = FINE * FINE * FINE;
/// With as many points as this, all voxels of a fine brick are compared at once.
const MANY: usize = 16;

/// Sums of the coordinates of each seed's points, and their number. Coordinates are whole, so sums are exact in any order.
type Sums = Vec<([f64; 3], u32)>;

/// A box around points.
#[derive(Clone, Copy)]
struct Span {
    low: [f64; 3],
    high: [f64; 3],
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
struct Brick {
    points: Range<usize>,
    /// Its first voxel.
    origin: [f64; 3],
    span: Span,
    sum: [f64; 3],
}

/// The points of the k-means, fine brick by fine brick within coarse ones.
struct Bricks {
    /// Where in its fine brick each point lies, row-major.
    points: Vec<u8>,
    fine: Vec<Brick>,
    coarse: Vec<(Range<usize>, Span)>,
}

impl Bricks {
    /// Sorts voxels of an image of this shape into bricks.
    fn of(voxels: &[u32], shape: [usize; 3]) -> Bricks {
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
    fn step(&self, seeds: &mut [[f64; 3]]) {
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

/// The fine bricks of a coarse one.
struct Fine<'a> {
    bricks: &'a [Brick],
    /// Of all bricks.
    points: &'a [u8],
    span: &'a Span,
}

/// Adds the points of the bricks to the sums of their nearest seeds.
fn add_bricks(fine: &Fine, all: &Near, search: &mut Search, sums: &mut Sums) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide(fine: &Fine, all: &Near, search: &mut Search, sums: &mut Sums) {
            add_bricks_plainly(fine, all, search, sums);
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            #[expect(unsafe_code, reason = "the plain form, compiled for wider vectors")]
            return unsafe { wide(fine, all, search, sums) };
        }
    }
    add_bricks_plainly(fine, all, search, sums);
}

#[inline(always)]
fn add_bricks_plainly(fine: &Fine, all: &Near, search: &mut Search, sums: &mut Sums) {
    let Search { near, nearer, bounds, room } = search;
    all.contenders(fine.span, bounds, near);
    for brick in fine.bricks {
        near.contenders(&brick.span, bounds, nearer);
        if let [only] = nearer.seed[..] {
            add(&mut sums[only as usize], brick.sum, brick.points.len() as u32);
        } else {
            room.add_nearest(&fine.points[brick.points.clone()], brick.origin, nearer, sums);
        }
    }
}

fn add((sum, count): &mut ([f64; 3], u32), more: [f64; 3], points: u32) {
    *sum = [sum[0] + more[0], sum[1] + more[1], sum[2] + more[2]];
    *count += points;
}

/// Seeds that may be nearest to a point of a box, in order, axis by axis.
#[derive(Default)]
struct Near {
    seed: Vec<u32>,
    at: [Vec<f64>; 3],
}

impl Near {
    fn push(&mut self, seed: u32, at: [f64; 3]) {
        self.seed.push(seed);
        self.at.iter_mut().zip(at).for_each(|(axis, at)| axis.push(at));
    }

    /// Fills `left` with those that may be nearest to a point of the box: rounding is monotone, so the distances to its
    /// nearest and to its farthest corner bound all that will be computed.
    #[inline(always)]
    fn contenders(&self, span: &Span, bounds: &mut [Vec<f64>; 2], left: &mut Near) {
        let [nearest, farthest] = bounds;
        nearest.clear();
        nearest.resize(self.seed.len(), 0.0);
        farthest.clear();
        farthest.resize(self.seed.len(), 0.0);
        for axis in 0..3 {
            let (low, high) = (span.low[axis], span.high[axis]);
            for ((&at, nearest), farthest) in self.at[axis].iter().zip(&mut *nearest).zip(&mut *farthest) {
                let (below, above) = (low - at, at - high);
                let outside = if below > above { below } else { above };
                let outside = if outside > 0.0 { outside } else { 0.0 };
                let across = if at - low > high - at { at - low } else { high - at };
                *nearest += outside * outside;
                *farthest += across * across;
            }
        }
        let bound = farthest.iter().fold(f64::INFINITY, |bound, &far| if far < bound { far } else { bound });
        left.seed.clear();
        left.at.iter_mut().for_each(Vec::clear);
        for (place, _) in nearest.iter().enumerate().filter(|(_, near)| **near <= bound) {
            left.push(self.seed[place], [0, 1, 2].map(|axis| self.at[axis][place]));
        }
    }
}

/// What one thread works with.
#[derive(Default)]
struct Search {
    near: Near,
    nearer: Near,
    bounds: [Vec<f64>; 2],
    room: Room,
}

/// For each voxel of a fine brick, or each of its points where they are few, the nearest contender.
struct Room {
    least: [f64; IN_FINE],
    /// Its place among the contenders: a float, so that it is chosen as the distance is.
    nearest: [f64; IN_FINE],
    /// Points of each contender, and the sums of their places in the brick along each axis, 16 bits each.
    won: Vec<u64>,
}

impl Default for Room {
    fn default() -> Self {
        Room { least: [0.0; IN_FINE], nearest: [0.0; IN_FINE], won: Vec::new() }
    }
}

impl Room {
    /// Adds each point to the sums of its nearest seed.
    #[inline(always)]
    fn add_nearest(&mut self, points: &[u8], origin: [f64; 3], near: &Near, sums: &mut Sums) {
        let Room { least, nearest, won } = self;
        *least = [f64::INFINITY; IN_FINE];
        let many = points.len() >= MANY;
        for contender in 0..near.seed.len() {
            let [dz, dy, dx] = [0, 1, 2].map(|axis| -> [f64; FINE] {
                std::array::from_fn(|place| {
                    let offset = near.at[axis][contender] - (origin[axis] + place as f64);
                    offset * offset
                })
            });
            let rows: [f64; FINE * FINE] = std::array::from_fn(|row| dz[row / FINE] + dy[row % FINE]);
            let place = contender as f64;
            if many {
                for voxel in 0..IN_FINE {
                    let distance = rows[voxel / FINE] + dx[voxel % FINE];
                    let nearer = distance < least[voxel];
                    least[voxel] = if nearer { distance } else { least[voxel] };
                    nearest[voxel] = if nearer { place } else { nearest[voxel] };
                }
            } else {
                for ((&point, least), nearest) in points.iter().zip(&mut *least).zip(&mut *nearest) {
                    let distance =
                        rows[usize::from(point) / FINE % (FINE * FINE)] + dx[usize::from(point) % FINE];
                    let nearer = distance < *least;
                    *least = if nearer { distance } else { *least };
                    *nearest = if nearer { place } else { *nearest };
                }
            }
        }
        won.clear();
        won.resize(near.seed.len(), 0);
        for (number, &point) in points.iter().enumerate() {
            let voxel = if many { usize::from(point) % IN_FINE } else { number };
            let [z, y, x] = [point / 16, point / 4 % 4, point % 4].map(u64::from);
            won[nearest[voxel] as usize] += 1 | z << 16 | y << 32 | x << 48;
        }
        for (&seed, &won) in near.seed.iter().zip(&*won).filter(|(_, won)| **won > 0) {
            let count = f64::from(won as u16);
            let sum =
                [0, 1, 2].map(|axis| origin[axis] * count + f64::from((won >> (16 * (axis + 1))) as u16));
            add(&mut sums[seed as usize], sum, u32::from(won as u16));
        }
    }
}

/// The mean over seeds of the distance along each axis to the nearest other seed.
fn mean_gap(seeds: &[[f64; 3]]) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for (place, &seed) in seeds.iter().enumerate() {
        let mut nearest = 0;
        let mut least = f64::INFINITY;
        for (other, &there) in seeds.iter().enumerate() {
            let distance = squared_distance(seed, there).sqrt();
            if other != place && distance < least {
                least = distance;
                nearest = other;
            }
        }
        for axis in 0..3 {
            sums[axis] += (seed[axis] - seeds[nearest][axis]).abs();
        }
    }
    sums.map(|sum| sum / seeds.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step without leaving any seed out.
    fn plain_step(points: &[[f64; 3]], seeds: &mut [[f64; 3]]) {
        let mut sums = vec![([0.0; 3], 0); seeds.len()];
        for &point in points {
            let mut nearest = 0;
            let mut least = f64::INFINITY;
            for (place, &seed) in seeds.iter().enumerate() {
                let distance = squared_distance(seed, point);
                if distance < least {
                    least = distance;
                    nearest = place;
                }
            }
            add(&mut sums[nearest], point, 1);
        }
        for (seed, (sum, count)) in seeds.iter_mut().zip(sums).filter(|(_, (_, count))| *count > 0) {
            *seed = sum.map(|value| value / f64::from(count));
        }
    }

    #[test]
    fn leaving_far_seeds_out_changes_nothing() {
        for shape in [[20, 24, 26], [1, 40, 33], [1, 1, 700], [50, 3, 2]] {
            let [depth, height, width] = shape;
            let grid = [height, width];
            let all = 0..(depth * height * width) as u32;
            let voxels: Vec<u32> = all.filter(|voxel| voxel * 7 / 5 % 11 > 3).collect();
            let points: Vec<[f64; 3]> = voxels.iter().map(|&voxel| position(voxel, grid)).collect();
            let mut seeds: Vec<[f64; 3]> = points.iter().copied().step_by(31).collect();
            let mut expected = seeds.clone();
            let bricks = Bricks::of(&voxels, shape);
            assert_eq!(bricks.fine.iter().map(|brick| brick.points.len()).sum::<usize>(), voxels.len());
            for _ in 0..KMEANS_ITERATIONS {
                bricks.step(&mut seeds);
                plain_step(&points, &mut expected);
                assert_eq!(seeds, expected);
            }
        }
    }
}
