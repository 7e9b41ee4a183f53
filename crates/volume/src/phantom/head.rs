//! Outline of the brain and its parts.
//!
//! Outlines are defined in the coordinates of a standard brain, 136 × 170 × 130 mm, which each case rotates, shifts and
//! scales.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::settings::PhantomConfig;
use super::smooth::{Smooth, around};
use super::space::{Grid, Point, ellipsoid, intersection, rotate, rotation, tube, union};

/// Half extent of the standard brain along x, y, z.
const REACH_MM: Point = [68.0, 86.0, 67.0];
/// Largest half extent of a brain, as a fraction of half the field of view.
const FILL: f32 = 0.95;

/// Pose, size and outline of one brain.
pub(super) struct Head {
    pose: [Point; 3],
    shift_mm: Point,
    stretch: Point,
    frontal_width: f32,
    temporal: Point,
    outline: Smooth,
}

/// Signed distances to the parts of a brain, in millimetres of the standard brain.
pub(super) struct Outline {
    pub(super) cerebrum: f32,
    pub(super) cerebellum: f32,
    pub(super) stem: f32,
    pub(super) brain: f32,
}

impl Head {
    pub(super) fn draw(rng: &mut ChaCha8Rng, config: &PhantomConfig, grid: &Grid) -> Self {
        let half = grid.half_mm();
        let limit = config.rotation_deg as f32;
        let angles = [0; 3].map(|_| around(rng, 0.0, limit / 2.0).to_radians());
        let size = around(rng, 1.0, 0.035);
        let stretch = std::array::from_fn(|axis| {
            let wanted = size * around(rng, 1.0, 0.025);
            wanted.min(FILL * half[axis] / REACH_MM[axis])
        });
        let shift_mm = std::array::from_fn(|axis| {
            let room = (half[axis] - stretch[axis] * REACH_MM[axis]).clamp(0.0, 5.0);
            room * rng.random_range(-1.0_f32..1.0)
        });
        Self {
            pose: rotation(angles),
            shift_mm,
            stretch,
            frontal_width: rng.random_range(0.10..0.22),
            temporal: [around(rng, 43.0, 1.5), around(rng, -6.0, 2.5), around(rng, -26.0, 2.0)],
            outline: Smooth::draw(rng, 30.0),
        }
    }

    /// Maps a point of the scan to the standard brain.
    pub(super) fn standard(&self, p: Point) -> Point {
        let turned = rotate(&self.pose, [0, 1, 2].map(|axis| p[axis] - self.shift_mm[axis]));
        [0, 1, 2].map(|axis| turned[axis] / self.stretch[axis])
    }

    /// Signed distances at a point of the standard brain.
    pub(super) fn outline(&self, p: Point) -> Outline {
        let [x, y, z] = p;
        let side = x.abs();
        let bump = 1.6 * self.outline.at(p);
        // The frontal lobes are narrower than the parietal ones.
        let taper = 1.0 + self.frontal_width * ((8.0 - y) / 90.0).clamp(-0.5, 1.0);
        let hull = ellipsoid([x * taper, y, z], [0.0, 0.0, 7.0], [67.0, 84.0, 58.0]) + bump;
        // The frontal lobes lie on the orbits, the occipital lobes on the tentorium.
        let floor = (-25.0 + 0.24 * (y + 10.0).max(0.0) - 0.10 * (side - 20.0).max(0.0)) - z;
        let upper = intersection(hull, floor, 10.0);
        let temporal = ellipsoid([side, y, z], self.temporal, [22.0, 40.0, 22.0]) + bump;
        let core = ellipsoid(p, [0.0, 2.0, -8.0], [24.0, 28.0, 22.0]);
        let cerebrum = union(union(upper, temporal, 6.0), core, 8.0);
        let notch = 5.0 * (1.0 - side / 14.0).max(0.0) * ((y - 50.0) / 15.0).clamp(0.0, 1.0);
        let cerebellum = ellipsoid([side, y, z], [8.0, 42.0, -35.0], [42.0, 31.0, 25.0]) + notch + 0.6 * bump;
        let stem = union(
            tube(p, ([0.0, 6.0, -12.0], 15.0), ([0.0, 16.0, -36.0], 14.0)),
            tube(p, ([0.0, 16.0, -36.0], 12.0), ([0.0, 26.0, -66.0], 7.0)),
            6.0,
        );
        let brain = union(union(cerebrum, cerebellum, 14.0), stem, 8.0);
        Outline { cerebrum, cerebellum, stem, brain }
    }
}
