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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tissue_comes_from_nearer_the_tumour_and_most_at_its_radius() {
        let push = Push { centre: [5.0, -3.0, 2.0], radius_mm: 10.0, strength_mm: 4.0 };
        let shift = |distance: f32| {
            // Along (2, 3, 6) / 7.
            let at = |d: f32| [5.0 + d * 2.0 / 7.0, -3.0 + d * 3.0 / 7.0, 2.0 + d * 6.0 / 7.0];
            let found = push.origin(at(distance));
            let moved = distance - norm(sub(found, push.centre));
            let expected = at(distance - moved);
            assert!(norm(sub(found, expected)) < 1e-3, "the tissue moves along the ray from the centre");
            moved
        };
        assert!((shift(10.0) - 4.0).abs() < 1e-3);
        assert!(shift(8.0) < 4.0 && shift(12.0) < 4.0 && shift(5.0) > 2.5 && shift(5.0) < shift(8.0));
        assert!(shift(80.0) < 0.1 && shift(80.0) > 0.0);
        // r / R · e^(1 − r / R) at twice the radius: 2 / e.
        assert!((shift(20.0) - 4.0 * 2.0 / std::f32::consts::E).abs() < 1e-3);
        let strong = Push { strength_mm: 40.0, ..push };
        let near = norm(sub(strong.origin([8.0, -3.0, 2.0]), strong.centre));
        assert!((near - 0.6).abs() < 1e-3, "never past the centre: {near}");
    }
}
