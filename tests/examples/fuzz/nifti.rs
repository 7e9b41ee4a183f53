//! Seeds and checks for NIfTI files, compressed files and label volumes.

use std::io::{self, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use relevox_volume::{Error, Volume, nifti};

use crate::Read;

const NAME: &str = "fuzzed input";
/// Compressed seeds that expand to this size.
const LARGE_BYTES: usize = 2 << 20;
/// Codes and sizes of the data types.
const TYPES: [(i16, usize); 10] =
    [(2, 1), (256, 1), (512, 2), (4, 2), (768, 4), (8, 4), (1280, 8), (1024, 8), (16, 4), (64, 8)];

/// A NIfTI-1 header of these dimensions with an affine, and zeros up to the voxels.
pub fn header(datatype: i16, dims: &[i16]) -> Vec<u8> {
    let mut bytes = vec![0; 352];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348_i32.to_le_bytes());
    put(40, &(dims.len() as i16).to_le_bytes());
    for (i, n) in dims.iter().enumerate() {
        put(42 + 2 * i, &n.to_le_bytes());
    }
    put(70, &datatype.to_le_bytes());
    for i in 0..4 {
        put(76 + 4 * i, &1.0_f32.to_le_bytes());
    }
    put(108, &352.0_f32.to_le_bytes());
    put(112, &1.0_f32.to_le_bytes());
    put(252, &[1, 0, 1, 0]);
    for row in 0..3 {
        put(280 + 20 * row, &1.0_f32.to_le_bytes());
    }
    put(344, b"n+1\0");
    bytes
}

/// A NIfTI-2 header of these dimensions with an affine, and zeros up to the voxels.
fn header_2(datatype: i16, dims: &[i64]) -> Vec<u8> {
    let mut bytes = vec![0; 544];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &540_i32.to_le_bytes());
    put(4, b"n+2\0\r\n\x1a\n");
    put(12, &datatype.to_le_bytes());
    put(16, &(dims.len() as i64).to_le_bytes());
    for (i, n) in dims.iter().enumerate() {
        put(24 + 8 * i, &n.to_le_bytes());
    }
    for i in 0..4 {
        put(104 + 8 * i, &1.0_f64.to_le_bytes());
    }
    put(168, &544_i64.to_le_bytes());
    put(348, &1_i32.to_le_bytes());
    for row in 0..3 {
        put(400 + 40 * row, &1.0_f64.to_le_bytes());
    }
    bytes
}

fn voxels(count: usize, size: usize) -> Vec<u8> {
    (0..count).flat_map(|i| (0..size).map(move |byte| if byte == 0 { (i % 5) as u8 } else { 0 })).collect()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Plain files of every data type and version, and of other formats.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (datatype, size) in TYPES {
        seeds.push([header(datatype, &[4, 3, 2]), voxels(24, size)].concat());
        seeds.push([header_2(datatype, &[4, 3, 2]), voxels(24, size)].concat());
    }
    seeds.push([header(4, &[4, 3, 2, 3]), voxels(72, 2)].concat());
    seeds.push([header(4, &[4, 3, 2, 1, 2]), voxels(48, 2), vec![0; 5]].concat());
    seeds.push([header_2(16, &[4, 3, 2, 2]), voxels(48, 4)].concat());
    seeds.push(header(4, &[32767, 32767, 32767, 32767, 32767, 32767, 32767]));
    seeds.push(header_2(64, &[i64::MAX; 7]));
    let mut dicom = vec![0; 400];
    dicom[128..132].copy_from_slice(b"DICM");
    seeds.push(dicom);
    for text in
        ["NRRD0004\ntype: short\n\n", "ObjectType = Image\nNDims = 3\n", "<!DOCTYPE html>", "404: Not Found"]
    {
        seeds.push(text.as_bytes().to_vec());
    }
    seeds
}

/// Compressed files: whole ones, with padding and several members, and ones that expand a thousandfold.
pub fn compressed_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = seeds().iter().map(|seed| gzip(seed)).collect();
    seeds.push([gzip(&half_a_file(0)), gzip(&half_a_file(1))].concat());
    seeds.push([gzip(&half_a_file(0)), vec![0; 9], gzip(&half_a_file(1)), vec![0; 600]].concat());
    for datatype in [2, 4, 16] {
        let mut large = header(datatype, &[32767, 32767, 32767]);
        large.resize(LARGE_BYTES, 0);
        seeds.push(gzip(&large));
    }
    seeds
}

