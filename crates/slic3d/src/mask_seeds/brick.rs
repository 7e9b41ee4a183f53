//! A brick of voxels that holds points of the k-means.

use std::ops::Range;

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
    /// Range of its points among all points.
    pub(super) points: Range<usize>,
    /// Its first voxel.
    pub(super) origin: [f64; 3],
    pub(super) span: Span,
    /// Sum of the coordinates of its points.
    pub(super) sum: [f64; 3],
}

impl Brick {
    /// Creates the brick of `points`, which are row-major positions within the brick.
    pub(super) fn new(range: Range<usize>, points: &[u8], origin: [f64; 3]) -> Brick {
        let mut brick = Brick { points: range, origin, span: Span::EMPTY, sum: [0.0; 3] };
        for &position in points {
            let inside = [position / 16, position / 4 % 4, position % 4];
            let point = [0, 1, 2].map(|axis| origin[axis] + f64::from(inside[axis]));
            brick.span.join(Span { low: point, high: point });
            brick.sum = [0, 1, 2].map(|axis| brick.sum[axis] + point[axis]);
        }
        brick
    }
}
