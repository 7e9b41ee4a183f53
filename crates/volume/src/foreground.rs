//! The voxels that count as brain, and background that is not 0.

use std::collections::VecDeque;

use ndarray::{Array3, ArrayView3, s};

/// Rule for the voxels of a scan that count as brain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum BrainMask {
    /// Voxels that are not 0 in any sequence (with an intensity window: above its lower end). For scans without the skull.
    #[default]
    NonZero,
    /// Voxels above Otsu's threshold of a sequence, in any sequence. For scans whose air is not 0.
    Otsu,
}

const HISTOGRAM_BINS: usize = 256;
/// Share of an axis that a corner block of the volume takes.
const CORNER_DIVISOR: usize = 10;

/// Computes Otsu's threshold of a volume between `low` and `high`, from a histogram of 256 bins: voxels above it are
/// foreground.
///
/// Otsu, N., "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
/// Cybernetics 9(1), 1979, doi:10.1109/TSMC.1979.4310076.
pub(crate) fn otsu(values: impl Iterator<Item = f32>, low: f32, high: f32) -> f32 {
    let width = (f64::from(high) - f64::from(low)) / HISTOGRAM_BINS as f64;
    let mut counts = [0_u64; HISTOGRAM_BINS];
    for value in values {
        let bin = (f64::from(value) - f64::from(low)) / width;
        counts[(bin.max(0.0) as usize).min(HISTOGRAM_BINS - 1)] += 1;
    }
    let all: u64 = counts.iter().sum();
    let moment: f64 = counts.iter().enumerate().map(|(bin, &n)| bin as f64 * n as f64).sum();
    let (mut below, mut moment_below) = (0_u64, 0.0);
    let (mut best, mut cut) = (-1.0, 0);
    for (bin, &count) in counts.iter().enumerate().take(HISTOGRAM_BINS - 1) {
        below += count;
        moment_below += bin as f64 * count as f64;
        if below == 0 || below == all {
            continue;
        }
        let above = (all - below) as f64;
        let difference = moment_below / below as f64 - (moment - moment_below) / above;
        let variance = below as f64 * above * difference * difference;
        if variance > best {
            (best, cut) = (variance, bin + 1);
        }
    }
    (f64::from(low) + cut as f64 * width) as f32
}

/// Computes the share of the voxels in the volume's eight corners, a tenth of each axis long, that are signal.
pub(crate) fn corner_share(voxels: ArrayView3<f32>, is_signal: impl Fn(f32) -> bool) -> f64 {
    let (nz, ny, nx) = voxels.dim();
    let sides = [nz, ny, nx].map(|n| {
        let side = n.div_ceil(CORNER_DIVISOR);
        [0..side, n - side..n]
    });
    let (mut all, mut signal) = (0_usize, 0_usize);
    for z in &sides[0] {
        for y in &sides[1] {
            for x in &sides[2] {
                let corner = voxels.slice(s![z.clone(), y.clone(), x.clone()]);
                all += corner.len();
                signal += corner.iter().filter(|value| is_signal(**value)).count();
            }
        }
    }
    signal as f64 / all.max(1) as f64
}

/// Sets NaN outside the brain to 0 and returns the number of such voxels.
///
/// A NaN is outside if it is connected to the volume's border (by faces) through voxels that are NaN or 0.
///
/// # Errors
/// Returns index `[z, y, x]` and value of the first NaN inside the brain, or of the first infinity.
pub(crate) fn clear_background_nan(voxels: &mut Array3<f32>) -> Result<usize, ([usize; 3], f32)> {
    if voxels.iter().all(|v| v.is_finite()) {
        return Ok(0);
    }
    let outside = connected_to_border(voxels.view());
    let mut cleared = 0;
    for ((z, y, x), value) in voxels.indexed_iter_mut() {
        if value.is_nan() && outside[[z, y, x]] {
            *value = 0.0;
            cleared += 1;
        } else if !value.is_finite() {
            return Err(([z, y, x], *value));
        }
    }
    Ok(cleared)
}

