//! The voxel-to-world transforms of a NIfTI header.
//!
//! A header can hold two, sform and qform. Both are stored as read, so that a written volume overlays the scan in every
//! viewer, whichever transform the viewer prefers.
//!
//! Reference: the NIfTI-1 data format, "3D image (volume) orientation and location in space", methods 1, 2 and 3.

/// Rows of an affine on `(x, y, z, 1)` voxel indices.
pub(crate) type Rows = [[f64; 4]; 3];

/// Spatial unit codes of `xyzt_units`.
const UNIT_METRE: u8 = 1;
pub(crate) const UNIT_MILLIMETRE: u8 = 2;
const UNIT_MICRON: u8 = 3;
const SPATIAL_UNIT_BITS: u8 = 7;

/// Header fields that position the voxels, in the header's own units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Orientation {
    pub sform_code: i16,
    pub qform_code: i16,
    /// `srow_x`, `srow_y`, `srow_z`.
    pub srow: [[f32; 4]; 3],
    /// `quatern_b`, `quatern_c`, `quatern_d`.
    pub quatern: [f32; 3],
    /// `qoffset_x`, `qoffset_y`, `qoffset_z`.
    pub qoffset: [f32; 3],
    /// `pixdim[0]`: the handedness of the qform.
    pub qfac: f32,
    /// `pixdim[1..4]`, for x, y, z.
    pub pixdim: [f32; 3],
    pub xyzt_units: u8,
}

impl Orientation {
    /// Creates an orientation with only an sform, in millimetres.
    pub fn from_rows(rows: Rows) -> Self {
        Self {
            sform_code: 1,
            qform_code: 0,
            srow: rows.map(|row| row.map(|v| v as f32)),
            quatern: [0.0; 3],
            qoffset: [0.0; 3],
            qfac: 1.0,
            pixdim: column_lengths(&rows).map(|v| v as f32),
            xyzt_units: UNIT_MILLIMETRE,
        }
    }

    /// Creates the orientation of BraTS scans: x points to the patient's left, y to the back and z up, with the last row
    /// along y at 0 mm.
    pub fn brats(shape_xyz: [usize; 3], spacing_xyz: [f64; 3]) -> Self {
        let [dx, dy, dz] = spacing_xyz;
        let far_y = (shape_xyz[1].saturating_sub(1)) as f64 * dy;
        Self {
            qform_code: 1,
            quatern: [0.0, 0.0, 1.0],
            qoffset: [0.0, far_y as f32, 0.0],
            ..Self::from_rows([[-dx, 0.0, 0.0, 0.0], [0.0, -dy, 0.0, far_y], [0.0, 0.0, dz, 0.0]])
        }
    }

    /// Whether the header states an orientation: its sform or its qform is set.
    pub(crate) fn is_known(&self) -> bool {
        self.sform_code > 0 || self.qform_code > 0
    }

    /// The rows of sform and qform, if both are set.
    pub(crate) fn both(&self) -> Option<(Rows, Rows)> {
        (self.sform_code > 0 && self.qform_code > 0).then(|| (self.sform_rows(), self.qform_rows()))
    }

    /// This orientation with a transform that is set but unusable (its axes do not span space, or are not finite)
    /// read as not set. `None` if no transform that is set is usable, or if none is set and the spacing is unusable.
    pub(crate) fn usable(&self) -> Option<Self> {
        let mut usable = *self;
        if self.sform_code > 0 && !spans_space(&self.sform_rows()) {
            (usable.sform_code, usable.srow) = (0, [[0.0; 4]; 3]);
        }
        if self.qform_code > 0 && !spans_space(&self.qform_rows()) {
            (usable.qform_code, usable.quatern, usable.qoffset) = (0, [0.0; 3], [0.0; 3]);
        }
        let stated = usable.is_known() == self.is_known();
        (stated && spans_space(&usable.world_from_voxel())).then_some(usable)
    }

    /// The values of the transforms that are set, for messages.
    pub(crate) fn describe(&self) -> String {
        let sform = || format!("sform {:?}", self.srow);
        let qform = || format!("qform {:?} with pixdim {:?}", self.quatern, self.pixdim);
        match (self.sform_code > 0, self.qform_code > 0) {
            (true, true) => format!("{} and {}", sform(), qform()),
            (true, false) => sform(),
            (false, true) => qform(),
            (false, false) => format!("neither sform nor qform, and pixdim {:?}", self.pixdim),
        }
    }

    /// Affine in millimetres: from the sform if it is set, else from the qform, else from the spacing.
    pub fn world_from_voxel(&self) -> Rows {
        let rows = if self.sform_code > 0 {
            self.sform_rows()
        } else if self.qform_code > 0 {
            self.qform_rows()
        } else {
            let [dx, dy, dz] = self.spacing();
            [[dx, 0.0, 0.0, 0.0], [0.0, dy, 0.0, 0.0], [0.0, 0.0, dz, 0.0]]
        };
        let mm = match self.xyzt_units & SPATIAL_UNIT_BITS {
            UNIT_METRE => 1e3,
            UNIT_MICRON => 1e-3,
            _ => return rows,
        };
        rows.map(|row| row.map(|v| v * mm))
    }

