//! A brick of voxels that holds points of the k-means.

/// Edge length of a brick in voxels.
pub(super) const EDGE: usize = 4;

/// The bounding box of points.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) low: [f64; 3],
    pub(super) high: [f64; 3],
}

impl Span {
    pub(super) const EMPTY: Span = Span { low: [f64::INFINITY; 3], high: [f64::NEG_INFINITY; 3] };

    pub(super) fn join(&mut self, other: Span) {
        for axis in 0..3 {
            self.low[axis] = self.low[axis].min(other.low[axis]);
            self.high[axis] = self.high[axis].max(other.high[axis]);
        }
    }
}

/// The points of one brick.
pub(super) struct Brick {
    /// One bit for each voxel in row-major order, the first lowest.
    pub(super) points: u64,
    /// Its first voxel.
    pub(super) origin: [f64; 3],
    pub(super) span: Span,
    /// Sum of the coordinates of its points.
    pub(super) sum: [f64; 3],
}

impl Brick {
    pub(super) fn new(points: u64, origin: [f64; 3]) -> Brick {
        // Whether there is a point at each position along an axis.
        let plane = points | points >> 16 | points >> 32 | points >> 48;
        let row = plane | plane >> 4 | plane >> 8 | plane >> 12;
        let any = |axis: usize, position: u32| match axis {
            0 => points >> (16 * position) & 0xffff != 0,
            1 => plane >> (4 * position) & 0xf != 0,
            _ => row >> position & 1 != 0,
        };
        let first = |axis| (0..EDGE as u32).find(|&position| any(axis, position)).unwrap_or(0);
        let last = |axis| (0..EDGE as u32).rev().find(|&position| any(axis, position)).unwrap_or(0);
        let span = Span {
            low: [0, 1, 2].map(|axis| origin[axis] + f64::from(first(axis))),
            high: [0, 1, 2].map(|axis| origin[axis] + f64::from(last(axis))),
        };
        Brick { points, origin, span, sum: sum(points, origin) }
    }
}

/// Returns the sum of the coordinates of some points of the brick that begins at `origin`.
#[inline(always)]
pub(super) fn sum(points: u64, origin: [f64; 3]) -> [f64; 3] {
    // The voxels at odd positions along each axis, and those at the last two.
    const ODD: [u64; 3] = [0xffff_0000_ffff_0000, 0xf0f0_f0f0_f0f0_f0f0, 0xaaaa_aaaa_aaaa_aaaa];
    const LAST: [u64; 3] = [0xffff_ffff_0000_0000, 0xff00_ff00_ff00_ff00, 0xcccc_cccc_cccc_cccc];
    let count = f64::from(points.count_ones());
    let mut sums = [0.0; 3];
    for axis in 0..3 {
        let inside = (points & ODD[axis]).count_ones() + 2 * (points & LAST[axis]).count_ones();
        sums[axis] = origin[axis] * count + f64::from(inside);
    }
    sums
}
