//! Decoding of voxels.

use std::io::Read;

use ::nifti::NiftiType;

use super::header::Header;

/// A multiple of every voxel size.
const CHUNK_BYTES: usize = 1 << 16;

/// Reason why voxels could not be decoded.
#[derive(Debug)]
pub(super) enum Failure {
    /// The stream ended or failed.
    Ended { found_bytes: u64, reason: String },
    /// A voxel of a label volume is not a label.
    NotLabel { index: usize, found: f64 },
}

/// Types that voxels can be decoded to.
pub(super) trait Voxel: Copy {
    /// Appends values, or returns the first that the type cannot represent.
    fn extend(voxels: &mut Vec<Self>, values: impl ExactSizeIterator<Item = f64>) -> Result<(), f64>;
}

impl Voxel for f32 {
    fn extend(voxels: &mut Vec<Self>, values: impl ExactSizeIterator<Item = f64>) -> Result<(), f64> {
        voxels.extend(values.map(|v| v as f32));
        Ok(())
    }
}

impl Voxel for u32 {
    fn extend(voxels: &mut Vec<Self>, values: impl ExactSizeIterator<Item = f64>) -> Result<(), f64> {
        for value in values {
            let label = value as u32;
            if f64::from(label) != value {
                return Err(value);
            }
            voxels.push(label);
        }
        Ok(())
    }
}

/// Decodes all voxels of the header's shape. Memory grows with the voxels that have been decoded.
pub(super) fn decode<T: Voxel>(bytes: &mut impl Read, header: &Header) -> Result<Vec<T>, Failure> {
    let count: usize = header.shape.iter().product();
    let mut voxels: Vec<T> = Vec::new();
    let mut chunk = vec![0_u8; CHUNK_BYTES];
    let mut left = header.voxel_bytes();
    let mut found_bytes = 0;
    while left > 0 {
        let wanted = left.min(CHUNK_BYTES as u64) as usize;
        let read = fill(bytes, &mut chunk[..wanted]);
        if let Err((n, reason)) = read {
            return Err(Failure::Ended { found_bytes: found_bytes + n as u64, reason });
        }
        let more = wanted / header.voxel_type.size_of();
        if voxels.capacity() < voxels.len() + more {
            voxels.reserve_exact((count - voxels.len()).min(voxels.len().max(more)));
        }
        append(&mut voxels, &chunk[..wanted], header)
            .map_err(|found| Failure::NotLabel { index: voxels.len(), found })?;
        found_bytes += wanted as u64;
        left -= wanted as u64;
    }
    Ok(voxels)
}

/// Fills a buffer, or returns the number of bytes read and the reason why the stream ended.
fn fill(bytes: &mut impl Read, buffer: &mut [u8]) -> Result<(), (usize, String)> {
    let mut filled = 0;
    while filled < buffer.len() {
        match bytes.read(&mut buffer[filled..]) {
            Ok(0) => return Err((filled, "the file ends here".to_owned())),
            Ok(n) => filled += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err((filled, "the compressed data end early".to_owned()));
            }
            Err(error) => return Err((filled, error.to_string())),
        }
    }
    Ok(())
}

fn append<T: Voxel>(voxels: &mut Vec<T>, bytes: &[u8], header: &Header) -> Result<(), f64> {
    macro_rules! numbers {
        ($number:ty) => {{
            let (numbers, _) = bytes.as_chunks::<{ size_of::<$number>() }>();
            if header.big_endian {
                scaled(voxels, numbers.iter().map(|&b| <$number>::from_be_bytes(b) as f64), header.scale)
            } else {
                scaled(voxels, numbers.iter().map(|&b| <$number>::from_le_bytes(b) as f64), header.scale)
            }
        }};
    }
    match header.voxel_type {
        NiftiType::Uint8 => numbers!(u8),
        NiftiType::Int8 => numbers!(i8),
        NiftiType::Uint16 => numbers!(u16),
        NiftiType::Int16 => numbers!(i16),
        NiftiType::Uint32 => numbers!(u32),
        NiftiType::Int32 => numbers!(i32),
        NiftiType::Uint64 => numbers!(u64),
        NiftiType::Int64 => numbers!(i64),
        NiftiType::Float64 => numbers!(f64),
        // `Header::read` rejects every other type.
        _ => numbers!(f32),
    }
}

fn scaled<T: Voxel>(
    voxels: &mut Vec<T>,
    values: impl ExactSizeIterator<Item = f64>,
    scale: Option<(f64, f64)>,
) -> Result<(), f64> {
    match scale {
        None => T::extend(voxels, values),
        Some((slope, inter)) => T::extend(voxels, values.map(|v| v * slope + inter)),
    }
}
