//! Bright structures other than the tumour: enhancing vessels, sinuses and choroid plexus, and white-matter
//! hyperintensities.
//!
//! They are drawn independently of the grade, and their total intensity varies by more than a tumour's rim contributes.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::deep::Deep;
use super::head::Outline;
use super::smooth::{Smooth, around, normal};
use super::space::{Point, inside, norm, tube};
use super::tissue::Tissue;

/// A vessel as a chain of tubes.
struct Vessel {
    points: Vec<(Point, f32)>,
    brightness: f32,
}

/// The distractors of one brain.
pub(super) struct Distractors {
    vessels: Vec<Vessel>,
    sinus: f32,
    sinus_mm: f32,
    choroid: [f32; 2],
    pial: f32,
    pial_sheets: Smooth,
    caps_mm: f32,
    cap_shape: Smooth,
    spots: Vec<(Point, f32)>,
    lesion: f32,
}

impl Distractors {
    pub(super) fn draw(rng: &mut ChaCha8Rng, amount: f32) -> Self {
        let uptake = rng.random_range(0.85..1.25_f32);
        let count = (amount * rng.random_range(2.0..24.0_f32)).round() as usize;
        let vessels = (0..count).map(|_| Vessel::draw(rng, uptake)).collect();
        let some = amount.min(1.0);
        let burden = (rng.random_range(-0.5..1.0_f32)).max(0.0) * amount;
        let spots = (0..(burden * 40.0) as usize)
            .map(|_| {
                let centre = [around(rng, 0.0, 26.0), around(rng, 0.0, 34.0), around(rng, 24.0, 10.0)];
                (centre, rng.random_range(1.5..4.0_f32))
            })
            .collect();
        Self {
            vessels,
            sinus: some * rng.random_range(1.25..1.75_f32),
            sinus_mm: rng.random_range(2.8..7.0),
            choroid: [0; 2].map(|_| some * uptake * rng.random_range(0.4..1.1_f32)),
            pial: some * uptake * rng.random_range(0.0..0.9_f32),
            pial_sheets: Smooth::draw(rng, 9.0),
            caps_mm: 7.0 * burden,
            cap_shape: Smooth::draw(rng, 9.0),
            spots,
            lesion: rng.random_range(0.6..1.0),
        }
    }

    /// Adds vessels and lesions to the tissue at a point.
    pub(super) fn add_to(
        &self,
        tissue: &mut Tissue,
        p: Point,
        outline: &Outline,
        deep: &Deep,
        voxel_mm: f32,
    ) {
        tissue.vessel = self.vessel(tissue, p, outline, voxel_mm);
        if self.caps_mm > 0.0 && tissue.white() > 0.2 && outline.cerebrum < -8.0 {
            let mut share = 0.0_f32;
            if p[1].abs() < 62.0 && p[2].abs() < 40.0 {
                let cap = deep.lateral_mm(p) - self.caps_mm * (0.45 + 0.6 * self.cap_shape.at(p));
                share = inside(cap, voxel_mm + 1.0);
            }
            for &(centre, radius) in &self.spots {
                let off = [p[0] - centre[0], p[1] - centre[1], p[2] - centre[2]];
                share = share.max(inside(norm(off) - radius, voxel_mm + 0.5));
            }
            tissue.lesion = share * self.lesion * tissue.white();
        }
    }

