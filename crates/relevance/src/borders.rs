//! The common borders of a partition's regions.

use std::collections::BTreeMap;

use slic3d::Supervoxels;

/// Counts the voxel faces between each pair of neighbouring regions, the lower index first.
pub(crate) fn faces(regions: &Supervoxels) -> BTreeMap<(usize, usize), usize> {
    let labels = regions.labels();
    let (depth, height, width) = labels.dim();
    let mut by_ids: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for ((z, y, x), &here) in labels.indexed_iter() {
        let ahead = [
            (x + 1 < width).then(|| labels[[z, y, x + 1]]),
            (y + 1 < height).then(|| labels[[z, y + 1, x]]),
            (z + 1 < depth).then(|| labels[[z + 1, y, x]]),
        ];
        for there in ahead.into_iter().flatten().filter(|&there| there != here) {
            *by_ids.entry((here.min(there), here.max(there))).or_default() += 1;
        }
    }
    let indexed = by_ids
        .into_iter()
        .filter_map(|((a, b), count)| Some(((regions.index_of(a)?, regions.index_of(b)?), count)));
    indexed.collect()
}
