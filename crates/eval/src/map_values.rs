//! Input of label-free thresholds: the values of a relevance map and their volumes.

use crate::error::Error;
use crate::label_free::LabelFree;

/// Histogram bins of a map by voxel, for the Gaussian mixture.
const BINS: usize = 256;

/// Relevance values of a map, each with the volume that it covers: one value per region, or per voxel of a map without
/// regions.
#[derive(Debug, Clone, PartialEq)]
pub struct MapValues {
    /// Relevance, 0 to 100.
    pub values: Vec<f64>,
    /// Number of voxels of interest (brain) that have each value.
    pub volumes: Vec<f64>,
}

impl MapValues {
    /// Returns the values of regions, with the number of voxels of interest in each.
    pub fn by_region(relevance: &[f64], voxels: &[usize]) -> Self {
        Self { values: relevance.to_vec(), volumes: voxels.iter().map(|&count| count as f64).collect() }
    }

    /// Returns the values of a map by voxel, of which those inside `interest` have a volume.
    pub fn by_voxel<'a>(
        map: impl IntoIterator<Item = &'a f32>,
        interest: impl IntoIterator<Item = &'a bool>,
    ) -> Self {
        Self {
            values: map.into_iter().map(|&value| f64::from(value)).collect(),
            volumes: interest.into_iter().map(|&inside| f64::from(u8::from(inside))).collect(),
        }
    }

    /// Computes a threshold; `None` if all values are equal. Without any volume it is Otsu's of the values alone. The mixture of
    /// more than 1024 values is fitted to a histogram of 256 bins from 0 to 100.
    ///
    /// # Errors
    /// As [`LabelFree::threshold`].
    pub fn threshold(&self, kind: LabelFree) -> Result<Option<f64>, Error> {
        let Self { values, volumes } = self;
        if volumes.iter().sum::<f64>() == 0.0 {
            return LabelFree::Otsu.threshold(values, volumes);
        }
        if kind != LabelFree::Mixture || values.len() <= BINS * 4 || values.len() != volumes.len() {
            return kind.threshold(values, volumes);
        }
        let last = BINS - 1;
        let bin = |value: f64| (value / 100.0 * BINS as f64).floor().min(last as f64) as usize;
        let mut counts = vec![0.0; BINS];
        values.iter().zip(volumes).for_each(|(&value, volume)| counts[bin(value)] += volume);
        let levels: Vec<f64> = (0..BINS).map(|bin| bin as f64 * 100.0 / BINS as f64).collect();
        kind.threshold(&levels, &counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_move_the_threshold_and_their_absence_does_not() {
        let relevance = [0.0, 10.0, 20.0, 90.0, 100.0];
        let of = |voxels: [usize; 5]| MapValues::by_region(&relevance, &voxels);
        let otsu = LabelFree::Otsu.threshold(&relevance, &[]).unwrap();
        assert_eq!(of([0; 5]).threshold(LabelFree::OtsuVolume).unwrap(), otsu);
        // Nearly all of the volume at 0 separates the rest from it.
        let heavy = of([1000, 1, 1, 1, 1]).threshold(LabelFree::OtsuVolume).unwrap().unwrap();
        assert_eq!(
            heavy,
            LabelFree::OtsuVolume.threshold(&relevance, &[1000.0, 1.0, 1.0, 1.0, 1.0]).unwrap().unwrap()
        );
        assert_eq!(MapValues::by_region(&[7.0; 3], &[1; 3]).threshold(LabelFree::Otsu).unwrap(), None);
    }

    /// A map of `low` and `high` values, all of them voxels of interest, and its thresholds.
    fn two_levels(low: f32, high: f32, voxels: [usize; 2]) -> MapValues {
        let map = [vec![low; voxels[0]], vec![high; voxels[1]]].concat();
        MapValues::by_voxel(&map, &vec![true; map.len()])
    }

    #[test]
    fn the_mixture_of_a_large_map_is_that_of_256_bins() {
        let mixture = |map: MapValues| map.threshold(LabelFree::Mixture).unwrap().unwrap();
        // Bin 179 of the 256 begins at 179 · 100 / 256, the last one at 255 · 100 / 256.
        assert_eq!(mixture(two_levels(20.0, 70.0, [700, 325])), 69.921875);
        assert_eq!(mixture(two_levels(20.0, 100.0, [700, 325])), 99.609375);
        assert_eq!(mixture(two_levels(0.0, 99.7, [700, 325])), 99.609375);
        // Up to 1024 values are not binned, and other thresholds never are.
        assert_eq!(mixture(two_levels(20.0, 70.0, [700, 324])), 70.0);
        for kind in [LabelFree::Otsu, LabelFree::OtsuVolume] {
            assert_eq!(two_levels(20.0, 70.0, [700, 325]).threshold(kind), Ok(Some(70.0)));
        }
    }

    #[test]
    fn voxels_outside_the_interest_have_no_weight() {
        let map: Vec<f32> = (0..1200).map(|voxel| [10.0, 30.0, 90.0][voxel % 3]).collect();
        let threshold = |outside: f32| {
            let inside: Vec<bool> = map.iter().map(|&value| value != outside).collect();
            MapValues::by_voxel(&map, &inside).threshold(LabelFree::Mixture).unwrap().unwrap()
        };
        assert_eq!(threshold(10.0), 89.84375);
        assert_eq!(threshold(90.0), 29.6875);
    }

    #[test]
    fn each_value_needs_a_volume() {
        let values = vec![3.0; 2000];
        for volumes in [1999, 2001] {
            let map = MapValues { values: values.clone(), volumes: vec![1.0; volumes] };
            for kind in [LabelFree::OtsuVolume, LabelFree::Mixture] {
                assert!(matches!(map.threshold(kind), Err(Error::ShapeMismatch { .. })), "{kind}");
            }
        }
    }

    #[test]
    fn the_histogram_of_a_large_map_has_nearly_the_mixture_of_its_voxels() {
        // Two clouds around 20 and 70, 4 voxels at each value.
        let values: Vec<f32> = (0..300)
            .flat_map(|at| {
                let spread = (at % 100) as f32 / 10.0;
                let value = if at < 200 { 15.0 + spread } else { 65.0 + spread };
                [value; 4]
            })
            .collect();
        let inside = vec![true; values.len()];
        let found = MapValues::by_voxel(&values, &inside).threshold(LabelFree::Mixture).unwrap().unwrap();
        let exact: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        let expected = LabelFree::Mixture.threshold(&exact, &vec![1.0; exact.len()]).unwrap().unwrap();
        // Both separate the clouds, which are 40 apart.
        assert!((25.0..=65.0).contains(&found) && (25.0..=65.0).contains(&expected), "{found}, {expected}");
    }
}