    /// Contrast agent in a voxel.
    fn vessel(&self, tissue: &Tissue, p: Point, outline: &Outline, voxel_mm: f32) -> f32 {
        let mut share = 0.0_f32;
        // The superior sagittal sinus follows the midline from the forehead over the vertex to the occiput.
        if outline.cerebrum > -10.0 && (p[2] > 20.0 || p[1] > 55.0) {
            let tube_mm = p[0].abs().hypot(-outline.cerebrum) - self.sinus_mm;
            share = share.max(self.sinus * inside(tube_mm, voxel_mm));
        }
        // The transverse sinuses follow the edge of the tentorium along the skull.
        let gap = (outline.cerebrum - outline.cerebellum).abs() / 2.0;
        if p[1] > 25.0 && gap < 8.0 {
            let tube_mm = gap.hypot(outline.brain.abs()) - self.sinus_mm * 0.9;
            share = share.max(self.sinus * inside(tube_mm, voxel_mm));
        }
        // Choroid plexus lies on the floor of each lateral ventricle's body and in its trigone.
        if tissue.ventricle > 0.0 {
            let q = [p[0].abs(), p[1], p[2]];
            let side = usize::from(p[0] < 0.0);
            let plexus = tube(q, ([11.0, 2.0, 12.0], 1.2), ([21.0, 30.0, 8.0], 3.2)).min(tube(
                q,
                ([21.0, 30.0, 8.0], 3.2),
                ([31.0, 12.0, -13.0], 1.0),
            ));
            share = share.max(self.choroid[side] * inside(plexus, voxel_mm));
        }
        if tissue.fluid > 0.2 && tissue.ventricle == 0.0 && outline.cerebrum > -20.0 {
            let thread = self.pial_sheets.distance_to_zero_mm(p) - 0.9;
            share = share.max(self.pial * tissue.fluid * inside(thread, voxel_mm));
        }
        for vessel in &self.vessels {
            share = share.max(vessel.brightness * vessel.share(p, voxel_mm));
        }
        share
    }
}

impl Vessel {
    /// Draws a vein that starts below the surface and follows a random walk.
    fn draw(rng: &mut ChaCha8Rng, uptake: f32) -> Self {
        let direction = [normal(rng), normal(rng), normal(rng)];
        let length = norm(direction).max(1e-3);
        let start = rng.random_range(0.55..0.98_f32);
        let mut at: Point = [0, 1, 2].map(|axis| {
            direction[axis] / length * start * [62.0, 79.0, 54.0][axis] + if axis == 2 { 7.0 } else { 0.0 }
        });
        let mut heading = [normal(rng), normal(rng), normal(rng)];
        let mut radius = rng.random_range(1.2..3.0_f32);
        let mut points = vec![(at, radius)];
        for _ in 0..rng.random_range(3..9) {
            let size = norm(heading).max(1e-3);
            at = [0, 1, 2].map(|axis| at[axis] + 6.0 * heading[axis] / size);
            heading = [0, 1, 2].map(|axis| heading[axis] / size + 0.5 * normal(rng));
            radius = (radius * rng.random_range(0.8..1.05_f32)).max(0.7);
            points.push((at, radius));
        }
        Self { points, brightness: uptake * rng.random_range(0.6..1.1_f32) }
    }

    /// Fraction of a voxel inside the vessel.
    fn share(&self, p: Point, voxel_mm: f32) -> f32 {
        let (first, _) = self.points[0];
        let reach = 6.0 * self.points.len() as f32 + 4.0;
        if norm([p[0] - first[0], p[1] - first[1], p[2] - first[2]]) > reach {
            return 0.0;
        }
        let nearest =
            self.points.windows(2).map(|pair| tube(p, pair[0], pair[1])).fold(f32::INFINITY, f32::min);
        inside(nearest, voxel_mm)
    }
}

#[cfg(test)]
mod tests {
    use super::super::smooth::{Part, stream};
    use super::*;

    fn deep() -> Deep {
        Deep::draw(&mut stream(8, 0, Part::Cortex, 0), 0.5)
    }

    /// One vessel, one spot and none of what is drawn at random.
    fn distractors() -> Distractors {
        let tube = vec![([-40.0, -30.0, 30.0], 2.0), ([-34.0, -30.0, 30.0], 2.0)];
        Distractors {
            vessels: vec![Vessel { points: tube, brightness: 1.1 }],
            sinus: 1.5,
            sinus_mm: 5.0,
            choroid: [0.6, 0.9],
            pial: 0.5,
            caps_mm: 7.0,
            spots: vec![([45.0, 20.0, 35.0], 3.0)],
            lesion: 0.8,
            ..Distractors::draw(&mut stream(8, 0, Part::Distractors, 0), 1.0)
        }
    }

    /// A place inside of the cerebrum.
    const INSIDE: Outline = Outline { cerebrum: -20.0, cerebellum: 30.0, stem: 30.0, brain: -20.0 };

    #[track_caller]
    fn assert_vessel(tissue: Tissue, p: Point, outline: Outline, expected: f32) {
        let found = distractors().vessel(&tissue, p, &outline, 1.0);
        assert!((found - expected).abs() < 1e-6, "{found} at {p:?}, expected {expected}");
    }

