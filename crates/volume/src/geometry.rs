//! Where a voxel grid lies in the scanner's space.

use crate::affine::{Orientation, column_lengths};

/// Grids closer than this at every corner are one grid.
const SAME_GRID_MM: f64 = 1e-3;

/// A voxel grid and its place in the scanner's space (NIfTI's: x to the right, y to the front, z up, in millimetres).
///
/// It carries the header facts that it was read with (sform and qform with their codes, units), so that a volume
/// written on it lies exactly over the scan in any viewer. Axes are never reoriented: `z, y, x` are the stored axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// Voxels along z, y, x.
    pub shape: [usize; 3],
    /// Distance between voxel centres along z, y, x.
    pub spacing_mm: [f64; 3],
    /// Rows of the affine that takes voxel indices `(x, y, z, 1)` to millimetres.
    pub world_from_voxel: [[f64; 4]; 3],
    orientation: Orientation,
}

impl Geometry {
    /// A grid along the axes, oriented and placed like BraTS scans: x to the left, y to the back, z up.
    pub fn axis_aligned(shape: [usize; 3], spacing_mm: [f64; 3]) -> Self {
        let reversed = |[z, y, x]: [usize; 3]| [x, y, z];
        let [dz, dy, dx] = spacing_mm;
        Self::from_orientation(shape, Orientation::brats(reversed(shape), [dx, dy, dz]))
    }

    /// A grid placed by an affine on `(x, y, z, 1)` voxel indices, which NIfTI keeps in single precision.
    pub fn from_affine(shape: [usize; 3], world_from_voxel: [[f64; 4]; 3]) -> Self {
        Self::from_orientation(shape, Orientation::from_rows(world_from_voxel))
    }

    pub(crate) fn from_orientation(shape: [usize; 3], orientation: Orientation) -> Self {
        let world_from_voxel = orientation.world_from_voxel();
        let [dx, dy, dz] = column_lengths(&world_from_voxel);
        Self { shape, spacing_mm: [dz, dy, dx], world_from_voxel, orientation }
    }

    /// The header facts to write: those read, unless the public affine was changed since.
    pub(crate) fn orientation(&self) -> Orientation {
        if self.orientation.world_from_voxel() == self.world_from_voxel {
            self.orientation
        } else {
            Orientation::from_rows(self.world_from_voxel)
        }
    }

    /// Whether both have the same shape and every corner of one lies within 1e-3 mm of the other's.
    pub fn same_grid(&self, other: &Geometry) -> bool {
        self.shape == other.shape && self.largest_corner_distance_mm(other) <= SAME_GRID_MM
    }

    /// The furthest that any corner of this grid lies from the same corner of a grid of the same shape.
    pub(crate) fn largest_corner_distance_mm(&self, other: &Geometry) -> f64 {
        let mut furthest = 0.0_f64;
        for corner in 0..8 {
            let zyx = std::array::from_fn(|axis| {
                if corner >> axis & 1 == 1 { self.shape[axis].saturating_sub(1) as f64 } else { 0.0 }
            });
            let (a, b) = (self.world(zyx), other.world(zyx));
            furthest = furthest.max((0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt());
        }
        furthest
    }

    /// Millimetres `[x, y, z]` of a (fractional) voxel index `[z, y, x]`.
    pub fn world(&self, zyx: [f64; 3]) -> [f64; 3] {
        let [z, y, x] = zyx;
        self.world_from_voxel.map(|[a, b, c, d]| a * x + b * y + c * z + d)
    }

    /// The grid of a window of this one, seen through a block mean: the window starts at voxel `start_zyx` (which may
    /// lie outside the grid), spans `shape` voxels of this grid, and each `downsample`³ of them become one.
    pub fn window(&self, start_zyx: [isize; 3], shape: [usize; 3], downsample: usize) -> Geometry {
        let [z, y, x] = start_zyx;
        let factor = downsample.max(1);
        Self::from_orientation(shape.map(|n| n / factor), self.orientation().window([x, y, z], factor))
    }
}