    /// Orientation of the grid whose voxel 0 is the mean of the `factor`³ voxels from `start_xyz` on.
    pub fn window(&self, start_xyz: [isize; 3], factor: usize) -> Self {
        let factor = factor as f64;
        let origin = start_xyz.map(|s| s as f64 + (factor - 1.0) / 2.0);
        let mut moved = *self;
        if self.sform_code <= 0 && self.qform_code <= 0 {
            // The spacing does not encode an origin: the window needs an sform.
            let [dx, dy, dz] = self.pixdim.map(f32::abs);
            moved.sform_code = 1;
            moved.srow = [[dx, 0.0, 0.0, 0.0], [0.0, dy, 0.0, 0.0], [0.0, 0.0, dz, 0.0]];
        }
        for row in &mut moved.srow {
            let rows = row.map(f64::from);
            row[3] = (rows[3] + (0..3).map(|axis| rows[axis] * origin[axis]).sum::<f64>()) as f32;
            for value in &mut row[..3] {
                *value = (f64::from(*value) * factor) as f32;
            }
        }
        for (offset, row) in moved.qoffset.iter_mut().zip(self.qform_rows()) {
            *offset = (row[3] + (0..3).map(|axis| row[axis] * origin[axis]).sum::<f64>()) as f32;
        }
        moved.pixdim = self.pixdim.map(|v| (f64::from(v) * factor) as f32);
        moved
    }

    /// Spacing along x, y and z. Negative values, which Analyze files use to mark a flipped axis, have no such meaning
    /// in NIfTI.
    fn spacing(&self) -> [f64; 3] {
        self.pixdim.map(|v| f64::from(v).abs())
    }

    /// Method 3.
    fn sform_rows(&self) -> Rows {
        self.srow.map(|row| row.map(f64::from))
    }

    /// Method 2: rotation by the unit quaternion (a, b, c, d), with a ≥ 0 implied by b, c and d.
    fn qform_rows(&self) -> Rows {
        let [mut b, mut c, mut d] = self.quatern.map(f64::from);
        let rest = 1.0 - (b * b + c * c + d * d);
        let a = if rest < 1e-7 {
            let length = (b * b + c * c + d * d).sqrt();
            (b, c, d) = (b / length, c / length, d / length);
            0.0
        } else {
            rest.sqrt()
        };
        let rotation = [
            [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
            [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
            [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ];
        let [dx, dy, dz] = self.spacing();
        let dz = if self.qfac < 0.0 { -dz } else { dz };
        std::array::from_fn(|i| {
            let [x, y, z] = rotation[i];
            [x * dx, y * dy, z * dz, f64::from(self.qoffset[i])]
        })
    }
}

/// Lengths of an affine's first three columns: the spacing along x, y and z.
pub(crate) fn column_lengths(rows: &Rows) -> [f64; 3] {
    std::array::from_fn(|axis| rows.iter().map(|row| row[axis] * row[axis]).sum::<f64>().sqrt())
}

/// Whether an affine is finite and its axes span space.
fn spans_space(rows: &Rows) -> bool {
    let volume = determinant(rows).abs();
    rows.iter().flatten().all(|v| v.is_finite()) && volume.is_finite() && volume > 0.0
}

/// Computes the orthogonal matrix nearest to an affine's normalised columns (the polar factor), by Newton's iteration
/// with the inverse transpose. Of a singular affine, it returns the columns.
///
/// Higham, N. J., "Computing the polar decomposition", SIAM J. Sci. Stat. Comput. 7(4), 1986, doi:10.1137/0907079.
pub(crate) fn nearest_rotation(rows: &Rows) -> [[f64; 3]; 3] {
    const ITERATIONS: usize = 60;
    let lengths = column_lengths(rows).map(|length| if length > 0.0 { length } else { 1.0 });
    let columns = rows.map(|[a, b, c, _]| [a / lengths[0], b / lengths[1], c / lengths[2]]);
    let mut current = columns;
    for _ in 0..ITERATIONS {
        let Some(inverse) = inverse_transpose(&current) else { return columns };
        current = std::array::from_fn(|i| std::array::from_fn(|j| (current[i][j] + inverse[i][j]) / 2.0));
    }
    current
}

/// Inverse of the transpose: the cofactors over the determinant. `None` if the matrix is singular.
fn inverse_transpose(m: &[[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let cofactor = |i: usize, j: usize| {
        let [r, s] = [(i + 1) % 3, (i + 2) % 3];
        let [c, d] = [(j + 1) % 3, (j + 2) % 3];
        m[r][c] * m[s][d] - m[r][d] * m[s][c]
    };
    let determinant: f64 = (0..3).map(|j| m[0][j] * cofactor(0, j)).sum();
    let valid = determinant.is_finite() && determinant != 0.0;
    valid.then(|| std::array::from_fn(|i| std::array::from_fn(|j| cofactor(i, j) / determinant)))
}

/// Inverse of an affine: rows that map millimetres `(x, y, z, 1)` to voxel indices. `None` if it is singular.
pub(crate) fn inverse(rows: &Rows) -> Option<Rows> {
    let linear = rows.map(|[a, b, c, _]| [a, b, c]);
    let transposed = inverse_transpose(&linear)?;
    Some(std::array::from_fn(|i| {
        let [a, b, c]: [f64; 3] = std::array::from_fn(|j| transposed[j][i]);
        [a, b, c, -(a * rows[0][3] + b * rows[1][3] + c * rows[2][3])]
    }))
}

/// Determinant of an affine's linear part: 0 if the axes do not span space.
pub(crate) fn determinant(rows: &Rows) -> f64 {
    let [[a, b, c, _], [d, e, f, _], [g, h, i, _]] = *rows;
    a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
}
