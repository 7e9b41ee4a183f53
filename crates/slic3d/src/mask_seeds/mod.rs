//! Seeds distributed evenly over a mask by k-means on its coordinates (maskSLIC), equal to those of scikit-image.
//!
//! Irving, B., "maskSLIC: regional superpixel generation with application to local pathology characterisation in
//! medical images", 2016, doi:10.48550/arXiv.1606.09518. Samples are drawn as by `numpy.random.RandomState(123)`,
//! followed by five iterations of `scipy.cluster.vq.kmeans2`.

mod brick;
mod bricks;
mod nearest;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use crate::random_state::RandomState;
use bricks::Bricks;

const RANDOM_SEED: u32 = 123;
const KMEANS_ITERATIONS: usize = 5;
/// Density of the points of the k-means along an axis, relative to that of the seeds.
const DENSITY: usize = 10;

/// Seeds in voxels, and their mean distance to the nearest other seed along each axis.
pub(crate) struct MaskSeeds {
    pub(crate) seeds: Vec<[f64; 3]>,
    pub(crate) steps: [f64; 3],
}

/// Distributes `count` seeds over the voxels of a mask of `shape` in row-major order, which sets `total` of them. `multichannel`
/// reduces the points of the k-means tenfold, as scikit-image does.
pub(crate) fn mask_seeds(
    mask: &[bool],
    shape: [usize; 3],
    total: usize,
    count: usize,
    multichannel: bool,
) -> MaskSeeds {
    let grid = [shape[1], shape[2]];
    let mut random = RandomState::new(RANDOM_SEED);
    let dense = DENSITY.pow(if multichannel { 2 } else { 3 }).saturating_mul(count);
    let shuffle = random.shuffle(total as u32);
    let (chosen, sample) = rayon::join(
        move || shuffle.sorted_head(count),
        || (total > dense).then(|| random.shuffle(total as u32).sorted_head(dense)),
    );
    let voxels = indices(mask, total);
    let mut seeds: Vec<[f64; 3]> = chosen.into_iter().map(|i| position(voxels[i as usize], grid)).collect();
    let points = match sample {
        Some(mut sample) => {
            sample.iter_mut().for_each(|i| *i = voxels[*i as usize]);
            sample
        }
        None => voxels,
    };
    let bricks = Bricks::new(&points, shape);
    drop(points);
    for _ in 0..KMEANS_ITERATIONS {
        bricks.step(&mut seeds);
    }
    let steps = mean_step(&seeds);
    MaskSeeds { seeds, steps }
}

/// Returns the indices of the voxels that the mask sets, of which there are `count`.
fn indices(mask: &[bool], count: usize) -> Vec<u32> {
    let mut indices = vec![0; count + 1];
    let mut next = 0;
    for (index, &inside) in (0..).zip(mask) {
        // Always written, since a branch would be mispredicted along the border.
        indices[next] = index;
        next += usize::from(inside);
    }
    indices.truncate(count);
    indices
}

/// Returns the position of a voxel `[z, y, x]` in a grid of this height and width.
fn position(voxel: u32, [height, width]: [usize; 2]) -> [f64; 3] {
    let row = voxel as usize / width;
    [row / height, row % height, voxel as usize - row * width].map(|at| at as f64)
}

fn squared_distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let square = |axis: usize| (a[axis] - b[axis]) * (a[axis] - b[axis]);
    square(0) + square(1) + square(2)
}

/// Returns the index of the seed with the smallest `distance(index, position)`, the first of equal ones; 0 if no
/// distance is finite.
fn nearest_of(seeds: &[[f64; 3]], distance: impl Fn(usize, [f64; 3]) -> f64) -> usize {
    let mut nearest = 0;
    let mut least = f64::INFINITY;
    for (index, &seed) in seeds.iter().enumerate() {
        let distance = distance(index, seed);
        if distance < least {
            least = distance;
            nearest = index;
        }
    }
    nearest
}

/// Returns the mean over seeds of the distance along each axis to the nearest other seed.
fn mean_step(seeds: &[[f64; 3]]) -> [f64; 3] {
    let offsets = |(this, &seed): (usize, &[f64; 3])| {
        let nearest = nearest_of(seeds, |other, there| {
            if other == this { f64::INFINITY } else { squared_distance(seed, there).sqrt() }
        });
        [0, 1, 2].map(|axis| (seed[axis] - seeds[nearest][axis]).abs())
    };
    let offsets: Vec<[f64; 3]> = seeds.par_iter().enumerate().map(offsets).collect();
    let mut sums = [0.0; 3];
    for offset in &offsets {
        (0..3).for_each(|axis| sums[axis] += offset[axis]);
    }
    sums.map(|sum| sum / seeds.len() as f64)
}
