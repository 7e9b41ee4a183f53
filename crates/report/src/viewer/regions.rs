//! Extents of regions, and voxels as indices into them.

use std::collections::BTreeMap;

use ndarray::{Array3, ArrayView3};
use relevox_volume::Geometry;

/// Where a region lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionExtent {
    /// Value in the labels.
    pub id: u32,
    /// Number of voxels.
    pub voxels: usize,
    /// Volume in millilitres.
    pub ml: f64,
    /// Centroid in the scanner's coordinates (NIfTI's: to right, anterior and superior), in millimetres.
    pub centroid_mm: [f64; 3],
    /// The region's voxel `[z, y, x]` that is nearest to its centroid, which itself can lie outside the region.
    pub centre: [usize; 3],
}

/// Computes the extent of every label of a grid, in the order of their values.
///
/// # Shapes
/// `labels`: `[z, y, x]` of the grid.
pub fn region_extents(labels: ArrayView3<'_, u32>, grid: &Geometry) -> Vec<RegionExtent> {
    let mut sums: BTreeMap<u32, (usize, [f64; 3])> = BTreeMap::new();
    for ((z, y, x), &id) in labels.indexed_iter() {
        let (voxels, sum) = sums.entry(id).or_default();
        *voxels += 1;
        sum.iter_mut().zip([z, y, x]).for_each(|(sum, at)| *sum += at as f64);
    }
    let means: BTreeMap<u32, [f64; 3]> =
        sums.iter().map(|(&id, (voxels, sum))| (id, sum.map(|sum| sum / *voxels as f64))).collect();
    let mut nearest: BTreeMap<u32, (f64, [usize; 3])> = BTreeMap::new();
    for ((z, y, x), id) in labels.indexed_iter() {
        let Some(mean) = means.get(id) else { continue };
        let mm = |axis: usize, at: usize| ((at as f64 - mean[axis]) * grid.spacing_mm[axis]).powi(2);
        let distance = mm(0, z) + mm(1, y) + mm(2, x);
        let best = nearest.entry(*id).or_insert((f64::INFINITY, [z, y, x]));
        if distance < best.0 {
            *best = (distance, [z, y, x]);
        }
    }
    let ml = voxel_ml(grid);
    let extent = |(&id, (voxels, _)): (&u32, &(usize, [f64; 3]))| RegionExtent {
        id,
        voxels: *voxels,
        ml: *voxels as f64 * ml,
        centroid_mm: grid.world(means[&id]),
        centre: nearest[&id].1,
    };
    sums.iter().map(extent).collect()
}

/// Volume of a voxel in millilitres: of a sheared grid, that of the parallelepiped.
pub(super) fn voxel_ml(grid: &Geometry) -> f64 {
    let [[a, b, c, _], [d, e, f, _], [g, h, i, _]] = grid.world_from_voxel;
    (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)).abs() / 1000.0
}

/// Returns the index of each label's extent.
pub(super) fn indices(labels: ArrayView3<'_, u32>, extents: &[RegionExtent]) -> Array3<u32> {
    let mut last = (0, extents.first().map(|extent| extent.id).unwrap_or_default());
    labels.map(|&id| {
        if id != last.1 {
            last = (extents.partition_point(|extent| extent.id < id) as u32, id);
        }
        last.0
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn extents_are_in_millilitres_and_millimetres() {
        let grid = Geometry::axis_aligned([2, 4, 5], [5.0, 1.0, 2.0]);
        // A ring, whose centroid lies in its hole.
        let labels = Array3::from_shape_fn(grid.shape, |(z, y, x)| {
            let ring = z == 0 && (1..4).contains(&x) && y < 3 && (y, x) != (1, 2);
            if ring { 9 } else { 4 }
        });
        let extents = region_extents(labels.view(), &grid);
        assert_eq!(extents.iter().map(|extent| extent.id).collect::<Vec<_>>(), [4, 9]);
        let ring = &extents[1];
        assert_eq!((ring.voxels, extents[0].voxels), (8, 32));
        assert!((ring.ml - 0.08).abs() < 1e-12);
        assert_eq!(ring.centroid_mm, grid.world([0.0, 1.0, 2.0]));
        assert_eq!(labels[ring.centre], 9);
        let indices = indices(labels.view(), &extents);
        assert!(indices.iter().zip(&labels).all(|(&index, &id)| extents[index as usize].id == id));
    }
}
