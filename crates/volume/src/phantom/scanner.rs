//! Simulation of a scanner: bias field, intensity scale, Rician noise, quantisation.

use rand::Rng;
use rayon::prelude::*;

use super::settings::PhantomConfig;
use super::smooth::{Part, Smooth, around, normal_pair, stream};
use super::space::Grid;

/// Largest intensity: files hold 16-bit integers, like BraTS's.
const LARGEST: f32 = 32_767.0;

/// Settings of the scanner for one sequence of one case.
pub(super) struct Scanner {
    bias: Smooth,
    bias_amplitude: f32,
    scale: f32,
    noise: f32,
}

impl Scanner {
    /// Draws the settings for each of `sequences`. They share the order of magnitude, but not the bias field.
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

    /// Converts an image of relative intensities to measured ones. Voxels outside the brain stay exactly 0.
    ///
    /// Noise is Rician: the magnitude of a complex signal with Gaussian noise in both parts (Gudbjartsson and Patz 1995,
    /// doi:10.1002/mrm.1910340618).
    pub(super) fn measure(&self, image: &mut [f32], seed: u64, case: usize, sequence: usize, grid: &Grid) {
        image.par_chunks_mut(grid.slice_len()).enumerate().for_each(|(slice, values)| {
            let mut rng = stream(seed, case, Part::Noise, sequence * grid.shape[0] + slice);
            for (offset, value) in values.iter_mut().enumerate() {
                if *value <= 0.0 {
                    continue;
                }
                let p = grid.point_at(slice * grid.slice_len() + offset);
                let bias = 1.0 + self.bias_amplitude * (0.6 * self.bias.at(p)).clamp(-1.0, 1.0);
                let (real, imaginary) = normal_pair(&mut rng);
                let measured = (*value * bias + self.noise * real).hypot(self.noise * imaginary);
                // At least 1, so that no voxel of the brain counts as air.
                *value = (measured * self.scale).round().clamp(1.0, LARGEST);
            }
        });
    }
}
