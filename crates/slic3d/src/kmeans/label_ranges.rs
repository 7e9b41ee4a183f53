//! The range of labels in each row of voxels: rows whose range misses a cluster need not be searched for it.

use std::ops::Range;

/// The range of labels in each row.
pub(super) type RowRanges = [Range<u32>];

/// Returns the range of a row's labels, without unassigned voxels.
#[inline(always)]
pub(super) fn label_range(row: &[u32]) -> Range<u32> {
    // No closures: they are compiled without the kernel's instruction set unless they are inlined.
    let (mut first, mut end) = (u32::MAX, 0);
    for &label in row {
        first = if label < first { label } else { first };
        let after = label.wrapping_add(1);
        end = if after > end { after } else { end };
    }
    first..end
}
