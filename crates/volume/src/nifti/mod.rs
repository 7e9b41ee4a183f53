//! NIfTI-1 files, `.nii` and `.nii.gz`: the only code that knows the format.
//!
//! Read are single-file NIfTI-1 volumes of 3 dimensions (more where the rest are 1), of signed and unsigned integers
//! of 8 to 64 bits, float32 and float64, in either byte order, with `scl_slope` and `scl_inter` applied. All else is
//! refused by name. NIfTI stores x fastest, which is C order `[z, y, x]`: voxels are taken as they come.
//!
//! A header's word on sizes is not trusted: it is compared with the length of the file first, and memory grows with
//! the voxels that were decoded. Extensions stand before the voxels; a file that goes on after them was cut by another
//! shape or type than its header says, and is refused as one that ends too early is.
//!
//! Reference: the NIfTI-1 data format, <https://nifti.nimh.nih.gov/nifti-1>.

mod decode;
mod header;
mod write;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ndarray::Array3;

use crate::{Error, Geometry, Volume};
use decode::Voxel;
use header::Header;
pub use write::{write, write_labels};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Deflate cannot expand a byte to more than this.
const LARGEST_DEFLATE_RATIO: u64 = 1032;
const READ_BUFFER_BYTES: usize = 1 << 18;

/// Reads a scan.
///
/// # Errors
/// Where the file cannot be read, is no NIfTI-1 volume of a type that is read, or does not end where its voxels do.
pub fn read(path: &Path) -> Result<Volume<f32>, Error> {
    read_as(path)
}

/// Reads a label volume (a segmentation, supervoxels).
///
/// # Errors
/// As [`read`], and where a voxel is not a whole number from 0 to 2³² − 1.
pub fn read_labels(path: &Path) -> Result<Volume<u32>, Error> {
    read_as(path)
}

fn read_as<T: Voxel>(path: &Path) -> Result<Volume<T>, Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    let mut file = BufReader::with_capacity(READ_BUFFER_BYTES, file);
    if file.fill_buf().map_err(unreadable)?.starts_with(&GZIP_MAGIC) {
        let largest = metadata.len().saturating_mul(LARGEST_DEFLATE_RATIO);
        read_stream(path, MultiGzDecoder::new(file), Length::AtMost(largest))
    } else {
        read_stream(path, file, Length::Exactly(metadata.len()))
    }
}

/// How many bytes there are, compressed or not, once they are decompressed.
#[derive(Clone, Copy, Debug)]
enum Length {
    Exactly(u64),
    AtMost(u64),
}

/// Reads a volume from its decompressed bytes.
fn read_stream<T: Voxel>(path: &Path, mut bytes: impl Read, length: Length) -> Result<Volume<T>, Error> {
    let header = Header::read(path, &mut bytes)?;
    let expected_bytes = header.voxel_bytes();
    let truncated = |found_bytes: u64, why: String| Error::Truncated {
        path: path.to_owned(),
        expected_bytes,
        found_bytes,
        why,
    };
    let (Length::Exactly(largest_bytes) | Length::AtMost(largest_bytes)) = length;
    let room = largest_bytes.saturating_sub(header.voxel_offset);
    if room < expected_bytes {
        let [nz, ny, nx] = header.shape;
        return Err(truncated(room, format!("a file this short cannot hold {nx} x {ny} x {nz} voxels")));
    }
    let gap = header.voxel_offset - header::HEADER_BYTES as u64;
    let skipped = io::copy(&mut bytes.by_ref().take(gap), &mut io::sink());
    match skipped {
        Ok(n) if n == gap => {}
        Ok(_) => return Err(truncated(0, "the file ends before its first voxel".to_owned())),
        Err(error) => return Err(truncated(0, error.to_string())),
    }
    let voxels = decode::decode(&mut bytes, &header).map_err(|failure| match failure {
        decode::Failure::Ended { found_bytes, why } => truncated(found_bytes, why),
        decode::Failure::NotLabel { index, found } => {
            let [_, ny, nx] = header.shape;
            let index_zyx = [index / (nx * ny), index / nx % ny, index % nx];
            Error::NotLabels { path: path.to_owned(), index_zyx, found }
        }
    })?;
    // Reading on makes the decoder compare the checksum, too.
    match bytes.read(&mut [0]) {
        Ok(0) => {}
        Ok(_) => {
            let expected_bytes = header.voxel_offset + expected_bytes;
            let found = match length {
                Length::Exactly(bytes) => bytes.to_string(),
                Length::AtMost(_) => "more".to_owned(),
            };
            return Err(Error::Overlong { path: path.to_owned(), expected_bytes, found });
        }
        Err(source) => return Err(Error::Damaged { path: path.to_owned(), source }),
    }
    let found = voxels.len();
    let voxels = Array3::from_shape_vec(header.shape, voxels)
        .map_err(|_| truncated(found as u64, "the voxels do not fill the grid".to_owned()))?;
    Ok(Volume { voxels, geometry: Geometry::from_orientation(header.shape, header.orientation) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts what is taken from an endless stream of zeros after a header.
    struct Bomb {
        header: Vec<u8>,
        taken: usize,
    }

    impl Read for Bomb {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let rest = self.header.get(self.taken..).unwrap_or_default();
            let n = if rest.is_empty() { buffer.len() } else { rest.len().min(buffer.len()) };
            if rest.is_empty() {
                buffer.fill(0);
            } else {
                buffer[..n].copy_from_slice(&rest[..n]);
            }
            self.taken += n;
            Ok(n)
        }
    }

    fn header_of(shape: [usize; 3]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("base.nii");
        let geometry = Geometry::axis_aligned([1; 3], [1.0; 3]);
        write(&path, &Volume { voxels: Array3::zeros([1; 3]), geometry }).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.truncate(352);
        for (axis, n) in shape.into_iter().rev().enumerate() {
            bytes[42 + 2 * axis..][..2].copy_from_slice(&(n as i16).to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_stream_longer_than_its_header_says_is_read_no_further() {
        let mut bomb = Bomb { header: header_of([5, 4, 3]), taken: 0 };
        let endless = Length::AtMost(u64::MAX);
        let error = read_stream::<f32>(Path::new("bomb.nii.gz"), &mut bomb, endless).unwrap_err();
        assert!(error.to_string().contains("expected 592 bytes"), "{error}");
        assert_eq!(bomb.taken, 352 + 4 * 60 + 1);
    }

    /// Reserving for 32767³ voxels at once would abort the process.
    #[test]
    fn memory_follows_what_was_decoded() {
        let mut short = header_of([32767; 3]);
        short.resize(352 + 300_000, 0);
        let length = Length::AtMost(u64::MAX);
        let error = read_stream::<f32>(Path::new("short.nii.gz"), short.as_slice(), length).unwrap_err();
        assert!(error.to_string().contains("found 300000"), "{error}");
    }
}
