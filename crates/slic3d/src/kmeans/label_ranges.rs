//! The range of labels in each row of voxels: rows whose range misses a cluster need not be searched for it.

use std::ops::Range;

/// The range of labels in each row.
pub(super) type RowRanges = [Range<u32>];

/// Returns the range of a row's labels, without unassigned voxels.
pub(super) fn label_range(row: &[u32]) -> Range<u32> {
    let first = row.iter().fold(u32::MAX, |least, &label| least.min(label));
    let end = row.iter().fold(0, |most, &label| most.max(label.wrapping_add(1)));
    first..end
}
