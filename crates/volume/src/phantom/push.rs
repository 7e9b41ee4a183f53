//! Mass effect: the displacement of tissue by a tumour.

use super::space::{Point, norm, sub};

/// Displacement field around a tumour.
pub(super) struct Push {
    pub(super) centre: Point,
    pub(super) radius_mm: f32,
    pub(super) strength_mm: f32,
}

impl Push {
    /// Position, before the tumour grew, of the tissue that is now at `p`.
    pub(super) fn origin(&self, p: Point) -> Point {
        let away = sub(p, self.centre);
        let distance = norm(away).max(1e-3);
        let relative = distance / self.radius_mm;
        let shift = (self.strength_mm * relative * (1.0 - relative).exp()).min(0.8 * distance);
        [0, 1, 2].map(|axis| p[axis] - away[axis] / distance * shift)
    }
}
