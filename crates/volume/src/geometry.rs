//! Voxel grids in the scanner's coordinate system.

use crate::AxisCodes;
use crate::affine::{self, Orientation, column_lengths};

/// Grids whose corresponding corners are all closer than this share of the smallest spacing count as one grid.
const SAME_GRID_VOXELS: f64 = 0.01;

/// A voxel grid with its position in the scanner's coordinate system (NIfTI's RAS+: x to the right, y to the front, z
/// up, in millimetres).
///
/// A grid read from a file keeps the file's sform and qform, their codes, and its units, so that a volume written on
/// it overlays the scan exactly in any viewer. Axes are never reoriented: `z, y, x` are the stored axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Geometry {
    /// Number of voxels along z, y, x.
    pub shape: [usize; 3],
    /// Distance between voxel centres along z, y, x.
    pub spacing_mm: [f64; 3],
    /// Rows of the affine that maps voxel indices `(x, y, z, 1)` to millimetres.
    pub world_from_voxel: [[f64; 4]; 3],
    orientation: Orientation,
}

impl Geometry {
    /// Creates an axis-aligned grid, oriented and positioned like a BraTS scan: x to the left, y to the back, z up
    /// (axis codes LPS).
    pub fn axis_aligned(shape: [usize; 3], spacing_mm: [f64; 3]) -> Self {
        let [nz, ny, nx] = shape;
        let [dz, dy, dx] = spacing_mm;
        Self::from_orientation(shape, Orientation::brats([nx, ny, nz], [dx, dy, dz]))
    }

    /// Creates a grid from an affine on `(x, y, z, 1)` voxel indices. NIfTI stores it in single precision.
    pub fn from_affine(shape: [usize; 3], world_from_voxel: [[f64; 4]; 3]) -> Self {
        Self::from_orientation(shape, Orientation::from_rows(world_from_voxel))
    }

    /// Creates a grid of voxels whose axes have no known direction, such as that of a network's input.
    ///
    /// ```
    /// use relevox_volume::Geometry;
    ///
    /// let grid = Geometry::unoriented([4, 5, 6], [3.0, 1.0, 1.0]);
    /// assert!(!grid.has_orientation());
    /// assert_eq!(grid.spacing_mm, [3.0, 1.0, 1.0]);
    /// ```
    pub fn unoriented(shape: [usize; 3], spacing_mm: [f64; 3]) -> Self {
        let [dz, dy, dx] = spacing_mm;
        let rows = [[dx, 0.0, 0.0, 0.0], [0.0, dy, 0.0, 0.0], [0.0, 0.0, dz, 0.0]];
        Self::from_orientation(shape, Orientation { sform_code: 0, ..Orientation::from_rows(rows) })
    }

    /// Returns the directions in which the stored x, y and z axes point; of an oblique grid, the nearest.
    pub fn axis_codes(&self) -> AxisCodes {
        AxisCodes::of(&self.world_from_voxel)
    }

    /// Returns whether the orientation is stated: an sform or qform code above 0, or an affine that was given. Without one,
    /// readers disagree about the directions of the axes.
    pub fn has_orientation(&self) -> bool {
        self.orientation().is_known()
    }

    /// Returns the directions of the axes by the sform, which is used, and by the qform, if the header states both and they
    /// differ.
    pub fn disagreement(&self) -> Option<(AxisCodes, AxisCodes)> {
        let (sform, qform) = self.orientation().both()?;
        let [sform, qform] = [sform, qform].map(|rows| AxisCodes::of(&rows));
        (sform != qform).then_some((sform, qform))
    }

    /// Returns the largest angle between a stored axis and the patient's axis that its code names, in degrees.
    pub fn obliqueness_degrees(&self) -> f64 {
        let (lengths, named) = (column_lengths(&self.world_from_voxel), self.axis_codes().world_axes());
        let cosine = |axis: usize| (self.world_from_voxel[named[axis]][axis] / lengths[axis]).abs().min(1.0);
        (0..3).map(|axis| cosine(axis).acos().to_degrees()).fold(0.0, f64::max)
    }

    /// Returns the (fractional) voxel index `[z, y, x]` of a position `[x, y, z]` in millimetres, or `None` if the affine
    /// is singular.
    pub fn voxel(&self, xyz_mm: [f64; 3]) -> Option<[f64; 3]> {
        let inverse = affine::inverse(&self.world_from_voxel)?;
        let [x, y, z] = inverse.map(|[a, b, c, d]| a * xyz_mm[0] + b * xyz_mm[1] + c * xyz_mm[2] + d);
        Some([z, y, x])
    }

    pub(crate) fn from_orientation(shape: [usize; 3], orientation: Orientation) -> Self {
        let world_from_voxel = orientation.world_from_voxel();
        let [dx, dy, dz] = column_lengths(&world_from_voxel);
        Self { shape, spacing_mm: [dz, dy, dx], world_from_voxel, orientation }
    }

    /// Header fields to write: those that were read, unless the public affine has changed since.
    pub(crate) fn orientation(&self) -> Orientation {
        if self.orientation.world_from_voxel() == self.world_from_voxel {
            self.orientation
        } else {
            Orientation::from_rows(self.world_from_voxel)
        }
    }

    /// Returns whether both grids have the same shape and no corner of one lies more than 1 % of a voxel's smallest side
    /// from the other's: programs round affines when they save them.
    pub fn same_grid(&self, other: &Geometry) -> bool {
        let voxel = self.spacing_mm.into_iter().chain(other.spacing_mm).fold(f64::INFINITY, f64::min);
        self.shape == other.shape && self.largest_corner_distance_mm(other) <= SAME_GRID_VOXELS * voxel
    }

    /// Returns the largest distance between corresponding corners of two grids of the same shape, in millimetres.
    pub fn largest_corner_distance_mm(&self, other: &Geometry) -> f64 {
        let mut largest = 0.0_f64;
        for corner in 0..8 {
            let zyx = std::array::from_fn(|axis| {
                if corner >> axis & 1 == 1 { self.shape[axis].saturating_sub(1) as f64 } else { 0.0 }
            });
            let (a, b) = (self.world(zyx), other.world(zyx));
            largest = largest.max((0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt());
        }
        largest
    }

    /// Returns the position `[x, y, z]` in millimetres of a (fractional) voxel index `[z, y, x]`.
    pub fn world(&self, zyx: [f64; 3]) -> [f64; 3] {
        let [z, y, x] = zyx;
        self.world_from_voxel.map(|[a, b, c, d]| a * x + b * y + c * z + d)
    }

    /// Returns the grid of a window of this one after a block mean.
    ///
    /// The window starts at voxel `start_zyx`, which may lie outside the grid, and spans `shape` voxels of this grid;
    /// each `downsample`³ of them become one voxel. A `downsample` of 0 counts as 1.
    pub fn window(&self, start_zyx: [isize; 3], shape: [usize; 3], downsample: usize) -> Geometry {
        let [z, y, x] = start_zyx;
        let factor = downsample.max(1);
        Self::from_orientation(shape.map(|n| n / factor), self.orientation().window([x, y, z], factor))
    }
}
