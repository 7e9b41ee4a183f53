//! Points, signed distances and voxel grids in millimetres.
//!
//! Axes are those of a BraTS array: x to the patient's left, y to the back, z up; the origin is the centre of the field of
//! view. Solids are represented by their signed distance, negative inside.

use super::settings::PhantomConfig;

pub(super) type Point = [f32; 3];

pub(super) fn norm(v: Point) -> f32 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}

pub(super) fn sub(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// Fraction of a voxel of width `soft_mm` inside a surface at this signed distance.
pub(super) fn inside(signed_mm: f32, soft_mm: f32) -> f32 {
    (0.5 - signed_mm / soft_mm).clamp(0.0, 1.0)
}

/// Approximate signed distance to an ellipsoid.
pub(super) fn ellipsoid(p: Point, centre: Point, half: Point) -> f32 {
    let d = sub(p, centre);
    let scaled = norm([d[0] / half[0], d[1] / half[1], d[2] / half[2]]);
    let slope = norm([d[0] / (half[0] * half[0]), d[1] / (half[1] * half[1]), d[2] / (half[2] * half[2])]);
    if slope < 1e-6 { -half[0].min(half[1]).min(half[2]) } else { scaled * (scaled - 1.0) / slope }
}

/// Signed distance to a tube from `a` to `b` with radii from `ra` to `rb`.
pub(super) fn tube(p: Point, (a, ra): (Point, f32), (b, rb): (Point, f32)) -> f32 {
    let (ap, ab) = (sub(p, a), sub(b, a));
    let along = (ap[0] * ab[0] + ap[1] * ab[1] + ap[2] * ab[2])
        / (ab[0] * ab[0] + ab[1] * ab[1] + ab[2] * ab[2]).max(1e-6);
    let t = along.clamp(0.0, 1.0);
    norm([ap[0] - t * ab[0], ap[1] - t * ab[1], ap[2] - t * ab[2]]) - (ra + t * (rb - ra))
}

/// Union of two solids, with a fillet of `k` millimetres.
pub(super) fn union(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - h * h * k * 0.25
}

/// Intersection of two solids, with its edge rounded over `k` millimetres.
pub(super) fn intersection(a: f32, b: f32, k: f32) -> f32 {
    -union(-a, -b, k)
}

/// Rows of the rotation about x, then y, then z, in radians.
pub(super) fn rotation([rx, ry, rz]: Point) -> [Point; 3] {
    let ((sx, cx), (sy, cy), (sz, cz)) = (rx.sin_cos(), ry.sin_cos(), rz.sin_cos());
    [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
}

pub(super) fn rotate(rows: &[Point; 3], p: Point) -> Point {
    rows.map(|row| row[0] * p[0] + row[1] * p[1] + row[2] * p[2])
}

/// The voxel grid of a case, centred on the origin.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) shape: [usize; 3],
    spacing_mm: [f32; 3],
}

impl Grid {
    pub(super) fn new(config: &PhantomConfig) -> Self {
        Self { shape: config.shape, spacing_mm: config.spacing_mm.map(|s| s as f32) }
    }

    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn slice_len(&self) -> usize {
        self.shape[1] * self.shape[2]
    }

    /// Centre of voxel `[z, y, x]`, as `[x, y, z]` in millimetres.
    pub(super) fn point(&self, zyx: [usize; 3]) -> Point {
        let along =
            |axis: usize| (zyx[axis] as f32 - (self.shape[axis] as f32 - 1.0) / 2.0) * self.spacing_mm[axis];
        [along(2), along(1), along(0)]
    }

    /// Centre of the voxel at this index in memory order.
    pub(super) fn point_at(&self, index: usize) -> Point {
        let [_, ny, nx] = self.shape;
        self.point([index / (ny * nx), index / nx % ny, index % nx])
    }

    /// Half the field of view along `[x, y, z]`.
    pub(super) fn half_mm(&self) -> Point {
        let half = |axis: usize| self.shape[axis] as f32 * self.spacing_mm[axis] / 2.0;
        [half(2), half(1), half(0)]
    }

    /// Geometric mean of the voxel's sides, over which boundaries are blurred.
    pub(super) fn voxel_mm(&self) -> f32 {
        self.spacing_mm.iter().product::<f32>().cbrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points all over a cube around the origin.
    fn points() -> impl Iterator<Item = Point> {
        (0..6 * 6 * 6).map(|i| [i / 36, i / 6 % 6, i % 6].map(|n| 7.3 * n as f32 - 18.0))
    }

    #[track_caller]
    fn assert_close(found: f32, expected: f32) {
        assert!((found - expected).abs() < 1e-3, "{found}, expected {expected}");
    }

    #[test]
    fn a_surface_is_blurred_over_one_voxel() {
        for (signed_mm, expected) in
            [(-9.0, 1.0), (-1.0, 1.0), (-0.5, 0.75), (0.0, 0.5), (0.5, 0.25), (1.0, 0.0)]
        {
            assert_eq!(inside(signed_mm, 2.0), expected, "{signed_mm} mm");
        }
    }

    #[test]
    fn an_ellipsoid_of_equal_axes_is_a_sphere() {
        let centre = [3.0, -2.0, 5.0];
        for p in points() {
            let distance = ((p[0] - 3.0).powi(2) + (p[1] + 2.0).powi(2) + (p[2] - 5.0).powi(2)).sqrt();
            assert_close(ellipsoid(p, centre, [8.0; 3]), distance - 8.0);
        }
        assert_eq!(ellipsoid(centre, centre, [4.0, 9.0, 6.0]), -4.0, "the least half axis");
    }

    #[test]
    fn an_ellipsoid_s_surface_is_at_distance_0_and_its_distance_grows_by_1_mm_per_mm() {
        let half = [4.0_f32, 9.0, 6.0];
        for p in points() {
            let length = norm(p);
            // The surface in the direction of the point, and its normal there.
            let direction = p.map(|v| v / length);
            let scale = norm([0, 1, 2].map(|axis| direction[axis] / half[axis]));
            let on = direction.map(|v| v / scale);
            assert_close(ellipsoid(on, [0.0; 3], half), 0.0);
            let slope = [0, 1, 2].map(|axis| on[axis] / (half[axis] * half[axis]));
            let outwards = slope.map(|v| v / norm(slope));
            for step in [-0.01_f32, 0.01] {
                let near = [0, 1, 2].map(|axis| on[axis] + step * outwards[axis]);
                let found = ellipsoid(near, [0.0; 3], half);
                assert!((found - step).abs() < 2e-4, "{found} at {step} mm");
            }
        }
    }

    #[test]
    fn a_tube_s_distance_is_the_least_to_its_balls() {
        let (a, b) = ([-6.0_f32, 2.0, 9.0], [8.0_f32, -5.0, 1.0]);
        for p in points() {
            // Of equal radii: the distance to the nearest of many points of the axis.
            let nearest = (0..=2000)
                .map(|n| {
                    let t = n as f32 / 2000.0;
                    norm([0, 1, 2].map(|axis| p[axis] - (a[axis] + t * (b[axis] - a[axis]))))
                })
                .fold(f32::INFINITY, f32::min);
            let found = tube(p, (a, 3.0), (b, 3.0));
            assert!((found - (nearest - 3.0)).abs() < 0.01, "{found}, expected {}", nearest - 3.0);
        }
        // The radius changes linearly along the axis, and ends with the tube.
        let (start, end) = (([0.0; 3], 2.0), ([10.0, 0.0, 0.0], 4.0));
        for (x, radius) in [(-3.0, 2.0), (0.0, 2.0), (2.5, 2.5), (5.0, 3.0), (10.0, 4.0), (12.0, 4.0)] {
            let beyond = f32::max(x - 10.0, -x).max(0.0);
            assert_close(tube([x, 7.0, 0.0], start, end), beyond.hypot(7.0) - radius);
        }
    }

    #[test]
    fn a_union_is_the_nearer_solid_with_a_fillet_where_both_are_near() {
        assert_eq!((union(1.0, 5.0, 4.0), union(5.0, 1.0, 4.0)), (1.0, 1.0));
        // The fillet is deepest, k/4, where both are equally near, and smaller towards its ends.
        assert_close(union(2.0, 2.0, 4.0), 1.0);
        assert_close(union(2.0, 4.0, 4.0), 1.75);
        assert_eq!((intersection(1.0, 5.0, 4.0), intersection(-3.0, -7.0, 4.0)), (5.0, -3.0));
        assert_close(intersection(2.0, 2.0, 4.0), 3.0);
    }

    #[test]
    fn a_rotation_is_one_about_x_then_y_then_z() {
        let angles = [0.3_f32, -0.7, 1.1];
        let about = |axis: usize, p: Point| {
            let (sin, cos) = angles[axis].sin_cos();
            let (i, j) = ((axis + 1) % 3, (axis + 2) % 3);
            let mut turned = p;
            (turned[i], turned[j]) = (cos * p[i] - sin * p[j], sin * p[i] + cos * p[j]);
            turned
        };
        for p in points() {
            let expected = about(2, about(1, about(0, p)));
            for (found, expected) in rotate(&rotation(angles), p).into_iter().zip(expected) {
                assert_close(found, expected);
            }
        }
    }

    #[test]
    fn a_grid_is_centred_on_the_origin() {
        let config =
            PhantomConfig { shape: [8, 9, 11], spacing_mm: [4.0, 3.0, 2.0], ..PhantomConfig::default() };
        let grid = Grid::new(&config);
        assert_eq!((grid.len(), grid.slice_len()), (792, 99));
        assert_eq!(grid.half_mm(), [11.0, 13.5, 16.0]);
        assert_close(grid.voxel_mm(), 24.0_f32.cbrt());
        assert_eq!(grid.point([0, 0, 0]), [-10.0, -12.0, -14.0]);
        assert_eq!(grid.point([7, 4, 6]), [2.0, 0.0, 14.0]);
        for (index, (z, y, x)) in ndarray::indices((8, 9, 11)).into_iter().enumerate() {
            assert_eq!(grid.point_at(index), grid.point([z, y, x]));
        }
    }
}
