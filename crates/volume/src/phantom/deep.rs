//! Ventricles and deep grey nuclei.

use rand_chacha::ChaCha8Rng;

use super::smooth::{Smooth, around};
use super::space::{Point, ellipsoid, inside, tube, union};
use super::tissue::Tissue;

/// Axis of a lateral ventricle: points with the radius at each. x is the distance to the midline.
const LATERAL: [(Point, f32); 4] = [
    ([7.0, -33.0, 3.0], 3.0),
    ([11.0, -14.0, 15.0], 4.6),
    ([13.0, 14.0, 19.0], 4.6),
    ([23.0, 32.0, 9.0], 6.0),
];
const OCCIPITAL: (Point, f32) = ([23.0, 54.0, 5.0], 1.5);
const TEMPORAL: (Point, f32) = ([33.0, 6.0, -19.0], 2.0);

/// Ventricles and nuclei of one brain.
pub(super) struct Deep {
    /// Scale of the left and the right lateral ventricle's width.
    widening: [f32; 2],
    third_mm: f32,
    nuclei: f32,
    shape: Smooth,
}

impl Deep {
    /// Draws a brain's ventricles and nuclei. `atrophy`: 0 (narrow ventricles) to 1 (wide ones).
    pub(super) fn draw(rng: &mut ChaCha8Rng, atrophy: f32) -> Self {
        let common = 0.65 + 0.85 * atrophy;
        Self {
            widening: [0; 2].map(|_| common * around(rng, 1.0, 0.09)),
            third_mm: 1.2 + 2.2 * atrophy,
            nuclei: around(rng, 1.0, 0.05),
            shape: Smooth::draw(rng, 14.0),
        }
    }

    /// Signed distance to the lateral ventricles.
    pub(super) fn lateral_mm(&self, p: Point) -> f32 {
        let wide = self.widening[usize::from(p[0] < 0.0)];
        let q = [p[0].abs(), p[1], p[2]];
        let wider = |(point, radius): (Point, f32)| (point, radius * wide);
        let mut signed = f32::INFINITY;
        for pair in LATERAL.windows(2) {
            signed = union(signed.min(1e3), tube(q, wider(pair[0]), wider(pair[1])), 3.0);
        }
        let trigone = wider(LATERAL[3]);
        signed = union(signed, tube(q, trigone, wider(OCCIPITAL)), 3.0);
        signed = union(signed, tube(q, (trigone.0, trigone.1 * 0.6), wider(TEMPORAL)), 3.0);
        // A septum separates the two.
        (signed + 0.8 * self.shape.at(p)).max(0.8 - p[0].abs())
    }

    /// Adds nuclei and ventricles to the tissue at a point.
    pub(super) fn add_to(&self, tissue: &mut Tissue, p: Point, voxel_mm: f32) {
        let q = [p[0].abs(), p[1], p[2]];
        if q[0] > 45.0 || p[1].abs() > 65.0 || p[2].abs() > 50.0 {
            return;
        }
        let wobble = 0.7 * self.shape.at(p);
        let wide = self.widening[usize::from(p[0] < 0.0)];
        let nucleus = |centre: Point, half: Point, softness: f32| {
            inside(ellipsoid(q, centre, half.map(|h| h * self.nuclei)) + wobble, voxel_mm + softness)
        };
        let aside = 2.5 * (wide - 1.0);
        let caudate = nucleus([14.5 + aside, -20.0, 5.0], [5.0, 11.0, 9.0], 0.0);
        let tail =
            inside(tube(q, ([17.0 + aside, -12.0, 13.0], 3.2), ([20.0 + aside, 14.0, 19.0], 1.8)), voxel_mm);
        let putamen = nucleus([27.0, -3.0, 1.0], [5.0, 16.0, 9.5], 0.0);
        let pallidum = nucleus([20.0, 0.0, -1.0], [4.0, 9.0, 6.0], 1.0);
        let thalamus = nucleus([10.5 + 0.4 * self.third_mm, 14.0, 5.0], [7.5, 14.0, 8.5], 1.0);
        let grey = caudate.max(tail).max(putamen).min(1.0 - tissue.fluid);
        tissue.grey = tissue.grey.max(grey);
        tissue.deep = pallidum.max(thalamus).min(1.0 - tissue.grey - tissue.fluid).max(0.0);

        let third = ellipsoid(p, [0.0, 6.0, 0.0], [self.third_mm, 15.0, 11.0]);
        let fourth = ellipsoid(p, [0.0, 29.0, -32.0], [7.0, 4.0 + 0.5 * self.third_mm, 9.0]);
        let ventricle = inside(self.lateral_mm(p).min(third).min(fourth), voxel_mm);
        if ventricle > 0.0 {
            tissue.fluid = tissue.fluid.max(ventricle);
            tissue.ventricle = ventricle;
            tissue.grey *= 1.0 - ventricle;
            tissue.deep *= 1.0 - ventricle;
        }
    }
}
