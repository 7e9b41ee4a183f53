//! Parsing and validation of NIfTI-1 headers.

use std::io::{self, Read};
use std::path::Path;

use ::nifti::{Endianness, NiftiHeader, NiftiType};

use crate::Error;
use crate::affine::{Orientation, determinant};

pub(super) const HEADER_BYTES: usize = 348;
const NIFTI2_HEADER_BYTES: i32 = 540;
/// Offset of the voxels in a file without extensions, which an offset of 0 stands for.
pub(super) const SMALLEST_VOXEL_OFFSET: u64 = 352;
const EXPECTED_FILE: &str = "a NIfTI-1 file (.nii or .nii.gz)";
const EXPECTED_TYPE: &str = "integers of 8 to 64 bits, float32 or float64";

/// The validated parts of a header that decoding needs.
#[derive(Debug)]
pub(super) struct Header {
    /// Number of voxels along z, y, x.
    pub shape: [usize; 3],
    pub voxel_type: NiftiType,
    pub big_endian: bool,
    /// Offset of the voxels in the file.
    pub voxel_offset: u64,
    /// `scl_slope` and `scl_inter`, unless they have no effect.
    pub scale: Option<(f64, f64)>,
    pub orientation: Orientation,
}

impl Header {
    /// Reads and validates the first 348 bytes of a file.
    pub fn read(path: &Path, bytes: &mut impl Read) -> Result<Self, Error> {
        let mut head = Vec::with_capacity(HEADER_BYTES);
        let read = bytes.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut head);
        let format = |expected, found| Error::Format { path: path.to_owned(), expected, found };
        if let Err(source) = read {
            return Err(match source.kind() {
                io::ErrorKind::UnexpectedEof => {
                    format(EXPECTED_FILE, format!("compressed data that end after {} bytes", head.len()))
                }
                // The decoder's own errors; all others come from the source.
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                    Error::Damaged { path: path.to_owned(), source }
                }
                _ => Error::Io { path: path.to_owned(), action: "read", source },
            });
        }
        reject_other_formats(&head).map_err(|found| format(EXPECTED_FILE, found))?;
        let header =
            NiftiHeader::from_reader(head.as_slice()).map_err(|e| format(EXPECTED_FILE, e.to_string()))?;
        let shape = shape(&header).map_err(|found| format("3 dimensions of 1 to 32767 voxels", found))?;
        let voxel_type = voxel_type(&header).map_err(|found| format(EXPECTED_TYPE, found))?;
        let voxel_offset = voxel_offset(&header)
            .ok_or_else(|| format("a voxel offset of 352 or more", format!("{}", header.vox_offset)))?;
        let orientation = orientation(&header)
            .map_err(|found| format("an affine whose axes span space (sform, qform or pixdim)", found))?;
        let scale = scale(&header).map_err(|found| format("a finite scl_inter", found))?;
        Ok(Self {
            shape,
            voxel_type,
            big_endian: header.endianness == Endianness::Big,
            voxel_offset,
            scale,
            orientation,
        })
    }

    /// Size of the voxels in the file, in bytes.
    pub fn voxel_bytes(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product::<u64>() * self.voxel_type.size_of() as u64
    }
}

fn reject_other_formats(head: &[u8]) -> Result<(), String> {
    let Some(&[a, b, c, d]) = head.first_chunk::<4>() else {
        return Err(format!("{} bytes", head.len()));
    };
    let sizes = [i32::from_le_bytes([a, b, c, d]), i32::from_be_bytes([a, b, c, d])];
    if sizes.contains(&NIFTI2_HEADER_BYTES) {
        return Err("a NIfTI-2 file".to_owned());
    }
    if !sizes.contains(&(HEADER_BYTES as i32)) {
        return Err("a file without a NIfTI header".to_owned());
    }
    if head.len() < HEADER_BYTES {
        return Err(format!("a header of {} bytes instead of {HEADER_BYTES}", head.len()));
    }
    match &head[HEADER_BYTES - 4..] {
        b"n+1\0" => Ok(()),
        b"ni1\0" => Err("the header of a NIfTI pair (.hdr and .img)".to_owned()),
        _ => Err("an Analyze 7.5 header".to_owned()),
    }
}

fn shape(header: &NiftiHeader) -> Result<[usize; 3], String> {
    let rank = usize::from(header.dim[0]);
    if header.sizeof_hdr != HEADER_BYTES as i32 || !(1..=7).contains(&rank) {
        return Err("a header with a number of dimensions outside 1 to 7".to_owned());
    }
    let sizes = &header.dim[1..=rank];
    let listed = || sizes.iter().map(|&n| (n as i16).to_string()).collect::<Vec<_>>().join(" x ");
    if sizes.iter().any(|&n| !(1..=i16::MAX as u16).contains(&n)) {
        return Err(format!("dimensions {}", listed()));
    }
    match *sizes {
        [x, y, z, ref rest @ ..] if rest.iter().all(|&n| n == 1) => Ok([z, y, x].map(usize::from)),
        _ => Err(format!("{rank} dimensions: {}", listed())),
    }
}

fn voxel_type(header: &NiftiHeader) -> Result<NiftiType, String> {
    use NiftiType::*;
    match header.data_type() {
        Ok(Uint8 | Int8 | Uint16 | Int16 | Uint32 | Int32 | Uint64 | Int64 | Float32 | Float64) => {}
        Ok(Complex64 | Complex128 | Complex256) => return Err("complex numbers".to_owned()),
        Ok(Rgb24 | Rgba32) => return Err("RGB colours".to_owned()),
        Ok(Float128) => return Err("float128".to_owned()),
        Err(_) => return Err(format!("the unknown datatype {}", header.datatype)),
    }
    header.data_type().map_err(|e| e.to_string())
}

fn voxel_offset(header: &NiftiHeader) -> Option<u64> {
    let offset = f64::from(header.vox_offset);
    if offset == 0.0 {
        return Some(SMALLEST_VOXEL_OFFSET);
    }
    let whole = offset.is_finite() && offset.fract() == 0.0 && offset >= SMALLEST_VOXEL_OFFSET as f64;
    whole.then_some(offset as u64)
}

/// Scaling of the voxels. A slope of 0 or NaN means that none is applied.
fn scale(header: &NiftiHeader) -> Result<Option<(f64, f64)>, String> {
    let (slope, inter) = (f64::from(header.scl_slope), f64::from(header.scl_inter));
    if slope == 0.0 || !slope.is_finite() || (slope, inter) == (1.0, 0.0) {
        return Ok(None);
    }
    if inter.is_finite() { Ok(Some((slope, inter))) } else { Err(format!("scl_inter {inter}")) }
}

fn orientation(header: &NiftiHeader) -> Result<Orientation, String> {
    let [qfac, dx, dy, dz, ..] = header.pixdim;
    let orientation = Orientation {
        sform_code: header.sform_code,
        qform_code: header.qform_code,
        srow: [header.srow_x, header.srow_y, header.srow_z],
        quatern: [header.quatern_b, header.quatern_c, header.quatern_d],
        qoffset: [header.quatern_x, header.quatern_y, header.quatern_z],
        qfac,
        pixdim: [dx, dy, dz],
        xyzt_units: header.xyzt_units,
    };
    let rows = orientation.world_from_voxel();
    let volume = determinant(&rows).abs();
    let finite = rows.iter().flatten().all(|v| v.is_finite());
    if finite && volume.is_finite() && volume > 0.0 { Ok(orientation) } else { Err(format!("{rows:?}")) }
}
