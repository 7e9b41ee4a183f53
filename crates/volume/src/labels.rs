//! Label volumes, and images of intensities that are taken for them.

use ndarray::{ArrayView3, Axis, Slice, Zip};

/// Share of neighbouring voxels with two labels above which a volume is taken for an image of intensities: half of them have two
/// labels where each label has 2 × 2 × 2 voxels, nearly all in an image.
const INTENSITIES: f64 = 0.5;
/// Fewest pairs of neighbouring voxels that tell labels from intensities.
const LEAST_PAIRS: usize = 1000;

/// Largest distance of a value from the label that it stands for: scaled integers are not exact.
const TOLERANCE: f64 = 1e-2;

/// Returns the label that a value stands for: the nearest whole number, if it is within 0.01 and from 0 to 2³² − 1.
pub(crate) fn nearest(value: f64) -> Option<u32> {
    let whole = value.round();
    let is_label = (value - whole).abs() <= TOLERANCE && (0.0..=f64::from(u32::MAX)).contains(&whole);
    is_label.then_some(whole as u32)
}

/// Returns the share of neighbouring voxels that have two labels, if it is above half, as in an image of intensities. `background`
/// counts as no label. `None` if fewer than 1000 pairs have labels.
pub fn like_intensities(labels: ArrayView3<'_, u32>, background: Option<u32>) -> Option<f64> {
    Some(divided_share(labels, background)).filter(|&share| share > INTENSITIES)
}

/// Returns the share of neighbouring voxels, along every axis, that have two labels; 0 if too few pairs have labels.
fn divided_share(labels: ArrayView3<'_, u32>, background: Option<u32>) -> f64 {
    let (mut pairs, mut divided) = (0_usize, 0_usize);
    for axis in (0..3).map(Axis) {
        let first = labels.slice_axis(axis, Slice::from(..labels.len_of(axis).saturating_sub(1)));
        let second = labels.slice_axis(axis, Slice::from(labels.len_of(axis).min(1)..));
        Zip::from(first).and(second).for_each(|&a, &b| {
            if Some(a) != background && Some(b) != background {
                pairs += 1;
                divided += usize::from(a != b);
            }
        });
    }
    if pairs < LEAST_PAIRS { 0.0 } else { divided as f64 / pairs as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn pairs_of_two_labels_are_counted_along_every_axis() {
        let share = |label: &dyn Fn(usize, usize, usize) -> u32, background| {
            let labels = Array3::from_shape_fn((10, 12, 14), |(z, y, x)| label(z, y, x));
            divided_share(labels.view(), background)
        };
        assert_eq!(share(&|_, _, _| 3, None), 0.0);
        // All pairs along z, none along the other axes.
        let [z, y, x] = [9 * 12 * 14, 10 * 11 * 14, 10 * 12 * 13].map(|pairs| pairs as f64);
        assert_eq!(share(&|z, _, _| z as u32, None), z / (z + y + x));
        assert_eq!(share(&|_, y, _| y as u32, None), y / (z + y + x));
        assert_eq!(share(&|_, _, x| x as u32, None), x / (z + y + x));
        // Without the pairs of the background.
        assert_eq!(share(&|_, _, x| u32::from(x >= 7), Some(0)), 0.0);
        assert_eq!(share(&|_, _, x| x as u32 % 2, Some(0)), 0.0);
        assert!(share(&|z, y, x| (z + y + x) as u32, None) == 1.0);
    }

    #[test]
    fn few_voxels_tell_nothing() {
        let labels = Array3::from_shape_fn((4, 4, 4), |(z, y, x)| (16 * z + 4 * y + x) as u32);
        assert_eq!(divided_share(labels.view(), None), 0.0);
        assert_eq!(divided_share(Array3::zeros((0, 3, 1)).view(), None), 0.0);
    }
}
