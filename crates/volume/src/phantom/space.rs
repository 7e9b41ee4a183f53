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
