//! Fields of NIfTI-1 and NIfTI-2 headers, as stored.
//!
//! Reference: <https://nifti.nimh.nih.gov/nifti-1> and <https://nifti.nimh.nih.gov/nifti-2>.

use crate::affine::Orientation;

pub(super) const HEADER_BYTES: usize = 348;
const HEADER_BYTES_2: usize = 540;
/// Ranks that `dim[0]` can hold.
const RANKS: std::ops::RangeInclusive<i64> = 1..=7;

/// Version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

impl Version {
    pub fn header_bytes(self) -> usize {
        match self {
            Version::One => HEADER_BYTES,
            Version::Two => HEADER_BYTES_2,
        }
    }

    /// Offset of the voxels in a single file without extensions.
    pub fn smallest_voxel_offset(self) -> u64 {
        self.header_bytes() as u64 + 4
    }
}

/// The fields that decoding needs.
#[derive(Debug)]
pub(super) struct Fields {
    pub version: Version,
    /// Whether the magic is that of a header whose voxels are in another file.
    pub pair: bool,
    pub dim: [i64; 8],
    pub datatype: i16,
    pub voxel_offset: f64,
    pub slope: f64,
    pub inter: f64,
    pub orientation: Orientation,
}

/// Returns the version and whether the header is big-endian, from its first [`HEADER_BYTES`] or fewer.
pub(super) fn version(head: &[u8]) -> Option<(Version, bool)> {
    let size: [u8; 4] = *head.first_chunk()?;
    for (version, expected) in [(Version::One, HEADER_BYTES as i32), (Version::Two, HEADER_BYTES_2 as i32)] {
        if i32::from_le_bytes(size) == expected {
            return Some((version, false));
        }
        if i32::from_be_bytes(size) == expected {
            return Some((version, true));
        }
    }
    // Some writers leave the size of the header unset.
    let orders = [false, true].into_iter();
    let mut plausible = orders.filter(|&big_endian| {
        RANKS.contains(&Bytes { head, big_endian }.i16(40).into()) && magic_1(head).is_some()
    });
    plausible.next().map(|big_endian| (Version::One, big_endian))
}

/// Returns whether a NIfTI-1 header is one of a pair, or `None` if it has no magic.
fn magic_1(head: &[u8]) -> Option<bool> {
    match head.get(HEADER_BYTES - 4..HEADER_BYTES)? {
        b"n+1\0" => Some(false),
        b"ni1\0" => Some(true),
        _ => None,
    }
}

/// Returns whether a NIfTI-2 header is one of a pair.
fn magic_2(head: &[u8]) -> Result<bool, String> {
    let (name, line_ends) = match head.get(4..12).map(|magic| magic.split_at(4)) {
        Some((name, line_ends)) => (name, line_ends),
        None => (&[][..], &[][..]),
    };
    let pair = match name {
        b"n+2\0" => false,
        b"ni2\0" => true,
        _ => return Err("a header of NIfTI-2's size without its magic".to_owned()),
    };
    // The magic holds both line ends, so that a transfer as text is noticed.
    if line_ends != b"\r\n\x1a\n" {
        return Err("a NIfTI-2 header damaged by a transfer as text".to_owned());
    }
    Ok(pair)
}

impl Fields {
    /// Parses a whole header, or returns what was found instead.
    pub fn parse(head: &[u8], version: Version, big_endian: bool) -> Result<Self, String> {
        let expected = version.header_bytes();
        if head.len() < expected {
            return Err(format!("a header of {} bytes instead of {expected}", head.len()));
        }
        let bytes = Bytes { head, big_endian };
        match version {
            Version::One => {
                let Some(pair) = magic_1(head) else {
                    return Err("an Analyze 7.5 header, which does not store an orientation; convert it to \
                                .nii.gz with nibabel or SimpleITK"
                        .to_owned());
                };
                Ok(bytes.fields_1(pair))
            }
            Version::Two => Ok(bytes.fields_2(magic_2(head)?)),
        }
    }
}

/// Access to numbers by their offset. Those outside the header read as 0.
struct Bytes<'a> {
    head: &'a [u8],
    big_endian: bool,
}

macro_rules! number {
    ($($number:ident),*) => {
        $(fn $number(&self, at: usize) -> $number {
            let bytes = self.head.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
            if self.big_endian { $number::from_be_bytes(bytes) } else { $number::from_le_bytes(bytes) }
        })*
    };
}

impl Bytes<'_> {
    number!(i16, i32, i64, f32, f64);

    fn fields_1(&self, pair: bool) -> Fields {
        let f32s = |at: usize| move |i: usize| self.f32(at + 4 * i);
        let [qfac, dx, dy, dz] = std::array::from_fn(f32s(76));
        Fields {
            version: Version::One,
            pair,
            dim: std::array::from_fn(|i| i64::from(self.i16(40 + 2 * i))),
            datatype: self.i16(70),
            voxel_offset: f64::from(self.f32(108)),
            slope: f64::from(self.f32(112)),
            inter: f64::from(self.f32(116)),
            orientation: Orientation {
                sform_code: self.i16(254),
                qform_code: self.i16(252),
                srow: [280, 296, 312].map(|at| std::array::from_fn(f32s(at))),
                quatern: std::array::from_fn(f32s(256)),
                qoffset: std::array::from_fn(f32s(268)),
                qfac,
                pixdim: [dx, dy, dz],
                xyzt_units: self.head.get(123).copied().unwrap_or_default(),
            },
        }
    }

    fn fields_2(&self, pair: bool) -> Fields {
        let f64s = |at: usize| move |i: usize| self.f64(at + 8 * i) as f32;
        let [qfac, dx, dy, dz] = std::array::from_fn(f64s(104));
        let code = |at| self.i32(at).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        Fields {
            version: Version::Two,
            pair,
            dim: std::array::from_fn(|i| self.i64(16 + 8 * i)),
            datatype: self.i16(12),
            voxel_offset: self.i64(168) as f64,
            slope: self.f64(176),
            inter: self.f64(184),
            orientation: Orientation {
                sform_code: code(348),
                qform_code: code(344),
                srow: [400, 432, 464].map(|at| std::array::from_fn(f64s(at))),
                quatern: std::array::from_fn(f64s(352)),
                qoffset: std::array::from_fn(f64s(376)),
                qfac,
                pixdim: [dx, dy, dz],
                xyzt_units: self.i32(500) as u8,
            },
        }
    }
}
