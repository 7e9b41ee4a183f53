//! Validation of headers.

use std::io::{self, Read};
use std::path::Path;

use super::fields::{self, Fields, HEADER_BYTES};
use super::other_formats;
use super::voxel_type::VoxelType;
use crate::Error;
use crate::affine::Orientation;

pub(super) const EXPECTED_FILE: &str = "a NIfTI file (.nii, .nii.gz, or .hdr with .img)";
/// Largest axis of a NIfTI-1 file, which maps are written to.
const LARGEST_AXIS: i64 = i16::MAX as i64;

/// The validated parts of a header that decoding needs.
#[derive(Debug)]
pub(super) struct Header {
    /// Number of voxels along z, y, x.
    pub shape: [usize; 3],
    /// Number of such volumes: the product of the other dimensions.
    pub volumes: u64,
    pub voxel_type: VoxelType,
    pub big_endian: bool,
    /// Whether the voxels are in the other file of a pair.
    pub pair: bool,
    /// Size of the header in its file, without extensions.
    pub header_bytes: u64,
    /// Offset of the voxels in their file.
    pub voxel_offset: u64,
    /// Whether the header does not state the offset.
    pub offset_assumed: bool,
    /// `scl_slope` and `scl_inter`, unless they have no effect.
    pub scale: Option<(f64, f64)>,
    pub orientation: Orientation,
}

impl Header {
    /// Reads and validates the header at the start of a file.
    pub fn read(path: &Path, bytes: &mut impl Read) -> Result<Self, Error> {
        let format = |expected, found| Error::Format { path: path.to_owned(), expected, found };
        let mut head = Vec::with_capacity(HEADER_BYTES);
        read_head(path, bytes, HEADER_BYTES, &mut head)?;
        let Some((version, big_endian)) = fields::version(&head) else {
            return Err(format(EXPECTED_FILE, other_formats::describe(path, &head)));
        };
        read_head(path, bytes, version.header_bytes(), &mut head)?;
        let fields =
            Fields::parse(&head, version, big_endian).map_err(|found| format(EXPECTED_FILE, found))?;
        let (shape, volumes) =
            sizes(&fields.dim).map_err(|found| format("3 dimensions of 1 to 32767 voxels", found))?;
        let voxel_type =
            VoxelType::of(fields.datatype).map_err(|found| format(VoxelType::EXPECTED, found))?;
        let (voxel_offset, offset_assumed) = voxel_offset(path, &fields)?;
        let orientation = fields.orientation.usable().ok_or_else(|| {
            let found = fields.orientation.describe();
            format("an affine whose axes span space (sform, qform or pixdim)", found)
        })?;
        let scale = scale(&fields).map_err(|found| format("a finite scl_inter", found))?;
        let header = Self {
            shape,
            volumes,
            voxel_type,
            big_endian,
            pair: fields.pair,
            header_bytes: version.header_bytes() as u64,
            voxel_offset,
            offset_assumed,
            scale,
            orientation,
        };
        if header.volume_bytes().checked_mul(volumes).is_none() {
            return Err(format("dimensions of a file below 2^64 bytes", header.dimensions()));
        }
        Ok(header)
    }

    /// Size of a volume in the file, in bytes.
    pub fn volume_bytes(&self) -> u64 {
        self.slice_bytes() * self.shape[0] as u64
    }

    /// Size of all voxels in the file, in bytes.
    pub fn voxel_bytes(&self) -> u64 {
        self.volume_bytes() * self.volumes
    }

    /// Size of a slice along x and y in the file, in bytes.
    pub fn slice_bytes(&self) -> u64 {
        (self.shape[1] * self.shape[2] * self.voxel_type.size()) as u64
    }

    /// Dimensions in the order of the file, such as `240 x 240 x 155 x 4`.
    pub fn dimensions(&self) -> String {
        let [nz, ny, nx] = self.shape;
        let volumes = if self.volumes == 1 { String::new() } else { format!(" x {}", self.volumes) };
        format!("{nx} x {ny} x {nz}{volumes}")
    }
}

/// Reads more of a file's start, up to `length` bytes of it or its end.
fn read_head(path: &Path, bytes: &mut impl Read, length: usize, head: &mut Vec<u8>) -> Result<(), Error> {
    let more = length.saturating_sub(head.len()) as u64;
    let Err(source) = bytes.by_ref().take(more).read_to_end(head) else { return Ok(()) };
    Err(match source.kind() {
        io::ErrorKind::UnexpectedEof => Error::Format {
            path: path.to_owned(),
            expected: EXPECTED_FILE,
            found: format!("compressed data that end after {} bytes", head.len()),
        },
        // The decoder's own errors; all others come from the source.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            Error::Damaged { path: path.to_owned(), reason: source }
        }
        _ => Error::Io { path: path.to_owned(), action: "read", source },
    })
}

/// Shape `[z, y, x]` and number of volumes. Dimensions after the third that are not set count as 1.
fn sizes(dim: &[i64; 8]) -> Result<([usize; 3], u64), String> {
    let rank = usize::try_from(dim[0]).unwrap_or(0);
    let Some(sizes) = dim.get(1..=rank).filter(|sizes| !sizes.is_empty()) else {
        return Err("a header with a number of dimensions outside 1 to 7".to_owned());
    };
    let listed = || sizes.iter().map(|n| n.to_string()).collect::<Vec<_>>().join(" x ");
    let &[x, y, z, ref rest @ ..] = sizes else {
        return Err(format!("{rank} dimensions: {}", listed()));
    };
    if [x, y, z].iter().any(|n| !(1..=LARGEST_AXIS).contains(n)) {
        return Err(format!("dimensions {}", listed()));
    }
    let volumes = rest.iter().try_fold(1_u64, |n, &size| n.checked_mul(size.max(1) as u64));
    let volumes = volumes.ok_or_else(|| format!("dimensions {}", listed()))?;
    Ok(([z, y, x].map(|n| n as usize), volumes))
}

/// Offset of the voxels, and whether it was assumed.
fn voxel_offset(path: &Path, fields: &Fields) -> Result<(u64, bool), Error> {
    let format = |expected, found| Error::Format { path: path.to_owned(), expected, found };
    let offset = fields.voxel_offset;
    let smallest = if fields.pair { 0 } else { fields.version.smallest_voxel_offset() };
    if offset == 0.0 {
        return Ok((smallest, !fields.pair));
    }
    if !(offset.is_finite() && offset.fract() == 0.0 && offset >= smallest as f64) {
        let expected = if fields.pair {
            "a whole voxel offset of 0 or more"
        } else {
            "a whole voxel offset of 352 or more (544 in NIfTI-2), or 0"
        };
        return Err(format(expected, format!("{offset}")));
    }
    Ok((offset as u64, false))
}

/// Scaling of the voxels. A slope of 0 or NaN means that none is applied.
fn scale(fields: &Fields) -> Result<Option<(f64, f64)>, String> {
    let (slope, inter) = (fields.slope, fields.inter);
    if slope == 0.0 || !slope.is_finite() || (slope, inter) == (1.0, 0.0) {
        return Ok(None);
    }
    if inter.is_finite() { Ok(Some((slope, inter))) } else { Err(format!("scl_inter {inter}")) }
}
