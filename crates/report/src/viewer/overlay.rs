//! Overlays as levels of voxels or values of regions, with the tables that volumes and Dice of masks follow from.

use ndarray::{Array3, ArrayView3};

use super::content::{Overlay, OverlayThreshold};
use super::quantise::Levels;

/// Number of levels of an overlay that is not constant within regions.
const LEVELS: u32 = 256;

/// How an overlay is stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stored {
    /// One value for each index into the partition.
    ByRegion(Vec<f32>),
    /// A level for each voxel of the grid, `[z, y, x]`.
    ByVoxel {
        levels: Levels,
        voxels: Array3<u8>,
        /// The first level of the mask at the threshold.
        first: u32,
    },
}

/// An overlay as stored: everything is counted by index of a region, or by level.
#[derive(Debug, Clone)]
pub(super) struct StoredOverlay {
    pub(super) stored: Stored,
    /// The threshold that is shown first.
    pub(super) threshold: f64,
    /// Values at the ends of the colour scale.
    pub(super) range: [f64; 2],
    /// Number of voxels of the whole grid.
    pub(super) voxels: Vec<u64>,
    /// Those of them inside the outline; empty without one.
    pub(super) inside: Vec<u64>,
    /// Mean by index of a region; empty without regions.
    pub(super) means: Vec<f32>,
}

impl StoredOverlay {
    /// Decides how an overlay is stored. `indices` are a partition's, from 0 to below `regions`.
    pub(super) fn new(
        overlay: &Overlay<'_>,
        partition: Option<(&Array3<u32>, usize)>,
        outline: Option<ArrayView3<'_, bool>>,
    ) -> Self {
        let values = overlay.voxels;
        let extremes = values.iter().fold([0.0_f32, 0.0], |[low, high], &v| [low.min(v), high.max(v)]);
        let [low, high] = extremes.map(f64::from);
        let range = overlay.range.unwrap_or_else(|| scale(low, high));
        let threshold = first_threshold(overlay.threshold.as_ref(), high, range);
        let stored = partition
            .and_then(|(indices, regions)| constant_by_region(values, indices, regions))
            .map(Stored::ByRegion)
            .unwrap_or_else(|| by_voxel(values, [low, high], threshold));
        let mut table = Self {
            range,
            threshold,
            voxels: Vec::new(),
            inside: Vec::new(),
            means: partition.map_or(Vec::new(), |(indices, regions)| means(values, indices, regions)),
            stored,
        };
        (table.voxels, table.inside) = match (&table.stored, partition) {
            (Stored::ByVoxel { voxels, .. }, _) => {
                counts(LEVELS as usize, voxels.iter().map(|&level| usize::from(level)), outline)
            }
            (Stored::ByRegion(_), Some((indices, regions))) => {
                counts(regions, indices.iter().map(|&index| index as usize), outline)
            }
            (Stored::ByRegion(_), None) => (Vec::new(), Vec::new()),
        };
        table
    }

    /// Returns whether a voxel belongs to the mask at the threshold.
    #[cfg(test)]
    pub(super) fn masked(&self, at: [usize; 3], partition: Option<&Array3<u32>>) -> bool {
        match (&self.stored, partition) {
            (Stored::ByVoxel { voxels, first, .. }, _) => u32::from(voxels[at]) >= *first,
            (Stored::ByRegion(values), Some(indices)) => {
                f64::from(values[indices[at] as usize]) >= self.threshold
            }
            (Stored::ByRegion(_), None) => false,
        }
    }
}

/// Returns the threshold that is shown first, of an overlay with this largest value.
pub(super) fn first_threshold(threshold: Option<&OverlayThreshold>, high: f64, range: [f64; 2]) -> f64 {
    let half = if high > 0.0 { high / 2.0 } else { range[1] / 2.0 };
    threshold.map_or(half, |threshold| threshold.value)
}

/// Returns whether a value belongs to the mask that is shown first.
pub(super) fn in_mask(threshold: Option<&OverlayThreshold>) -> impl Fn(&f32) -> bool {
    let threshold = threshold.map(|threshold| threshold.value);
    move |&value| threshold.map_or(value != 0.0, |threshold| f64::from(value) >= threshold)
}

/// Ends of the colour scale: from 0, or symmetric about it where there are negative values.
fn scale(low: f64, high: f64) -> [f64; 2] {
    let largest = high.max(-low);
    let largest = if largest > 0.0 { largest } else { 1.0 };
    [if low < 0.0 { -largest } else { 0.0 }, largest]
}

fn constant_by_region(
    values: ArrayView3<'_, f32>,
    indices: &Array3<u32>,
    regions: usize,
) -> Option<Vec<f32>> {
    let mut found: Vec<Option<f32>> = vec![None; regions];
    for (&value, &index) in values.iter().zip(indices) {
        if *found[index as usize].get_or_insert(value) != value {
            return None;
        }
    }
    Some(found.into_iter().map(Option::unwrap_or_default).collect())
}

