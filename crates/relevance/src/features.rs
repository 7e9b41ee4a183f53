//! The appearance of regions in numbers that compare between scans.

use ndarray::{Array2, ArrayView3, Zip, s};
use relevox_perturb::ImageView;
use slic3d::Supervoxels;

use crate::Error;
use crate::region_logits::check_grid;

/// Computes the mean and the standard deviation of each channel over each region, in units of the brain: z-scored by the
/// mean and standard deviation of the channel's voxels in `brain`.
///
/// Scans of different scanners differ in scale and offset, which the z-score removes. A channel that is constant over the
/// brain has features of 0.
///
/// # Shapes
/// `image` is `[c, z, y, x]`, `brain` and the partition `[z, y, x]`. The result is `[regions, 2c]`: the means of all channels,
/// then their deviations.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if brain or partition lie on another grid or the brain is empty, and
/// [`Error::NonFinite`] if a feature is NaN or infinite.
pub fn region_features(
    image: ImageView<'_>,
    brain: ArrayView3<'_, bool>,
    regions: &Supervoxels,
) -> Result<Array2<f64>, Error> {
    check_grid(image, regions)?;
    let shape = image.shape();
    if brain.shape() != &shape[1..] {
        let (expected, found) = (shape[1..].to_vec(), brain.shape().to_vec());
        return Err(Error::ShapeMismatch { what: "the brain mask", expected, found });
    }
    let voxels = brain.iter().filter(|&&inside| inside).count();
    if voxels == 0 {
        return Err(Error::ShapeMismatch { what: "the brain's voxels", expected: vec![1], found: vec![0] });
    }
    let (channels, count) = (shape[0], regions.len());
    let mut features = Array2::zeros((count, 2 * channels));
    for channel in 0..channels {
        let values = image.slice(s![channel, .., .., ..]);
        let moments = |of: f64, sum: f64, squares: f64| {
            let mean = sum / of;
            (mean, (squares / of - mean * mean).max(0.0).sqrt())
        };
        // Offsets keep the squares of intensities far from 0 from cancelling.
        let offset = f64::from(*values.iter().next().unwrap_or(&0.0));
        let (mut sum, mut squares) = (0.0, 0.0);
        let mut sums = vec![(0.0, 0.0); count];
        Zip::from(&values).and(&brain).and(regions.labels()).for_each(|&value, &inside, &id| {
            let value = f64::from(value) - offset;
            if inside {
                sum += value;
                squares += value * value;
            }
            if let Some(region) = regions.index_of(id) {
                sums[region].0 += value;
                sums[region].1 += value * value;
            }
        });
        let (centre, spread) = moments(voxels as f64, sum, squares);
        for (region, (&(sum, squares), &size)) in sums.iter().zip(regions.voxel_counts()).enumerate() {
            let (mean, deviation) = moments(size as f64, sum, squares);
            if spread > 0.0 {
                features[[region, channel]] = (mean - centre) / spread;
                features[[region, channels + channel]] = deviation / spread;
            }
        }
    }
    match features.iter().find(|value| !value.is_finite()) {
        Some(&value) => {
            Err(Error::NonFinite { what: "a region's mean or deviation".into(), value: value as f32 })
        }
        None => Ok(features),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Array4, array};

    use super::*;

    fn halves() -> Supervoxels {
        Supervoxels::from_labels(Array3::from_shape_fn((1, 2, 2), |(_, y, _)| y as u32), None).unwrap()
    }

    #[test]
    fn features_are_in_units_of_the_brain() {
        let image = Array4::from_shape_vec((1, 1, 2, 2), vec![1.0, 3.0, 7.0, 9.0]).unwrap();
        let brain = Array3::from_elem((1, 2, 2), true);
        let found = region_features(image.view(), brain.view(), &halves()).unwrap();
        // The brain's mean is 5, its deviation √10.
        let unit = 10.0_f64.sqrt();
        let expected = array![[-3.0 / unit, 1.0 / unit], [3.0 / unit, 1.0 / unit]];
        assert!((&found - &expected).iter().all(|rest| rest.abs() < 1e-12), "{found}");
        let scaled = image.mapv(|value| 1000.0 + 20.0 * value);
        let again = region_features(scaled.view(), brain.view(), &halves()).unwrap();
        assert!((&found - &again).iter().all(|rest| rest.abs() < 1e-9), "{again}");
    }

    #[test]
    fn voxels_outside_of_the_brain_do_not_set_the_unit() {
        let image = Array4::from_shape_vec((1, 1, 2, 2), vec![1.0, 3.0, 500.0, -9.0]).unwrap();
        let brain = Array3::from_shape_fn((1, 2, 2), |(_, y, _)| y == 0);
        let found = region_features(image.view(), brain.view(), &halves()).unwrap();
        assert_eq!((found[[0, 0]], found[[0, 1]]), (0.0, 1.0));
    }

    #[test]
    fn a_constant_channel_says_nothing() {
        let image = Array4::from_elem((1, 1, 2, 2), 0.1_f32);
        let brain = Array3::from_elem((1, 2, 2), true);
        let found = region_features(image.view(), brain.view(), &halves()).unwrap();
        assert!(found.iter().all(|&value| value == 0.0));
    }

    #[test]
    fn an_empty_brain_or_another_grid_is_refused() {
        let image = Array4::<f32>::zeros((1, 1, 2, 2));
        let none = Array3::from_elem((1, 2, 2), false);
        let error = region_features(image.view(), none.view(), &halves()).unwrap_err().to_string();
        assert_eq!(error, "the brain's voxels: expected [1], found [0]");
        let other = Array3::from_elem((2, 2, 2), true);
        assert!(region_features(image.view(), other.view(), &halves()).is_err());
    }
}
