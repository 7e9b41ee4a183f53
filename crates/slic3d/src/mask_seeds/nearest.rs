//! The seeds nearest to the points of a brick: bounds first, then every distance, vectorised over seeds and voxels.

use super::bricks::{Brick, FINE, Span};

const IN_FINE: usize = FINE * FINE * FINE;
/// With as many points as this, all voxels of a fine brick are compared at once.
const MANY: usize = 16;

/// Sums of the coordinates of each seed's points, and their number. Coordinates are whole, so sums are exact in any order.
pub(super) type Sums = Vec<([f64; 3], u32)>;

/// The fine bricks of a coarse one.
pub(super) struct Fine<'a> {
    pub(super) bricks: &'a [Brick],
    /// Of all bricks.
    pub(super) points: &'a [u8],
    pub(super) span: &'a Span,
}

/// Adds the points of the bricks to the sums of their nearest seeds.
pub(super) fn add_bricks(fine: &Fine, all: &Near, search: &mut Search, sums: &mut Sums) {
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

pub(super) fn add((sum, count): &mut ([f64; 3], u32), more: [f64; 3], points: u32) {
    *sum = [sum[0] + more[0], sum[1] + more[1], sum[2] + more[2]];
    *count += points;
}

/// Seeds that may be nearest to a point of a box, in order, axis by axis.
#[derive(Default)]
pub(super) struct Near {
    seed: Vec<u32>,
    at: [Vec<f64>; 3],
}

impl Near {
    pub(super) fn push(&mut self, seed: u32, at: [f64; 3]) {
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
pub(super) struct Search {
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
