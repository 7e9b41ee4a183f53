//! Resampling along one axis, and the mapping between a scan's voxels and a network's.

use std::ops::Range;

/// Spacings that differ by less than this share count as equal: over 240 voxels that is 0.01 voxels at the ends.
const SAME_SPACING: f64 = 1e-4;
/// A grid covers the whole scan, but gains no voxel for less than this share of one.
const ROUNDING_VOXELS: f64 = 0.01;
/// Positions within this share of a voxel of the middle between two voxels count as the middle: affines are stored in
/// single precision.
pub(crate) const TIE_VOXELS: f64 = 1e-3;
/// Largest number of grid voxels along an axis.
pub(crate) const LARGEST_GRID: usize = 1 << 20;

/// One axis of a [`Frame`](crate::Frame): `scan` voxels, resampled to `grid` voxels around the same centre, of which
/// `crop` from `start` on are taken and merged `downsample` by `downsample`.
///
/// A grid voxel is `ratio` scan voxels wide. Both grids have one centre, so that voxel `i` of the grid lies at scan index
/// `(i + 1/2 − grid/2) · ratio + scan/2 − 1/2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct AxisMap {
    scan: usize,
    grid: usize,
    ratio: f64,
    start: isize,
    crop: usize,
    downsample: usize,
}

impl AxisMap {
    /// Creates the map of a centre crop. A crop of c voxels from n starts at ⌊n/2⌋ − ⌊c/2⌋; of a smaller scan,
    /// ⌊(c − n)/2⌋ voxels of padding come first: MONAI's `ResizeWithPadOrCrop`. `None` if the grid would
    /// have no voxel or more than [`LARGEST_GRID`].
    pub fn centred(scan: usize, ratio: f64, crop: usize, downsample: usize) -> Option<Self> {
        let resampled = (ratio - 1.0).abs() >= SAME_SPACING;
        let size = scan as f64 / ratio;
        if resampled && !(size > 0.0 && size <= LARGEST_GRID as f64) {
            return None;
        }
        let grid = if resampled { ((size - ROUNDING_VOXELS).ceil() as usize).max(1) } else { scan };
        let start = match crop.checked_sub(grid) {
            Some(padding) => -((padding / 2) as isize),
            None => (grid / 2 - crop / 2) as isize,
        };
        Some(Self { scan, grid, ratio: if resampled { ratio } else { 1.0 }, start, crop, downsample })
    }

    pub fn is_resampled(&self) -> bool {
        self.ratio != 1.0
    }

    /// Number of voxels of the resampled grid.
    pub fn grid(&self) -> usize {
        self.grid
    }

    /// Scan voxels per grid voxel.
    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Index of the grid voxel at which the crop starts; negative where the grid is padded.
    pub fn start(&self) -> isize {
        self.start
    }

    /// Fractional scan index of a fractional grid index.
    pub fn scan_position(&self, grid: f64) -> f64 {
        if !self.is_resampled() {
            return grid;
        }
        (grid + 0.5 - self.grid as f64 / 2.0) * self.ratio + self.scan as f64 / 2.0 - 0.5
    }

    /// Grid voxel that contains a scan voxel's centre; of two that meet there, the second.
    fn grid_index(&self, scan: usize) -> usize {
        if !self.is_resampled() {
            return scan;
        }
        let position =
            (scan as f64 + 0.5 - self.scan as f64 / 2.0) / self.ratio + self.grid as f64 / 2.0 - 0.5;
        ((position + 0.5 + TIE_VOXELS).floor().max(0.0) as usize).min(self.grid.saturating_sub(1))
    }

    /// Range of grid voxels inside the crop.
    pub fn covered_grid(&self) -> Range<usize> {
        let size = self.grid as isize;
        let start = self.start.clamp(0, size);
        let end = (self.start + self.crop as isize).clamp(start, size);
        start as usize..end as usize
    }

    /// Range of scan voxels whose grid voxel lies inside the crop.
    pub fn covered_scan(&self) -> Range<usize> {
        let covered = self.covered_grid();
        if !self.is_resampled() {
            return covered;
        }
        let inside = |scan: &usize| covered.contains(&self.grid_index(*scan));
        let first = (0..self.scan).find(inside).unwrap_or(0);
        let count = (first..self.scan).take_while(inside).count();
        first..first + count
    }

    /// Network voxel that contains a scan voxel of [`AxisMap::covered_scan`].
    pub fn network_index(&self, scan: usize) -> usize {
        self.network_index_of_grid(self.grid_index(scan))
    }

    /// Network voxel that contains a grid voxel of [`AxisMap::covered_grid`].
    pub fn network_index_of_grid(&self, grid: usize) -> usize {
        (grid as isize - self.start) as usize / self.downsample
    }