/// Finds the voxels that are NaN or 0 and connected to the border through such voxels.
fn connected_to_border(voxels: ArrayView3<f32>) -> Array3<bool> {
    let shape = <[usize; 3]>::from(voxels.dim());
    let empty = |at: [usize; 3]| voxels[at].is_nan() || voxels[at] == 0.0;
    let mut reached = Array3::from_elem(shape, false);
    let mut queue = VecDeque::new();
    for (z, y, x) in ndarray::indices(shape) {
        let at = [z, y, x];
        let border = (0..3).any(|axis| at[axis] == 0 || at[axis] + 1 == shape[axis]);
        if border && empty(at) {
            reached[at] = true;
            queue.push_back(at);
        }
    }
    while let Some(at) = queue.pop_front() {
        for axis in 0..3 {
            for next in [at[axis].checked_sub(1), Some(at[axis] + 1).filter(|&n| n < shape[axis])] {
                let Some(next) = next else { continue };
                let mut neighbour = at;
                neighbour[axis] = next;
                if !reached[neighbour] && empty(neighbour) {
                    reached[neighbour] = true;
                    queue.push_back(neighbour);
                }
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_background_outside_the_brain_and_an_error_inside() {
        let mut voxels = Array3::from_elem((5, 5, 5), f32::NAN);
        voxels.slice_mut(ndarray::s![1..4, 1..4, 1..4]).fill(7.0);
        let mut hole = voxels.clone();
        assert_eq!(clear_background_nan(&mut voxels), Ok(125 - 27));
        assert!(voxels.iter().all(|v| *v == 0.0 || *v == 7.0));
        hole[[2, 2, 2]] = f32::NAN;
        assert!(matches!(clear_background_nan(&mut hole), Err(([2, 2, 2], _))));
        let mut infinite = Array3::zeros((3, 3, 3));
        infinite[[0, 0, 1]] = f32::INFINITY;
        assert_eq!(clear_background_nan(&mut infinite), Err(([0, 0, 1], f32::INFINITY)));
    }

    #[test]
    fn otsu_leaves_the_least_variance_on_both_sides() {
        // One value in the middle of each bin of width 1, with peaks of several heights.
        for peaks in [
            [(10, 90), (100, 40), (200, 30)],
            [(60, 20), (70, 200), (240, 10)],
            [(5, 3), (90, 80), (130, 70)],
        ] {
            let values: Vec<f32> = (0..256_i32)
                .flat_map(|bin| {
                    let height = |&(at, height): &(i32, i32)| height / (1 + (bin - at).abs());
                    vec![bin as f32 + 0.5; peaks.iter().map(height).sum::<i32>() as usize]
                })
                .collect();
            let squares = |threshold: f32| -> f64 {
                let (above, below): (Vec<f64>, Vec<f64>) = values
                    .iter()
                    .map(|&value| f64::from(value))
                    .partition(|&value| value > f64::from(threshold));
                let around = |part: &[f64]| {
                    let mean = part.iter().sum::<f64>() / part.len().max(1) as f64;
                    part.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>()
                };
                around(&above) + around(&below)
            };
            let found = squares(otsu(values.iter().copied(), 0.0, 256.0));
            let least = (1..256).map(|threshold| squares(threshold as f32)).fold(f64::INFINITY, f64::min);
            assert!((found - least).abs() <= 1e-9 * least, "{found}, at best {least}");
        }
    }

    #[test]
    fn otsu_separates_noise_from_tissue() {
        let values: Vec<f32> =
            (0..1000).map(|i| if i % 4 == 0 { 80.0 + (i % 7) as f32 } else { (i % 5) as f32 }).collect();
        let threshold = otsu(values.iter().copied(), 0.0, 86.0);
        assert!((4.0..80.0).contains(&threshold), "{threshold}");
    }
}
