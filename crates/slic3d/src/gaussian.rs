//! Separable Gaussian smoothing with reflected borders, as `scipy.ndimage.gaussian_filter`.

/// Returns the weights of a Gaussian truncated at four standard deviations; empty if `sigma` is 0 or negligible.
pub(crate) fn kernel(sigma: f32) -> Vec<f64> {
    if f64::from(sigma) <= 1e-15 {
        return Vec::new();
    }
    let radius = (4.0 * f64::from(sigma) + 0.5) as i64;
    let factor = f64::from(-0.5 / (sigma * sigma));
    let mut weights: Vec<f64> = (-radius..=radius).map(|x| (factor * (x * x) as f64).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// Smooths one channel of `shape` in place with a symmetric kernel of odd length per axis, `[z, y, x]`; an empty kernel
/// skips its axis. Sums are computed in `f64` and rounded to `f32` after each axis.
pub(crate) fn smooth(channel: &mut [f32], shape: [usize; 3], kernels: &[Vec<f64>; 3]) {
    let strides = [shape[1] * shape[2], shape[2], 1];
    for axis in 0..3 {
        if kernels[axis].is_empty() {
            continue;
        }
        let radius = kernels[axis].len() / 2;
        let mut line = vec![0.0; shape[axis] + 2 * radius];
        let (a, b) = match axis {
            0 => (1, 2),
            1 => (0, 2),
            _ => (0, 1),
        };
        for i in 0..shape[a] {
            for j in 0..shape[b] {
                let first = i * strides[a] + j * strides[b];
                for (position, value) in line.iter_mut().enumerate() {
                    let source = reflected(position as isize - radius as isize, shape[axis]);
                    *value = f64::from(channel[first + source * strides[axis]]);
                }
                for position in 0..shape[axis] {
                    channel[first + position * strides[axis]] =
                        correlate(&line[position..position + 2 * radius + 1], &kernels[axis]) as f32;
                }
            }
        }
    }
}

/// Returns the weighted sum of a window under a symmetric kernel, adding the centre first, then pairs from the outside
/// in. SciPy's order: it decides the last bit.
fn correlate(window: &[f64], kernel: &[f64]) -> f64 {
    let radius = kernel.len() / 2;
    let mut sum = window[radius] * kernel[radius];
    for i in 0..radius {
        sum += (window[i] + window[2 * radius - i]) * kernel[i];
    }
    sum
}

/// Reflects `index` into 0..length, repeating the border voxel (d c b a | a b c d | d c b a).
fn reflected(index: isize, length: usize) -> usize {
    let wrapped = index.rem_euclid(2 * length as isize) as usize;
    if wrapped < length { wrapped } else { 2 * length - 1 - wrapped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_reflected_repeatedly() {
        let read: Vec<usize> = (-7..10).map(|i| reflected(i, 3)).collect();
        assert_eq!(read, [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2]);
    }

    #[test]
    fn smoothing_preserves_constants_and_sums() {
        let kernels = [kernel(0.7), Vec::new(), kernel(2.0)];
        let mut constant = vec![3.0; 4 * 2 * 5];
        smooth(&mut constant, [4, 2, 5], &kernels);
        assert!(constant.iter().all(|value| (value - 3.0).abs() < 1e-5));
        let mut spike = vec![0.0; 4 * 2 * 5];
        spike[17] = 1.0;
        smooth(&mut spike, [4, 2, 5], &kernels);
        assert!((spike.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(spike.iter().filter(|&&value| value > 0.0).count() > 10);
    }
}
