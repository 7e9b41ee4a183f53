//! Smooth Gaussian random fields in millimetres, and the random streams that they are drawn from.
//!
//! A field is a quadratic B-spline over a periodic lattice of normal random numbers. It does not depend on the voxel size,
//! and has an exact gradient, from which the distance to a level set can be estimated at any point.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::space::{Point, norm};

/// Number of lattice points along each axis, the period of the field.
const CELLS: usize = 32;
/// Offset in cells that makes every coordinate positive: whole periods, larger than any coordinate of a head.
const SHIFT: usize = 32 * CELLS;
/// Standard deviation of the spline relative to its lattice's, averaged over a cell.
const SPLINE_DEVIATION: f32 = 0.408;

/// Parts of a case. Each has its own random stream, independent of the others.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Head = 1,
    Cortex,
    Distractors,
    Tumour,
    TumourTexture,
    Contrast,
    Bias,
    Noise,
}

/// Random stream of one part of one case; `slice` distinguishes the slices of the noise.
pub(super) fn stream(seed: u64, case: usize, part: Part, slice: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((case as u64) << 24 | (slice as u64 & 0xffff) << 8 | part as u64);
    rng
}

/// Draws two independent standard normal numbers (Box and Muller 1958, doi:10.1214/aoms/1177706645).
pub(super) fn normal_pair(rng: &mut impl Rng) -> (f32, f32) {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    let (sin, cos) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
    (radius * cos, radius * sin)
}

/// Draws a standard normal number.
pub(super) fn normal(rng: &mut impl Rng) -> f32 {
    normal_pair(rng).0
}

/// Draws a normal number, clamped to two standard deviations.
pub(super) fn around(rng: &mut impl Rng, mean: f32, deviation: f32) -> f32 {
    mean + deviation * normal(rng).clamp(-2.0, 2.0)
}

/// A smooth random field with mean 0 and a standard deviation of about 1. Its zero level sets are about 2.3 cells apart.
pub(super) struct Smooth {
    lattice: Vec<f32>,
    per_mm: f32,
}

impl Smooth {
    pub(super) fn draw(rng: &mut impl Rng, cell_mm: f32) -> Self {
        let mut lattice = Vec::with_capacity(CELLS * CELLS * CELLS);
        while lattice.len() < CELLS * CELLS * CELLS {
            let (a, b) = normal_pair(rng);
            lattice.push(a / SPLINE_DEVIATION);
            lattice.push(b / SPLINE_DEVIATION);
        }
        Self { lattice, per_mm: 1.0 / cell_mm }
    }

    /// Value at a point.
    pub(super) fn at(&self, point: Point) -> f32 {
        let (nodes, offset) = self.cell(point);
        let [wx, wy, wz] = offset.map(weights);
        let mut sum = 0.0;
        for dz in 0..3 {
            for dy in 0..3 {
                let row = self.row(nodes[2][dz], nodes[1][dy]);
                let along: f32 = (0..3).map(|dx| wx[dx] * row[nodes[0][dx]]).sum();
                sum += wz[dz] * wy[dy] * along;
            }
        }
        sum
    }

    /// Value and gradient per millimetre at a point.
    pub(super) fn with_gradient(&self, point: Point) -> (f32, Point) {
        let (nodes, offset) = self.cell(point);
        let [wx, wy, wz] = offset.map(weights);
        let [sx, sy, sz] = offset.map(slopes);
        let (mut sum, mut gradient) = (0.0, [0.0; 3]);
        for dz in 0..3 {
            for dy in 0..3 {
                let row = self.row(nodes[2][dz], nodes[1][dy]);
                let (mut value, mut slope) = (0.0, 0.0);
                for dx in 0..3 {
                    let node = row[nodes[0][dx]];
                    value += wx[dx] * node;
                    slope += sx[dx] * node;
                }
                sum += wz[dz] * wy[dy] * value;
                gradient[0] += wz[dz] * wy[dy] * slope;
                gradient[1] += wz[dz] * sy[dy] * value;
                gradient[2] += sz[dz] * wy[dy] * value;
            }
        }
        (sum, gradient.map(|g| g * self.per_mm))
    }

    /// Approximate distance in millimetres to the nearest zero of the field.
    pub(super) fn distance_to_zero_mm(&self, point: Point) -> f32 {
        let (value, gradient) = self.with_gradient(point);
        value.abs() / norm(gradient).max(1e-3 * self.per_mm)
    }

    /// The three lattice nodes around a point along x, y, z, and the point's offset from the middle node, in cells.
    fn cell(&self, point: Point) -> ([[usize; 3]; 3], Point) {
        let scaled = point.map(|v| v * self.per_mm);
        // Positive because of the offset, so that truncation after adding one half rounds to the nearest node.
        let middle = scaled.map(|v| (v + SHIFT as f32 + 0.5) as usize);
        let offset = std::array::from_fn(|axis| scaled[axis] - (middle[axis] as f32 - SHIFT as f32));
        (middle.map(|m| [(m + CELLS - 1) % CELLS, m % CELLS, (m + 1) % CELLS]), offset)
    }

    fn row(&self, z: usize, y: usize) -> &[f32] {
        let start = (z * CELLS + y) * CELLS;
        &self.lattice[start..start + CELLS]
    }
}

fn weights(t: f32) -> [f32; 3] {
    [0.5 * (0.5 - t).powi(2), 0.75 - t * t, 0.5 * (0.5 + t).powi(2)]
}

fn slopes(t: f32) -> [f32; 3] {
    [t - 0.5, -2.0 * t, t + 0.5]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_mean_0_and_unit_deviation_and_its_gradient_is_its_slope() {
        let field = Smooth::draw(&mut stream(1, 0, Part::Head, 0), 7.0);
        let points: Vec<Point> = (0..4000)
            .map(|i| [(i % 20) as f32 * 9.1, (i / 20 % 20) as f32 * 8.3, (i / 400) as f32 * 11.7])
            .collect();
        let values: Vec<f32> = points.iter().map(|&p| field.at(p)).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt();
        assert!(mean.abs() < 0.15 && (deviation - 1.0).abs() < 0.15, "mean {mean}, deviation {deviation}");
        for &point in points.iter().step_by(97) {
            let (value, gradient) = field.with_gradient(point);
            assert!((value - field.at(point)).abs() < 1e-4);
            for axis in 0..3 {
                let mut ahead = point;
                ahead[axis] += 0.05;
                let mut behind = point;
                behind[axis] -= 0.05;
                let slope = (field.at(ahead) - field.at(behind)) / 0.1;
                assert!((slope - gradient[axis]).abs() < 0.02, "{slope} against {}", gradient[axis]);
            }
        }
    }
}
