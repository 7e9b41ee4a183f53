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