    /// Scan voxel nearest to the centre of a network voxel, or of the part of it that is not padding; of two equally near
    /// ones, the first. `None` if all of it is padding.
    pub fn nearest_scan(&self, network: usize) -> Option<usize> {
        let first = self.start + (network * self.downsample) as isize;
        let (inside, end) = (first.max(0), (first + self.downsample as isize).min(self.grid as isize));
        let centre = first as f64 + (self.downsample as f64 - 1.0) / 2.0;
        (inside < end).then(|| self.nearest_scan_to(centre.clamp(inside as f64, (end - 1) as f64)))
    }

    /// Scan voxel nearest to a grid voxel's centre; of two equally near ones, the first.
    pub fn nearest_scan_of_grid(&self, grid: usize) -> usize {
        self.nearest_scan_to(grid as f64)
    }

    fn nearest_scan_to(&self, grid: f64) -> usize {
        let position = self.scan_position(grid);
        ((position - 0.5 - TIE_VOXELS).ceil().max(0.0) as usize).min(self.scan.saturating_sub(1))
    }

    /// Weights of the scan voxels in a grid voxel: linear interpolation where the grid is finer than the scan, the shares
    /// of the covered length where it is coarser. They sum to 1.
    pub fn weights(&self, grid: usize) -> (usize, Vec<f32>) {
        let position = self.scan_position(grid as f64);
        let last = self.scan as f64 - 1.0;
        if self.ratio <= 1.0 {
            let position = position.clamp(0.0, last);
            let first = position.floor();
            let share = position - first;
            let weights = if share == 0.0 { vec![1.0] } else { vec![(1.0 - share) as f32, share as f32] };
            return (first as usize, weights);
        }
        let low = (position - self.ratio / 2.0).clamp(-0.5, last + 0.5);
        let high = (position + self.ratio / 2.0).clamp(-0.5, last + 0.5);
        let first = (low + 0.5).floor().clamp(0.0, last);
        let end = (high + 0.5).ceil().clamp(first + 1.0, last + 1.0);
        let shares = (first as usize..end as usize).map(|scan| {
            let scan = scan as f64;
            ((scan + 0.5).min(high) - (scan - 0.5).max(low)).max(0.0)
        });
        let shares: Vec<f64> = shares.collect();
        let total: f64 = shares.iter().sum();
        (first as usize, shares.into_iter().map(|share| (share / total) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn weights_are_a_mean_around_the_position(scan in 1_usize..60, ratio in 0.05_f64..12.0) {
            let map = AxisMap::centred(scan, ratio, 8, 1).unwrap();
            for grid in 0..map.grid() {
                let (first, weights) = map.weights(grid);
                prop_assert!(first + weights.len() <= scan);
                prop_assert!(weights.iter().all(|w| (0.0..=1.0).contains(w)));
                prop_assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                let centre: f64 = weights.iter().enumerate().map(|(i, w)| (first + i) as f64 * f64::from(*w)).sum();
                let position = map.scan_position(grid as f64);
                let half = map.ratio().max(1.0) / 2.0;
                let inside = position >= half - 0.5 && position <= scan as f64 - 0.5 - half;
                // A voxel covered in part counts at its centre, which moves the mean by up to 1/8 voxel a side.
                let slack = if map.ratio() > 1.0 { 0.25 / map.ratio() } else { 1e-5 * scan as f64 };
                prop_assert!(!inside || (centre - position).abs() <= slack, "{centre} for {position}");
            }
        }

        #[test]
        fn every_scan_voxel_has_a_grid_voxel_near_it(scan in 1_usize..60, ratio in 0.05_f64..12.0) {
            let map = AxisMap::centred(scan, ratio, 2000, 1).unwrap();
            prop_assert_eq!(map.covered_scan(), 0..scan);
            for index in 0..scan {
                let position = map.scan_position(map.grid_index(index) as f64);
                prop_assert!((position - index as f64).abs() <= map.ratio() / 2.0 + 0.5 + 1e-9);
            }
        }
    }

    #[test]
    fn whole_ratios_are_block_means() {
        let map = AxisMap::centred(12, 3.0, 4, 1).unwrap();
        assert_eq!(map.grid(), 4);
        assert_eq!(map.weights(1), (3, vec![1.0 / 3.0; 3]));
        assert_eq!(map.nearest_scan_of_grid(1), 4);
    }

    #[test]
    fn halved_spacing_interpolates_between_voxel_centres() {
        let map = AxisMap::centred(4, 0.5, 8, 1).unwrap();
        assert_eq!(map.weights(0), (0, vec![1.0]));
        assert_eq!(map.weights(1), (0, vec![0.75, 0.25]));
        assert_eq!(map.weights(2), (0, vec![0.25, 0.75]));
        assert_eq!((0..4).map(|scan| map.grid_index(scan)).collect::<Vec<_>>(), [1, 3, 5, 7]);
    }
}
