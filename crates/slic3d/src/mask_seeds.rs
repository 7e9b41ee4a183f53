//! Seeds spread evenly over a mask by k-means of its coordinates (maskSLIC), as scikit-image draws them.
//!
//! B. Irving: "maskSLIC: regional superpixel generation with application to local pathology characterisation in
//! medical images" (2016), arXiv:1606.09518. The draws are those of `numpy.random.RandomState(123)`, the k-means that of
//! `scipy.cluster.vq.kmeans2` with five iterations.

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
    let (_, height, width) = mask.dim();
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
    for _ in 0..KMEANS_ITERATIONS {
        step(&voxels, grid, &mut seeds);
    }
    let steps = mean_gap(&seeds);
    MaskSeeds { seeds, steps }
}

/// Where a voxel of a grid of this height and width lies, `[z, y, x]`.
fn position(voxel: u32, [height, width]: [usize; 2]) -> [f64; 3] {
    let voxel = voxel as usize;
    [voxel / (height * width), voxel / width % height, voxel % width].map(|at| at as f64)
}

fn squared_distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let square = |axis: usize| (a[axis] - b[axis]) * (a[axis] - b[axis]);
    square(0) + square(1) + square(2)
}

/// Points that share their search for seeds, first coarsely and then finely.
const COARSE: usize = 4096;
const FINE: usize = 64;

/// Sums of the coordinates of each seed's points, and their number. Coordinates are whole, so sums are exact in any order.
type Sums = Vec<([f64; 3], u32)>;

/// Moves every seed to the mean of the points nearest to it (of equally near seeds the first); one with none stays.
fn step(voxels: &[u32], grid: [usize; 2], seeds: &mut [[f64; 3]]) {
    let zero = || vec![([0.0; 3], 0); seeds.len()];
    let all: Vec<u32> = (0..seeds.len() as u32).collect();
    let sums = voxels
        .par_chunks(COARSE)
        .fold(zero, |mut sums: Sums, coarse| {
            let coarse: Vec<[f64; 3]> = coarse.iter().map(|&voxel| position(voxel, grid)).collect();
            let near = contenders(&coarse, seeds, &all);
            for fine in coarse.chunks(FINE) {
                add_nearest(fine, seeds, &contenders(fine, seeds, &near), &mut sums);
            }
            sums
        })
        .reduce(zero, |mut a, b| {
            for ((sum, count), (other, more)) in a.iter_mut().zip(b) {
                *sum = [sum[0] + other[0], sum[1] + other[1], sum[2] + other[2]];
                *count += more;
            }
            a
        });
    for (seed, (sum, count)) in seeds.iter_mut().zip(sums) {
        if count > 0 {
            *seed = sum.map(|value| value / f64::from(count));
        }
    }
}

/// The seeds of `among`, in order, that may be nearest to one of the points: rounding is monotone, so the distances to the
/// nearest and to the farthest corner of the points' box bound all that will be computed.
fn contenders(points: &[[f64; 3]], seeds: &[[f64; 3]], among: &[u32]) -> Vec<u32> {
    let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for point in points {
        for axis in 0..3 {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    let corner = |seed: [f64; 3], farthest: bool| {
        [0, 1, 2].map(|axis| {
            let (below, above) = (seed[axis] - low[axis], seed[axis] - high[axis]);
            match farthest {
                true if below * below > above * above => low[axis],
                true => high[axis],
                false => seed[axis].clamp(low[axis], high[axis]),
            }
        })
    };
    let distance = |&seed: &u32, farthest: bool| {
        let seed = seeds[seed as usize];
        squared_distance(seed, corner(seed, farthest))
    };
    let bound = among.iter().map(|seed| distance(seed, true)).fold(f64::INFINITY, f64::min);
    among.iter().copied().filter(|seed| distance(seed, false) <= bound).collect()
}

/// Adds each point to the sums of its nearest seed.
fn add_nearest(points: &[[f64; 3]], seeds: &[[f64; 3]], among: &[u32], sums: &mut Sums) {
    for &point in points {
        let mut nearest = 0;
        let mut least = f64::INFINITY;
        for &place in among {
            let distance = squared_distance(seeds[place as usize], point);
            if distance < least {
                least = distance;
                nearest = place as usize;
            }
        }
        let (sum, count) = &mut sums[nearest];
        for axis in 0..3 {
            sum[axis] += point[axis];
        }
        *count += 1;
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
        let all: Vec<u32> = (0..seeds.len() as u32).collect();
        let mut sums = vec![([0.0; 3], 0); seeds.len()];
        add_nearest(points, seeds, &all, &mut sums);
        for (seed, (sum, count)) in seeds.iter_mut().zip(sums).filter(|(_, (_, count))| *count > 0) {
            *seed = sum.map(|value| value / f64::from(count));
        }
    }

    #[test]
    fn leaving_far_seeds_out_changes_nothing() {
        let grid = [24, 26];
        let voxels: Vec<u32> = (0..20 * 24 * 26).filter(|voxel| voxel * 7 / 5 % 11 > 3).collect();
        let points: Vec<[f64; 3]> = voxels.iter().map(|&voxel| position(voxel, grid)).collect();
        let mut seeds: Vec<[f64; 3]> = points.iter().copied().step_by(91).collect();
        let mut expected = seeds.clone();
        for _ in 0..KMEANS_ITERATIONS {
            step(&voxels, grid, &mut seeds);
            plain_step(&points, &mut expected);
            assert_eq!(seeds, expected);
        }
    }
}