    #[test]
    fn sinuses_follow_the_midline_and_the_edge_of_the_tentorium() {
        let white = Tissue::default();
        let surface = Outline { cerebrum: 0.0, cerebellum: 40.0, stem: 40.0, brain: 0.0 };
        assert_vessel(white, [0.0, 0.0, 65.0], surface, 1.5);
        assert_vessel(white, [0.0, 60.0, 0.0], surface, 1.5);
        assert_vessel(white, [3.0, 0.0, 65.0], Outline { cerebrum: -3.0, ..surface }, 1.5);
        assert_vessel(white, [10.0, 0.0, 65.0], surface, 0.0);
        assert_vessel(white, [0.0, 0.0, 65.0], Outline { cerebrum: -9.0, ..surface }, 0.0);
        assert_vessel(white, [0.0, 0.0, 10.0], surface, 0.0);
        let tentorium = Outline { cerebrum: 3.0, cerebellum: 1.0, stem: 40.0, brain: -2.0 };
        assert_vessel(white, [40.0, 40.0, -20.0], tentorium, 1.5);
        assert_vessel(white, [40.0, 20.0, -20.0], tentorium, 0.0);
        assert_vessel(white, [40.0, 40.0, -20.0], Outline { brain: -9.0, ..tentorium }, 0.0);
        assert_vessel(white, [40.0, 40.0, -20.0], Outline { cerebrum: 13.0, ..tentorium }, 0.0);
    }

    #[test]
    fn choroid_plexus_lies_in_the_ventricles_of_both_sides() {
        let ventricle = Tissue { ventricle: 1.0, fluid: 1.0, ..Tissue::default() };
        for [x, y, z] in [[11.0, 2.0, 12.0], [16.0, 16.0, 10.0], [21.0, 30.0, 8.0], [26.0, 21.0, -2.5]] {
            assert_vessel(ventricle, [x, y, z], INSIDE, 0.6);
            assert_vessel(ventricle, [-x, y, z], INSIDE, 0.9);
        }
        assert_vessel(ventricle, [7.0, -33.0, 3.0], INSIDE, 0.0);
        assert_vessel(Tissue::default(), [11.0, 2.0, 12.0], INSIDE, 0.0);
    }

    #[test]
    fn threads_run_in_the_fluid_near_the_surface() {
        let found = |fluid: f32, ventricle: f32, cerebrum: f32| -> Vec<f32> {
            let tissue = Tissue { fluid, ventricle, ..Tissue::default() };
            let (outline, distractors) = (Outline { cerebrum, ..INSIDE }, distractors());
            (0..400)
                .map(|i| [30.0 + (i % 20) as f32, -40.0 + (i / 20) as f32, -10.0])
                .map(|p| distractors.vessel(&tissue, p, &outline, 1.0))
                .collect()
        };
        let near = found(1.0, 0.0, -15.0);
        assert!(near.iter().all(|share| (0.0..=0.5).contains(share)));
        let share = |of: f32| near.iter().filter(|share| **share == of).count() as f32 / 400.0;
        assert!(share(0.5) > 0.05 && share(0.0) > 0.2, "{} {}", share(0.5), share(0.0));
        assert!((found(0.5, 0.0, -15.0).into_iter().fold(0.0, f32::max) - 0.25).abs() < 1e-6);
        for nothing in [found(0.1, 0.0, -15.0), found(1.0, 1.0, -15.0), found(1.0, 0.0, -25.0)] {
            assert!(nothing.iter().all(|share| *share == 0.0));
        }
    }

    #[test]
    fn a_vessel_is_as_bright_as_drawn_and_as_wide_as_its_radius() {
        let white = Tissue::default();
        for (x, y, expected) in [
            (-40.0, -30.0, 1.1),
            (-36.0, -30.0, 1.1),
            (-37.0, -28.0, 0.55),
            (-37.0, -25.0, 0.0),
            (-30.0, -30.0, 0.0),
        ] {
            assert_vessel(white, [x, y, 30.0], INSIDE, expected);
        }
        for case in 0..100 {
            let vessel = Vessel::draw(&mut stream(9, case, Part::Distractors, 0), 1.0);
            let start = vessel.points[0].0;
            // In the hull of the cerebrum, but not at its centre.
            let place = norm([start[0] / 62.0, start[1] / 79.0, (start[2] - 7.0) / 54.0]);
            assert!((0.55..0.981).contains(&place), "{place}");
            assert!((4..=9).contains(&vessel.points.len()));
            for pair in vessel.points.windows(2) {
                let step = [0, 1, 2].map(|axis| pair[1].0[axis] - pair[0].0[axis]);
                assert!((norm(step) - 6.0).abs() < 1e-3);
                assert!((0.7..=3.0).contains(&pair[1].1) && pair[1].1 <= 1.05 * pair[0].1 + 1e-6);
            }
            assert!((0.6..1.1).contains(&vessel.brightness));
            assert_eq!(vessel.share(vessel.points[2].0, 0.5), 1.0, "all of it is drawn");
        }
    }

