//! Gaussian smoothing along each axis with mirrored borders, as `scipy.ndimage.gaussian_filter` does it.

/// The kernel of a Gaussian cut at four standard deviations, or none where it is too narrow to matter.
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
/// leaves its axis alone. Sums run in `f64` from the centre weight outwards-in and are rounded to `f32` after each axis.
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
                for (place, value) in line.iter_mut().enumerate() {
                    let source = mirrored(place as isize - radius as isize, shape[axis]);
                    *value = f64::from(channel[first + source * strides[axis]]);
                }
                for place in 0..shape[axis] {
                    channel[first + place * strides[axis]] =
                        correlate(&line[place..place + 2 * radius + 1], &kernels[axis]) as f32;
                }
            }
        }
    }
}

/// The weighted sum of a window under a symmetric kernel: the centre, then pairs from the outside in.
fn correlate(window: &[f64], kernel: &[f64]) -> f64 {
    let radius = kernel.len() / 2;
    let mut sum = window[radius] * kernel[radius];
    for i in 0..radius {
        sum += (window[i] + window[2 * radius - i]) * kernel[i];
    }
    sum
}

/// The index inside 0..length that `index` falls on where the border voxel itself is repeated (d c b a | a b c d).
fn mirrored(index: isize, length: usize) -> usize {
    let wrapped = index.rem_euclid(2 * length as isize) as usize;
    if wrapped < length { wrapped } else { 2 * length - 1 - wrapped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_mirror_as_often_as_needed() {
        let read: Vec<usize> = (-7..10).map(|i| mirrored(i, 3)).collect();
        assert_eq!(read, [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2]);
    }

    #[test]
    fn a_constant_stays_and_the_sum_is_kept() {
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
