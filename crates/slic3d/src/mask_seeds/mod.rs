//! Seeds spread evenly over a mask by k-means of its coordinates (maskSLIC), as scikit-image draws them.
//!
//! B. Irving: "maskSLIC: regional superpixel generation with application to local pathology characterisation in
//! medical images" (2016), arXiv:1606.09518. The draws are those of `numpy.random.RandomState(123)`, the k-means that of
//! `scipy.cluster.vq.kmeans2` with five iterations.

mod bricks;
mod nearest;

use ndarray::ArrayView3;

use crate::random_state::RandomState;
use bricks::Bricks;

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
    use nearest::add;

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