/// The two halves of a file.
fn half_a_file(half: usize) -> Vec<u8> {
    let whole = [header(4, &[4, 3, 2]), voxels(24, 2)].concat();
    let (first, second) = whole.split_at(360);
    [first, second][half].to_vec()
}

/// Label volumes, some with a scaling.
pub fn label_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = TYPES
        .into_iter()
        .map(|(datatype, size)| [header(datatype, &[4, 3, 2]), voxels(24, size)].concat())
        .collect();
    for mut scaled in seeds.clone() {
        scaled[112..116].copy_from_slice(&1.000_015_f32.to_le_bytes());
        seeds.push(scaled);
    }
    let floats = (0..24).flat_map(|i| (i as f32 * 1.000_01).to_le_bytes());
    seeds.push(header(16, &[4, 3, 2]).into_iter().chain(floats).collect());
    let plain = seeds.clone();
    seeds.extend(plain.iter().map(|seed| gzip(seed)));
    seeds
}

/// Reads an input as intensities and as labels.
pub fn read(input: &[u8]) -> Result<Read, String> {
    let accepted = check(nifti::read_from(input, NAME), NAME, |v| f64::from(*v))?.is_some();
    check(nifti::read_labels_from(input, NAME), NAME, |v| f64::from(*v))?;
    Ok(Read { decoded_bytes: decoded_bytes(input), accepted })
}

/// Reads an input after compressing it, as one or two members, with and without padding.
pub fn read_compressed(input: &[u8]) -> Result<Read, String> {
    let (first, second) = input.split_at(input.len() / 2);
    let compressed = match input.len() % 4 {
        0 => [gzip(input), vec![0; 9]].concat(),
        1 => [gzip(first), gzip(second)].concat(),
        2 => [gzip(first), vec![0; 9], gzip(second), vec![0; 600]].concat(),
        _ => gzip(input),
    };
    read(&compressed)
}

/// Reads an input as labels, and as intensities: each label must be the nearest whole number.
pub fn read_labels(input: &[u8]) -> Result<Read, String> {
    let labels = check(nifti::read_labels_from(input, NAME), NAME, |v| f64::from(*v))?;
    let values = check(nifti::read_from(input, NAME), NAME, |v| f64::from(*v))?;
    if let Some(labels) = &labels {
        let values = values.ok_or("labels without intensities")?;
        for (&label, &value) in labels.voxels.iter().zip(&values.voxels) {
            // Intensities are in single precision.
            let tolerance = 0.010_01 + f64::from(label) * f64::from(f32::EPSILON);
            if (f64::from(label) - f64::from(value)).abs() > tolerance {
                return Err(format!("label {label} of the value {value}"));
            }
        }
    }
    Ok(Read { decoded_bytes: decoded_bytes(input), accepted: labels.is_some() })
}

/// Checks what a reader returned.
pub fn check<T>(
    result: Result<Volume<T>, Error>,
    name: &str,
    number: impl Fn(&T) -> f64,
) -> Result<Option<Volume<T>>, String> {
    match result {
        Ok(volume) => {
            let geometry = &volume.geometry;
            let affine = geometry.world_from_voxel.iter().flatten().chain(&geometry.spacing_mm);
            if volume.voxels.shape() != geometry.shape || volume.voxels.is_empty() {
                return Err(format!("voxels of shape {:?} on {:?}", volume.voxels.shape(), geometry.shape));
            }
            if !affine.copied().all(f64::is_finite) || geometry.spacing_mm.iter().any(|&mm| mm <= 0.0) {
                return Err(format!("an unusable grid: {geometry:?}"));
            }
            std::hint::black_box(volume.voxels.iter().map(number).sum::<f64>());
            Ok(Some(volume))
        }
        Err(error) => {
            let message = error.to_string();
            if message.contains('\n') || !message.contains(name) {
                return Err(format!("an error that is not one line with the name: {message:?}"));
            }
            Ok(None)
        }
    }
}

/// Size of an input after decompression, up to where it is damaged.
pub fn decoded_bytes(input: &[u8]) -> usize {
    let mut counted = Counted(0);
    if input.starts_with(&[0x1f, 0x8b]) {
        // An error ends the count.
        let _ = io::copy(&mut MultiGzDecoder::new(input), &mut counted);
    }
    counted.0.max(input.len())
}

struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
