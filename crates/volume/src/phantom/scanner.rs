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

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 24;

    fn grid() -> Grid {
        Grid::new(&PhantomConfig { shape: [SIZE; 3], spacing_mm: [8.0; 3], ..PhantomConfig::default() })
    }

    fn scanner(bias_amplitude: f32, noise: f32) -> Scanner {
        let bias = Smooth::draw(&mut stream(5, 0, Part::Bias, 0), 75.0);
        Scanner { bias, bias_amplitude, scale: 1000.0, noise }
    }

    /// Measures an image of one value.
    fn measured(scanner: &Scanner, value: f32) -> Vec<f32> {
        let mut image = vec![value; SIZE * SIZE * SIZE];
        scanner.measure(&mut image, 5, 0, 1, &grid());
        image
    }

    fn mean_and_deviation(values: &[f32]) -> (f32, f32) {
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let squares = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f32>();
        (mean, (squares / values.len() as f32).sqrt())
    }

    #[test]
    fn a_perfect_scanner_multiplies_and_rounds_and_only_air_is_0() {
        let mut image = vec![0.0; SIZE * SIZE * SIZE];
        (image[1], image[700], image[701]) = (0.5012, 1e-5, 40.0);
        scanner(0.0, 0.0).measure(&mut image, 5, 0, 1, &grid());
        assert_eq!((image[1], image[700], image[701]), (501.0, 1.0, 32_767.0));
        assert_eq!(image.iter().filter(|v| **v == 0.0).count(), image.len() - 3);
    }

    #[test]
    fn noise_is_rician() {
        // Far above the noise it is Gaussian with this deviation, and the mean rises by σ² / 2.
        let (mean, deviation) = mean_and_deviation(&measured(&scanner(0.0, 0.1), 1.0));
        assert!((mean - 1005.0).abs() < 4.0 && (deviation - 100.0).abs() < 4.0, "{mean} {deviation}");
        // Without a signal it is Rayleigh's: √(π/2) σ and √(2 − π/2) σ.
        let (mean, deviation) = mean_and_deviation(&measured(&scanner(0.0, 0.1), 1e-6));
        assert!((mean - 125.3).abs() < 3.0 && (deviation - 65.5).abs() < 3.0, "{mean} {deviation}");
        let once = measured(&scanner(0.0, 0.1), 1.0);
        assert_ne!(once[..SIZE * SIZE], once[SIZE * SIZE..2 * SIZE * SIZE], "slices have their own noise");
    }

    #[test]
    fn bias_follows_its_field_on_both_sides_of_1() {
        let (scanner, grid) = (scanner(0.5, 0.0), grid());
        let mut pairs: Vec<(f32, f32)> = measured(&scanner, 1.0)
            .into_iter()
            .enumerate()
            .map(|(index, value)| (scanner.bias.at(grid.point_at(index)), value))
            .collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        let (least, most) = (pairs[0].1, pairs[pairs.len() - 1].1);
        assert!((500.0..900.0).contains(&least) && (1100.0..=1500.0).contains(&most), "{least} to {most}");
        let at_zero = pairs.iter().min_by(|a, b| a.0.abs().total_cmp(&b.0.abs())).unwrap();
        assert!((at_zero.1 - 1000.0).abs() < 5.0, "{at_zero:?}");
    }

    #[test]
    fn scanners_are_drawn_within_the_configured_ranges() {
        let config = PhantomConfig {
            noise: 0.1,
            bias: 0.5,
            intensity_scale: [100.0, 10_000.0],
            ..PhantomConfig::default()
        };
        let mut scales = Vec::new();
        for case in 0..20 {
            let scanners = Scanner::draw(5, case, 4, &config);
            assert_eq!(scanners.len(), 4);
            for scanner in &scanners {
                assert!((0.07..=0.13).contains(&scanner.noise), "{}", scanner.noise);
                assert!((0.2..=0.5).contains(&scanner.bias_amplitude), "{}", scanner.bias_amplitude);
                assert!((70.0..=13_000.0).contains(&scanner.scale), "{}", scanner.scale);
                assert!((0.5..2.0).contains(&(scanner.scale / scanners[0].scale)), "one order of magnitude");
            }
            scales.push(scanners[0].scale);
        }
        let (least, most) = scales.iter().fold((f32::MAX, 0.0_f32), |(l, m), &s| (l.min(s), m.max(s)));
        assert!(least < 400.0 && most > 2500.0, "{least} to {most}");
    }
}
