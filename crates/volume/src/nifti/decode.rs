//! Decoding of voxels.
//!
//! Memory grows with the bytes that have been decoded and never exceeds four times their number: voxels of 16 or more
//! bits at most double in size, and the array at most doubles when it grows; voxels of 8 bits are collected four to a
//! word and expanded when all of them are there.

use std::io::Read;

use super::header::Header;
use super::voxel_type::VoxelType;
use crate::labels;

/// A multiple of every voxel size and of a word.
const CHUNK_BYTES: usize = 1 << 16;

/// Reason why voxels could not be decoded.
#[derive(Debug)]
pub(super) enum Failure {
    /// The stream ended or failed.
    Ended { found_bytes: u64, reason: String },
    /// A voxel of a label volume is not a label.
    NotLabel { index: usize, found: f64 },
}

/// Types that voxels can be decoded to, of 32 bits.
pub(super) trait Voxel: Copy {
    /// Converts a value, or returns it if the type cannot represent it.
    fn of(value: f64) -> Result<Self, f64>;

    /// Appends values, or returns the first that the type cannot represent.
    fn extend(voxels: &mut Vec<Self>, values: impl ExactSizeIterator<Item = f64>) -> Result<(), f64> {
        for value in values {
            voxels.push(Self::of(value)?);
        }
        Ok(())
    }

    fn to_word(self) -> u32;
    fn of_word(word: u32) -> Self;
}

impl Voxel for f32 {
    fn of(value: f64) -> Result<Self, f64> {
        Ok(value as f32)
    }

    fn extend(voxels: &mut Vec<Self>, values: impl ExactSizeIterator<Item = f64>) -> Result<(), f64> {
        voxels.extend(values.map(|v| v as f32));
        Ok(())
    }

    fn to_word(self) -> u32 {
        self.to_bits()
    }

    fn of_word(word: u32) -> Self {
        Self::from_bits(word)
    }
}

impl Voxel for u32 {
    fn of(value: f64) -> Result<Self, f64> {
        labels::nearest(value).ok_or(value)
    }

    fn to_word(self) -> u32 {
        self
    }

    fn of_word(word: u32) -> Self {
        word
    }
}

/// Decodes all voxels of a volume.
pub(super) fn decode<T: Voxel>(bytes: &mut impl Read, header: &Header) -> Result<Vec<T>, Failure> {
    match header.voxel_type {
        VoxelType::U8 => decode_8_bits(bytes, header, f64::from),
        VoxelType::I8 => decode_8_bits(bytes, header, |byte| f64::from(byte as i8)),
        _ => {
            let count: usize = header.shape.iter().product();
            let mut voxels: Vec<T> = Vec::new();
            read_chunks(bytes, header, |chunk| {
                grow(&mut voxels, chunk.len() / header.voxel_type.size(), count);
                append(&mut voxels, chunk, header).map_err(|found| (voxels.len(), found))
            })?;
            Ok(voxels)
        }
    }
}

/// Decodes voxels of 8 bits by a table of their 256 values.
fn decode_8_bits<T: Voxel>(
    bytes: &mut impl Read,
    header: &Header,
    value: impl Fn(u8) -> f64,
) -> Result<Vec<T>, Failure> {
    let (slope, inter) = header.scale.unwrap_or((1.0, 0.0));
    let table: [Result<T, f64>; 256] = std::array::from_fn(|byte| T::of(value(byte as u8) * slope + inter));
    let all_valid = table.iter().all(Result::is_ok);
    let count: usize = header.shape.iter().product();
    let mut words: Vec<u32> = Vec::new();
    let mut collected = 0;
    read_chunks(bytes, header, |chunk| {
        if !all_valid {
            for (i, &byte) in chunk.iter().enumerate() {
                table[usize::from(byte)].map_err(|found| (collected + i, found))?;
            }
        }
        collected += chunk.len();
        grow(&mut words, chunk.len().div_ceil(4), count.div_ceil(4));
        let (groups, rest) = chunk.as_chunks::<4>();
        words.extend(groups.iter().map(|&bytes| u32::from_le_bytes(bytes)));
        if !rest.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            words.push(u32::from_le_bytes(last));
        }
        Ok(())
    })?;
    let table: [u32; 256] = table.map(|voxel| voxel.map_or(0, T::to_word));
    let collected = words.len();
    words.reserve_exact(count - collected);
    words.resize(count, 0);
    // A word is overwritten after its bytes have been read, because they go to places at or after it.
    for i in (0..collected).rev() {
        let voxels = words[i].to_le_bytes().map(|byte| table[usize::from(byte)]);
        let places = &mut words[4 * i..count.min(4 * i + 4)];
        match places.as_chunks_mut() {
            ([places], _) => *places = voxels,
            _ => places.copy_from_slice(&voxels[..places.len()]),
        }
    }
    // Collects in place.
    Ok(words.into_iter().map(T::of_word).collect())
}

/// Reserves memory for `more` values, so that it doubles at most and never exceeds `count` values.
fn grow<T>(values: &mut Vec<T>, more: usize, count: usize) {
    if values.capacity() < values.len() + more {
        values.reserve_exact((count - values.len()).min(values.len().max(more)));
    }
}

/// Passes a volume's bytes on in chunks of whole voxels. A refusal returns the index of a voxel and its value.
fn read_chunks(
    bytes: &mut impl Read,
    header: &Header,
    mut accept: impl FnMut(&[u8]) -> Result<(), (usize, f64)>,
) -> Result<(), Failure> {
    let mut left = header.volume_bytes();
    let mut chunk = vec![0_u8; left.min(CHUNK_BYTES as u64) as usize];
    let mut found_bytes = 0;
    while left > 0 {
        let wanted = left.min(CHUNK_BYTES as u64) as usize;
        let read = fill(bytes, &mut chunk[..wanted]);
        if let Err((n, reason)) = read {
            return Err(Failure::Ended { found_bytes: found_bytes + n as u64, reason });
        }
        accept(&chunk[..wanted]).map_err(|(index, found)| Failure::NotLabel { index, found })?;
        found_bytes += wanted as u64;
        left -= wanted as u64;
    }
    Ok(())
}

/// Fills a buffer, or returns the number of bytes read and the reason why the stream ended.
pub(super) fn fill(bytes: &mut impl Read, buffer: &mut [u8]) -> Result<(), (usize, String)> {
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
        VoxelType::U8 => numbers!(u8),
        VoxelType::I8 => numbers!(i8),
        VoxelType::U16 => numbers!(u16),
        VoxelType::I16 => numbers!(i16),
        VoxelType::U32 => numbers!(u32),
        VoxelType::I32 => numbers!(i32),
        VoxelType::U64 => numbers!(u64),
        VoxelType::I64 => numbers!(i64),
        VoxelType::F32 => numbers!(f32),
        VoxelType::F64 => numbers!(f64),
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