    #[test]
    fn lesions_are_spots_and_caps_of_the_ventricles_in_white_matter() {
        let (distractors, deep) = (distractors(), deep());
        let lesion = |p: Point, tissue: Tissue, outline: &Outline| {
            let mut tissue = tissue;
            distractors.add_to(&mut tissue, p, outline, &deep, 1.0);
            tissue.lesion
        };
        let white = Tissue::default();
        let spot = [45.0, 20.0, 35.0];
        assert!((lesion(spot, white, &INSIDE) - 0.8).abs() < 1e-6);
        assert!((lesion(spot, Tissue { grey: 0.5, ..white }, &INSIDE) - 0.4).abs() < 1e-6);
        assert_eq!(lesion([45.0, 25.0, 35.0], white, &INSIDE), 0.0);
        assert_eq!(lesion(spot, Tissue { grey: 0.9, ..white }, &INSIDE), 0.0);
        assert_eq!(lesion(spot, white, &Outline { cerebrum: -7.0, ..INSIDE }), 0.0);
        // Caps are as thick as 0.45 of what was drawn, on average: 3 mm.
        let mut by_distance = [(0.0, 0), (0.0, 0)];
        for i in 0..40 * 50 * 20 {
            let p = [(i % 40) as f32, (i / 40 % 50) as f32 * 2.0 - 50.0, (i / 2000) as f32 * 2.0 - 5.0];
            let place = match deep.lateral_mm(p) {
                0.5..1.5 => 0,
                5.0..6.0 => 1,
                _ => continue,
            };
            by_distance[place].0 += lesion(p, white, &INSIDE);
            by_distance[place].1 += 1;
        }
        let [near, far] = by_distance.map(|(sum, count)| sum / count as f32);
        assert!(near > 0.45 && far < 0.4, "{near} {far}");
    }

    #[test]
    fn the_amount_scales_what_is_drawn() {
        let draw =
            |case: usize, amount: f32| Distractors::draw(&mut stream(10, case, Part::Distractors, 0), amount);
        let (mut vessels, mut spots) = ([0; 2], [0; 2]);
        for case in 0..60 {
            let none = draw(case, 0.0);
            assert!(none.vessels.is_empty() && none.spots.is_empty());
            assert_eq!((none.sinus, none.choroid, none.pial, none.caps_mm), (0.0, [0.0; 2], 0.0, 0.0));
            for (place, amount) in [1.0, 2.0].into_iter().enumerate() {
                let some = draw(case, amount);
                let most = 24.0 * amount;
                assert!((2.0 * amount..=most).contains(&(some.vessels.len() as f32)));
                assert!((1.25..1.75).contains(&some.sinus), "{}", some.sinus);
                assert!(some.choroid.iter().all(|choroid| (0.34..1.38).contains(choroid)));
                assert!((0.0..1.13).contains(&some.pial));
                assert!((some.spots.len() as f32) <= 40.0 * amount && some.caps_mm <= 7.0 * amount);
                // Spots and caps come together.
                let burden = some.caps_mm / 7.0;
                assert_eq!(some.spots.len(), (burden * 40.0) as usize);
                vessels[place] += some.vessels.len();
                spots[place] += some.spots.len();
            }
        }
        // 13 vessels on average, and 10 spots: a burden of 0.25, since a third of all brains have none.
        assert!((600..960).contains(&vessels[0]) && (1200..1920).contains(&vessels[1]), "{vessels:?}");
        assert!((500..1100).contains(&spots[0]) && (1000..2200).contains(&spots[1]), "{spots:?}");
    }
}