/// Quantises so that exactly the voxels of the mask at the threshold have its first level or a higher one.
fn by_voxel(values: ArrayView3<'_, f32>, [low, high]: [f64; 2], threshold: f64) -> Stored {
    let levels = Levels::between(low, high, LEVELS);
    let nearest = ((threshold - low) / levels.step).round();
    let least = if threshold > low { 1.0 } else { 0.0 };
    let first = nearest.clamp(least, f64::from(LEVELS)) as u32;
    let level = |&value: &f32| {
        let level = u32::from(levels.of(value));
        let level =
            if f64::from(value) >= threshold { level.max(first) } else { level.min(first.saturating_sub(1)) };
        level.min(LEVELS - 1) as u8
    };
    Stored::ByVoxel { levels, voxels: values.map(level), first }
}

fn counts(
    len: usize,
    keys: impl Iterator<Item = usize>,
    outline: Option<ArrayView3<'_, bool>>,
) -> (Vec<u64>, Vec<u64>) {
    let mut voxels = vec![0; len];
    let Some(outline) = outline else {
        keys.for_each(|key| voxels[key] += 1);
        return (voxels, Vec::new());
    };
    let mut inside = vec![0; len];
    for (key, &is_inside) in keys.zip(outline.iter()) {
        voxels[key] += 1;
        inside[key] += u64::from(is_inside);
    }
    (voxels, inside)
}

fn means(values: ArrayView3<'_, f32>, indices: &Array3<u32>, regions: usize) -> Vec<f32> {
    let mut sums = vec![(0.0_f64, 0_u64); regions];
    for (&value, &index) in values.iter().zip(indices) {
        let (sum, count) = &mut sums[index as usize];
        *sum += f64::from(value);
        *count += 1;
    }
    sums.into_iter().map(|(sum, count)| if count > 0 { (sum / count as f64) as f32 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(values: &Array3<f32>, threshold: f64) -> Overlay<'_> {
        let threshold = Some(OverlayThreshold { value: threshold, rule: "Otsu".to_owned() });
        Overlay { threshold, ..Overlay::new("m", values.view()) }
    }

    #[test]
    fn the_mask_at_the_threshold_is_exact_whatever_the_levels() {
        let values =
            Array3::from_shape_fn((9, 11, 13), |(z, y, x)| ((z * 37 + y * 101 + x * 53) % 997) as f32 / 9.96);
        let outline = values.mapv(|value| value > 60.0);
        for threshold in [-1.0, 0.0, 0.05, 33.3, 50.0, f64::from(values[[4, 4, 4]]), 100.1, 250.0] {
            let stored = StoredOverlay::new(&overlay(&values, threshold), None, Some(outline.view()));
            for ((z, y, x), &value) in values.indexed_iter() {
                assert_eq!(
                    stored.masked([z, y, x], None),
                    f64::from(value) >= threshold,
                    "{value} {threshold}"
                );
            }
            let Stored::ByVoxel { levels, voxels, first } = &stored.stored else { panic!("by region") };
            let worst = values.iter().zip(voxels).map(|(&value, &level)| {
                (levels.low + levels.step * f64::from(level) - f64::from(value)).abs()
            });
            assert!(worst.fold(0.0, f64::max) <= 1.01 * levels.step);
            let mask = |counts: &[u64]| counts[(*first).min(256) as usize..].iter().sum::<u64>() as usize;
            assert_eq!(mask(&stored.voxels), values.iter().filter(|&&v| f64::from(v) >= threshold).count());
            let both = values.iter().filter(|&&v| f64::from(v) >= threshold && v > 60.0).count();
            assert_eq!(mask(&stored.inside), both);
        }
    }

    #[test]
    fn an_overlay_that_is_constant_within_regions_is_stored_by_region_exactly() {
        let indices = Array3::from_shape_fn((4, 6, 8), |(z, y, x)| (z / 2 * 6 + y / 2 * 2 + x / 4) as u32);
        let mut values = indices.mapv(|index| index as f32 * 0.1);
        let stored = StoredOverlay::new(&overlay(&values, 0.3), Some((&indices, 12)), None);
        assert_eq!(stored.stored, Stored::ByRegion((0..12).map(|index| index as f32 * 0.1).collect()));
        assert_eq!((stored.voxels.len(), stored.voxels.iter().sum::<u64>()), (12, 192));
        values[[0, 0, 0]] = 5.0;
        let stored = StoredOverlay::new(&overlay(&values, 0.3), Some((&indices, 12)), None);
        assert!(matches!(stored.stored, Stored::ByVoxel { .. }));
        assert!((stored.means[0] - 5.0 / 16.0).abs() < 1e-6 && (stored.means[7] - 0.7).abs() < 1e-6);
    }

    #[test]
    fn negative_values_have_a_symmetric_scale() {
        assert_eq!(
            (scale(0.0, 80.0), scale(-3.0, 2.0), scale(0.0, 0.0)),
            ([0.0, 80.0], [-3.0, 3.0], [0.0, 1.0])
        );
    }
}
