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
#[derive(Clone, Copy)]
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

#[cfg(test)]
mod tests {
    use super::super::smooth::{Part, stream};
    use super::*;

    fn heads(config: &PhantomConfig, count: usize) -> Vec<Head> {
        let grid = Grid::new(config);
        (0..count).map(|case| Head::draw(&mut stream(6, case, Part::Head, 0), config, &grid)).collect()
    }

    #[test]
    fn heads_turn_both_ways_by_at_most_the_configured_angle() {
        let config = PhantomConfig { rotation_deg: 7.0, ..PhantomConfig::default() };
        let angles: Vec<f32> = heads(&config, 150)
            .iter()
            .flat_map(|head| {
                let [[a, ..], [b, ..], [c, d, e]] = head.pose;
                [d.atan2(e), -c.asin(), b.atan2(a)].map(f32::to_degrees)
            })
            .collect();
        let (least, most) =
            angles.iter().fold((0.0_f32, 0.0_f32), |(l, m), &angle| (l.min(angle), m.max(angle)));
        assert!((-7.01..-6.0).contains(&least) && (6.0..7.01).contains(&most), "{least} to {most}");
        let mean = angles.iter().sum::<f32>() / angles.len() as f32;
        let squares = angles.iter().map(|angle| (angle - mean).powi(2)).sum::<f32>() / angles.len() as f32;
        // A normal distribution of 3.5 degrees, clamped to twice that.
        assert!(mean.abs() < 0.7 && (2.9..3.8).contains(&squares.sqrt()), "{mean} {}", squares.sqrt());
    }

    #[test]
    fn a_head_fits_the_field_of_view_or_is_scaled_down_to_it() {
        for (shape, least, most) in [([80, 96, 80], 0.8, 1.2), ([40, 48, 40], 0.4, 0.6)] {
            let config = PhantomConfig { shape, rotation_deg: 0.0, ..PhantomConfig::default() };
            let half = Grid::new(&config).half_mm();
            let mut shifts = Vec::new();
            for head in heads(&config, 60) {
                for axis in 0..3 {
                    assert!((least..most).contains(&head.stretch[axis]), "{:?}", head.stretch);
                    let reach = head.stretch[axis] * REACH_MM[axis];
                    assert!(reach <= 0.951 * half[axis], "{reach} of {}", half[axis]);
                    assert!(reach + head.shift_mm[axis].abs() <= half[axis] + 1e-3);
                    shifts.push(head.shift_mm[axis]);
                    // Without a rotation a step along an axis is one along the same axis of the standard brain.
                    let mut step = head.shift_mm;
                    step[axis] += reach;
                    let mut expected = [0.0; 3];
                    expected[axis] = REACH_MM[axis];
                    let found = head.standard(step);
                    assert!((0..3).all(|axis| (found[axis] - expected[axis]).abs() < 1e-3), "{found:?}");
                }
            }
            assert!(shifts.iter().any(|shift| *shift > 0.5) && shifts.iter().any(|shift| *shift < -0.5));
            assert!(shifts.iter().all(|shift| shift.abs() <= 5.0));
        }
    }

    #[test]
    fn a_standard_brain_has_its_size_and_its_parts_their_places() {
        let config = PhantomConfig::default();
        let mut widths = [0.0; 2];
        for head in heads(&config, 12) {
            // The last point on a ray from the centre that is inside the cerebrum.
            let reach = |from: Point, direction: Point| {
                let at = |mm: usize| [0, 1, 2].map(|axis| from[axis] + mm as f32 * direction[axis]);
                (0..120).filter(|&mm| head.outline(at(mm)).cerebrum < 0.0).max().unwrap_or(0) as f32
            };
            let centre = [0.0, 0.0, 10.0];
            for (direction, expected) in [
                ([0.0, -1.0, 0.0], 84.0),
                ([0.0, 1.0, 0.0], 84.0),
                ([0.0, 0.0, 1.0], 55.0),
                ([1.0, 0.0, 0.0], 64.0),
                ([-1.0, 0.0, 0.0], 64.0),
            ] {
                let found = reach(centre, direction);
                assert!((found - expected).abs() < 8.0, "{found} mm along {direction:?}");
            }
            for (place, y) in [-50.0, 50.0].into_iter().enumerate() {
                widths[place] += reach([0.0, y, 10.0], [1.0, 0.0, 0.0]) / 12.0;
            }
            let parts = |p: Point| {
                let outline = head.outline(p);
                assert!(outline.brain <= outline.cerebrum.min(outline.cerebellum).min(outline.stem) + 1e-3);
                [outline.cerebrum < 0.0, outline.cerebellum < 0.0, outline.stem < 0.0]
            };
            assert_eq!(parts([30.0, 0.0, 30.0]), [true, false, false]);
            assert_eq!(parts([40.0, -6.0, -26.0]), [true, false, false], "a temporal lobe");
            assert_eq!(parts([-25.0, 45.0, -40.0]), [false, true, false]);
            assert_eq!(parts([0.0, 24.0, -60.0]), [false, false, true]);
            for outside in [[0.0, -60.0, -45.0], [75.0, 0.0, 0.0], [0.0, 0.0, 75.0], [0.0, 95.0, 0.0]] {
                assert!(head.outline(outside).brain > 0.0, "{outside:?}");
            }
            // The cerebellum has a notch in the midline at the back.
            let behind =
                |x: f32| (40..80).filter(|&y| head.outline([x, y as f32, -35.0]).cerebellum < 0.0).max();
            assert!(behind(0.0) < behind(14.0), "{:?} {:?}", behind(0.0), behind(14.0));
        }
        assert!(widths[0] + 2.0 < widths[1], "the frontal lobes are narrower: {widths:?}");
    }
}
