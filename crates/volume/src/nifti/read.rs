//! Reading volumes from files and streams.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ndarray::Array3;

use super::decode::{self, Failure, Voxel};
use super::header::{HEADER_BYTES, Header};
use crate::{Error, Geometry, Volume};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Largest expansion of a byte by deflate.
const LARGEST_DEFLATE_RATIO: u64 = 1032;
const READ_BUFFER_BYTES: usize = 1 << 18;

/// Reads a volume of intensities from a file.
///
/// # Errors
/// - [`Error::Io`] if the file cannot be read.
/// - [`Error::Format`] if it is not a NIfTI-1 volume of a supported type; the message names the format found.
/// - [`Error::Truncated`], [`Error::Overlong`] or [`Error::Damaged`] if it does not end where its voxels do or fails its
///   checksum, for example after an interrupted download.
pub fn read(path: &Path) -> Result<Volume<f32>, Error> {
    read_file(path)
}

/// Reads a label volume (a segmentation or supervoxels) from a file.
///
/// # Errors
/// Returns the errors of [`read`], and [`Error::NotLabels`] if a voxel is not a whole number from 0 to 2³² − 1.
pub fn read_labels(path: &Path) -> Result<Volume<u32>, Error> {
    read_file(path)
}

/// Reads a volume of intensities from a stream, compressed or not; gzip is detected by its first bytes. `name` stands
/// for the path in errors.
///
/// The stream is buffered and read to its end. Memory grows with the decoded voxels, whatever the header declares; a
/// compressed stream can expand 1032-fold. Limit the stream with [`Read::take`] if its source is not trusted.
///
/// # Errors
/// Returns the errors of [`read`].
///
/// # Example
/// ```
/// use relevox_volume::{Geometry, Volume, nifti};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("t1.nii.gz");
/// let geometry = Geometry::axis_aligned([2, 3, 4], [1.0; 3]);
/// nifti::write(&path, &Volume { voxels: ndarray::Array3::ones(geometry.shape), geometry })?;
///
/// let bytes = std::fs::read(&path)?;
/// assert_eq!(nifti::read_from(bytes.as_slice(), "t1 in an archive")?, nifti::read(&path)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read_from(reader: impl Read, name: &str) -> Result<Volume<f32>, Error> {
    read_stream(Path::new(name), reader, None)
}

/// Reads a label volume from a stream, as [`read_from`] does.
///
/// # Errors
/// Returns the errors of [`read_labels`].
pub fn read_labels_from(reader: impl Read, name: &str) -> Result<Volume<u32>, Error> {
    read_stream(Path::new(name), reader, None)
}

fn read_file<T: Voxel>(path: &Path) -> Result<Volume<T>, Error> {
    let unreadable = |source| Error::Io { path: path.to_owned(), action: "read", source };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(io::Error::from(io::ErrorKind::IsADirectory)));
    }
    // Pipes and devices report a length of 0.
    read_stream(path, file, metadata.is_file().then_some(metadata.len()))
}

/// Reads a volume from a stream of `length` bytes, if known.
fn read_stream<T: Voxel>(path: &Path, reader: impl Read, length: Option<u64>) -> Result<Volume<T>, Error> {
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, reader);
    let mut start = Vec::with_capacity(GZIP_MAGIC.len());
    reader.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut start).map_err(|source| Error::Io {
        path: path.to_owned(),
        action: "read",
        source,
    })?;
    let whole = start.as_slice().chain(reader);
    if start == GZIP_MAGIC {
        let largest = length.map_or(u64::MAX, |bytes| bytes.saturating_mul(LARGEST_DEFLATE_RATIO));
        read_decompressed(path, MultiGzDecoder::new(whole), Length::AtMost(largest))
    } else {
        read_decompressed(path, whole, length.map_or(Length::AtMost(u64::MAX), Length::Exactly))
    }
}

/// Number of decompressed bytes in a stream.
#[derive(Clone, Copy, Debug)]
enum Length {
    Exactly(u64),
    AtMost(u64),
}

fn read_decompressed<T: Voxel>(
    path: &Path,
    mut bytes: impl Read,
    length: Length,
) -> Result<Volume<T>, Error> {
    let header = Header::read(path, &mut bytes)?;
    let expected_bytes = header.voxel_bytes();
    let truncated = |found_bytes: u64, reason: String| Error::Truncated {
        path: path.to_owned(),
        expected_bytes,
        found_bytes,
        reason,
    };
    let (Length::Exactly(largest_bytes) | Length::AtMost(largest_bytes)) = length;
    let available = largest_bytes.saturating_sub(header.voxel_offset);
    if available < expected_bytes {
        let [nz, ny, nx] = header.shape;
        return Err(truncated(
            available,
            format!("a file of this length cannot hold {nx} x {ny} x {nz} voxels"),
        ));
    }
    let gap = header.voxel_offset - HEADER_BYTES as u64;
    match io::copy(&mut bytes.by_ref().take(gap), &mut io::sink()) {
        Ok(n) if n == gap => {}
        Ok(_) => return Err(truncated(0, "the file ends before its first voxel".to_owned())),
        Err(error) => return Err(truncated(0, error.to_string())),
    }
    let voxels = decode::decode(&mut bytes, &header).map_err(|failure| match failure {
        Failure::Ended { found_bytes, reason } => truncated(found_bytes, reason),
        Failure::NotLabel { index, found } => {
            let [_, ny, nx] = header.shape;
            let index_zyx = [index / (nx * ny), index / nx % ny, index % nx];
            Error::NotLabels { path: path.to_owned(), index_zyx, found }
        }
    })?;
    // The decoder verifies the checksum when it reaches the end.
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
    use super::super::write;
    use super::*;

    /// An endless stream of zeros after a header, which counts the bytes read from it.
    struct Endless {
        header: Vec<u8>,
        taken: usize,
    }

    impl Read for Endless {
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
    fn a_stream_is_read_one_byte_past_its_last_voxel() {
        let mut stream = Endless { header: header_of([5, 4, 3]), taken: 0 };
        let length = Length::AtMost(u64::MAX);
        let error = read_decompressed::<f32>(Path::new("bomb.nii.gz"), &mut stream, length).unwrap_err();
        assert!(error.to_string().contains("expected 592 bytes"), "{error}");
        assert_eq!(stream.taken, 352 + 4 * 60 + 1);
    }

    /// Reserving memory for 32767³ voxels at once would abort the process.
    #[test]
    fn memory_grows_with_the_decoded_voxels() {
        let mut short = header_of([32767; 3]);
        short.resize(352 + 300_000, 0);
        let error = read_stream::<f32>(Path::new("short.nii"), short.as_slice(), None).unwrap_err();
        assert!(error.to_string().contains("found 300000"), "{error}");
    }
}
