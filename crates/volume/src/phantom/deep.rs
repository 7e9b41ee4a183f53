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

#[cfg(test)]
mod tests {
    use super::super::smooth::{Part, stream};
    use super::*;

    fn deep(case: usize, atrophy: f32) -> Deep {
        Deep::draw(&mut stream(7, case, Part::Cortex, 0), atrophy)
    }

    #[test]
    fn each_side_has_a_ventricle_and_a_septum_between_them() {
        for case in 0..10 {
            let deep = deep(case, 0.5);
            for side in [-1.0, 1.0] {
                for (point, _) in LATERAL {
                    let p = [side * point[0], point[1], point[2]];
                    assert!(deep.lateral_mm(p) < 0.0, "{p:?}: {}", deep.lateral_mm(p));
                }
                // Half way down both horns, and beyond their ends.
                assert!(deep.lateral_mm([side * 23.0, 43.0, 7.0]) < 1.5);
                assert!(deep.lateral_mm([side * 28.0, 19.0, -5.0]) < 1.5);
                assert!(deep.lateral_mm([side * 23.0, 66.0, 5.0]) > 5.0);
                assert!(deep.lateral_mm([side * 33.0, -8.0, -26.0]) > 5.0);
            }
            assert!((-40..40).all(|y| deep.lateral_mm([0.0, y as f32, 15.0]) >= 0.8));
        }
    }

    #[test]
    fn a_nucleus_is_blurred_over_a_voxel() {
        // From the centre of the putamen outwards, in steps of 1/8 mm.
        let partly = |voxel_mm: f32| {
            let deep = deep(1, 0.5);
            let grey = (0..200).map(|step| {
                let mut tissue = Tissue::default();
                deep.add_to(&mut tissue, [27.0 + step as f32 / 8.0, -3.0, 1.0], voxel_mm);
                tissue.grey
            });
            grey.filter(|share| (0.05..0.95).contains(share)).count() as f32 / 8.0
        };
        for voxel_mm in [1.0, 2.0, 4.0] {
            let found = partly(voxel_mm);
            assert!((0.6 * voxel_mm..1.4 * voxel_mm).contains(&found), "{found} mm for {voxel_mm} mm");
        }
    }

    #[test]
    fn atrophy_widens_the_ventricles() {
        let voxels = |atrophy: f32| -> usize {
            (0..4)
                .map(|case| {
                    let deep = deep(case, atrophy);
                    let ventricle = |i: &usize| {
                        let p = [i % 40, i / 40 % 60, i / 2400].map(|n| 2.0 * n as f32);
                        let mut tissue = Tissue::default();
                        deep.add_to(&mut tissue, [p[0] - 40.0, p[1] - 60.0, p[2] - 40.0], 2.0);
                        tissue.ventricle > 0.5
                    };
                    (0..40 * 60 * 40).filter(ventricle).count()
                })
                .sum()
        };
        let (narrow, middle, wide) = (voxels(0.0), voxels(0.5), voxels(1.0));
        assert!(narrow as f32 * 1.5 < middle as f32 && middle as f32 * 1.3 < wide as f32);
        // Four brains in voxels of 8 µl: 5 to 100 ml each.
        assert!(narrow > 2500 && wide < 50_000, "{narrow} {middle} {wide}");
    }

    #[test]
    fn a_wide_ventricle_moves_the_nucleus_of_its_own_side_outwards() {
        let (mut moved, mut other) = (0.0, 0.0);
        for case in 0..10 {
            let deep = Deep { widening: [2.0, 1.0], ..deep(case, 0.5) };
            let grey = |x: f32| {
                let mut tissue = Tissue::default();
                deep.add_to(&mut tissue, [x, -20.0, 3.0], 1.0);
                tissue.grey / 10.0
            };
            moved += grey(20.0);
            other += grey(-20.0);
        }
        // The caudate ends 5 mm from its centre, which moves from 14.5 to 17 mm from the midline.
        assert!(moved > other + 0.3, "{moved} {other}");
    }

    #[test]
    fn the_thalamus_is_beside_the_third_ventricle_however_narrow_that_is() {
        for case in 0..10 {
            let mut tissue = Tissue::default();
            deep(case, 0.0).add_to(&mut tissue, [16.0, 16.0, 4.0], 2.0);
            assert!(tissue.deep > 0.7, "{}", tissue.deep);
        }
    }

    #[test]
    fn nuclei_are_grey_or_deep_matter_on_both_sides_and_ventricles_are_fluid() {
        for case in 0..10 {
            let deep = deep(case, 0.5);
            let at = |p: Point| {
                let mut tissue = Tissue::default();
                deep.add_to(&mut tissue, p, 2.0);
                tissue
            };
            for side in [-1.0, 1.0] {
                let thalamus = at([side * 13.0, 15.0, 3.0]);
                assert!(thalamus.deep > 0.9 && thalamus.fluid < 0.1, "thalamus");
                let pallidum = at([side * 18.5, 1.0, -1.0]);
                assert!(pallidum.deep > 0.8, "pallidum: {}", pallidum.deep);
                let putamen = at([side * 28.5, -3.0, 1.0]);
                assert!(putamen.grey > 0.8 && putamen.grey + putamen.deep <= 1.0, "putamen");
                assert!(at([side * 16.5, -20.0, 2.0]).grey > 0.8, "caudate");
                let body = at([side * 12.0, 0.0, 17.0]);
                assert!(body.ventricle > 0.9 && body.fluid == body.ventricle, "ventricle");
                assert!(body.grey < 0.1 && body.deep < 0.1);
                let capsule = at([side * 36.0, -3.0, 25.0]);
                assert_eq!((capsule.grey, capsule.deep, capsule.fluid), (0.0, 0.0, 0.0), "white matter");
            }
            assert!(at([0.0, 6.0, 0.0]).ventricle > 0.5, "the third ventricle");
            assert!(at([0.0, 29.0, -32.0]).ventricle > 0.9, "the fourth ventricle");
            for far in [[50.0, 0.0, 0.0], [0.0, 70.0, 0.0], [0.0, 0.0, -55.0]] {
                assert_eq!(at(far).fluid, 0.0);
            }
            // Fluid that was there before takes precedence.
            let mut wet = Tissue { fluid: 0.8, ..Tissue::default() };
            deep.add_to(&mut wet, [28.5, -3.0, 1.0], 2.0);
            assert!(wet.grey <= 0.2 + 1e-6 && wet.fluid == 0.8);
        }
    }
}
