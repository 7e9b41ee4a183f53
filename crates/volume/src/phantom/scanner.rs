//! What a scanner does to a picture: a bias field, its own intensity scale, Rician noise, whole numbers.

use rand::Rng;
use rayon::prelude::*;

use super::config::PhantomConfig;
use super::smooth::{Part, Smooth, around, normal_pair, stream};
use super::space::Grid;

/// The largest value that a voxel may have: files hold 16-bit whole numbers, as BraTS's do.
const LARGEST: f32 = 32_767.0;

/// One scanner's settings for one sequence of one case.
pub(super) struct Scanner {
    bias: Smooth,
    bias_amplitude: f32,
    scale: f32,
    noise: f32,
}

impl Scanner {
    /// The scanner for each of `sequences`; all share the order of magnitude, none the bias field.
    pub(super) fn draw(seed: u64, case: usize, sequences: usize, config: &PhantomConfig) -> Vec<Self> {
        let mut rng = stream(seed, case, Part::Bias, 0);
        let rng = &mut rng;
        let [low, high] = config.intensity_scale.map(|v| v as f32);
        let common = low * (high / low).powf(rng.random::<f32>());
        (0..sequences)
            .map(|_| Self {
                bias: Smooth::draw(rng, 75.0),
                bias_amplitude: config.bias as f32 * rng.random_range(0.4..1.0_f32),
                scale: common * around(rng, 1.0, 0.15),
                noise: config.noise as f32 * rng.random_range(0.7..1.3_f32),
            })
            .collect()
    }

    /// Measures `picture` (relative brightness; outside the brain exactly 0, and it stays so).
    ///
    /// Noise is Rician: the length of a complex number whose parts are both noisy (Gudbjartsson and Patz 1995,
    /// doi:10.1002/mrm.1910340618).
    pub(super) fn measure(&self, picture: &mut [f32], seed: u64, case: usize, sequence: usize, grid: &Grid) {
        picture.par_chunks_mut(grid.slice_len()).enumerate().for_each(|(slice, values)| {
            let mut rng = stream(seed, case, Part::Noise, sequence * grid.shape[0] + slice);
            for (offset, value) in values.iter_mut().enumerate() {
                if *value <= 0.0 {
                    continue;
                }
                let p = grid.point_at(slice * grid.slice_len() + offset);
                let bias = 1.0 + self.bias_amplitude * (0.6 * self.bias.at(p)).clamp(-1.0, 1.0);
                let (real, imaginary) = normal_pair(&mut rng);
                let measured = (*value * bias + self.noise * real).hypot(self.noise * imaginary);
                // No voxel of the brain reads as air.
                *value = (measured * self.scale).round().clamp(1.0, LARGEST);
            }
        });
    }
}
