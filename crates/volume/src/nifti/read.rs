//! Reading volumes from files and streams.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use ndarray::Array3;

use super::decode::{self, Failure, Voxel};
use super::gzip::{self, Members};
use super::header::{EXPECTED_FILE, Header};
use super::other_formats;
use super::pair::Pair;
use crate::{Error, Geometry, Volume};

/// Largest expansion of a byte by deflate.
const LARGEST_DEFLATE_RATIO: u64 = 1032;
const READ_BUFFER_BYTES: usize = 1 << 18;
const SKIP_BYTES: u64 = 1 << 16;
/// Zeros after the last voxel up to this number fill a block of a disk or an archive.
const LARGEST_PADDING_BYTES: u64 = 4096;

/// Reads a volume of intensities from a file that holds one volume.
///
/// # Errors
/// - [`Error::Io`] if the file cannot be read.
/// - [`Error::Format`] if it is not a NIfTI volume of a supported type, or holds several volumes (see
///   [`read_volume`]); the message names what was found and what to do.
/// - [`Error::Truncated`], [`Error::Overlong`] or [`Error::Damaged`] if it does not end where its voxels do or fails its
///   checksum, for example after an interrupted download.
pub fn read(path: &Path) -> Result<Volume<f32>, Error> {
    read_file(path, None)
}

/// Reads one volume of intensities from a file. Volumes are counted from 0 along the file's dimensions after the third;
/// `None` requires a file of one volume. The other volumes are not decoded, but their bytes are read to check that the
/// file is complete.
///
/// # Errors
/// Returns the errors of [`read`], and [`Error::Format`] if the file has no volume of this index.
pub fn read_volume(path: &Path, index: Option<usize>) -> Result<Volume<f32>, Error> {
    read_file(path, index)
}

/// Reads a label volume (a segmentation or supervoxels) from a file that holds one volume. Values within 0.01 of a whole
/// number are rounded to it, because files that were saved with a scaling do not store whole numbers exactly.
///
/// # Errors
/// Returns the errors of [`read`], and [`Error::NotLabels`] if a voxel is not a whole number from 0 to 2³² − 1.
pub fn read_labels(path: &Path) -> Result<Volume<u32>, Error> {
    read_file(path, None)
}

/// Reads one label volume from a file, with [`read_volume`]'s `index` and [`read_labels`]'s rounding.
///
/// # Errors
/// Returns the errors of [`read_volume`] and [`read_labels`].
pub fn read_label_volume(path: &Path, index: Option<usize>) -> Result<Volume<u32>, Error> {
    read_file(path, index)
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
    read_stream(Path::new(name), reader, None, None)
}

/// Reads a label volume from a stream, as [`read_from`] does.
///
/// # Errors
/// Returns the errors of [`read_labels`].
pub fn read_labels_from(reader: impl Read, name: &str) -> Result<Volume<u32>, Error> {
    read_stream(Path::new(name), reader, None, None)
}

fn read_file<T: Voxel>(path: &Path, index: Option<usize>) -> Result<Volume<T>, Error> {
    match Pair::of(path) {
        Some(pair) => read_pair(path, &pair, index),
        None => {
            let (file, length) = open(path)?;
            read_stream(path, file, length, index)
        }
    }
}

/// Reads the number of volumes that a file's header states.
///
/// # Errors
/// Returns the errors of [`read`] about the header.
pub(crate) fn count_volumes(path: &Path) -> Result<u64, Error> {
    let path = Pair::of(path).and_then(|pair| pair.header()).unwrap_or_else(|| path.to_owned());
    let (file, length) = open(&path)?;
    let mut stream = Stream::new(&path, file, length)?;
    Ok(Header::read(&path, &mut stream.bytes)?.volumes)
}

/// Opens a file and returns its length, if it has one.
fn open(path: &Path) -> Result<(File, Option<u64>), Error> {
    let unreadable = |source| Error::Io { path: path.to_owned(), action: "read", source };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(match other_formats::describe_folder(path) {
            Some(found) => Error::Format { path: path.to_owned(), expected: EXPECTED_FILE, found },
            None => unreadable(io::Error::from(io::ErrorKind::IsADirectory)),
        });
    }
    // Pipes and devices report a length of 0.
    Ok((file, metadata.is_file().then_some(metadata.len())))
}

/// Reads a volume from the files of a pair, or from one file that is named as one of a pair.
fn read_pair<T: Voxel>(path: &Path, pair: &Pair, index: Option<usize>) -> Result<Volume<T>, Error> {
    let Some(header_path) = pair.header() else {
        let (file, length) = open(path)?;
        let mut stream = Stream::new(path, file, length)?;
        let header = Header::read(path, &mut stream.bytes)?;
        if pair.is_image && header.pair {
            let expected = "the header of these voxels (.hdr or .hdr.gz) in the same folder";
            return Err(Error::Format { path: path.to_owned(), expected, found: "none".to_owned() });
        }
        return read_single(path, header, stream, index);
    };
    let (file, length) = open(&header_path)?;
    let mut stream = Stream::new(&header_path, file, length)?;
    let header = Header::read(&header_path, &mut stream.bytes)?;
    if !header.pair {
        return read_single(&header_path, header, stream, index);
    }
    let Some(image_path) = pair.image() else {
        let expected = "the voxels of this header (.img or .img.gz) in the same folder";
        return Err(Error::Format { path: header_path, expected, found: "none".to_owned() });
    };
    let (file, length) = open(&image_path)?;
    let stream = Stream::new(&image_path, file, length)?;
    let index = select(&image_path, &header, index)?;
    read_voxels(&image_path, &header, stream, 0, index)
}

/// Reads a volume from a stream of `length` bytes, if known.
fn read_stream<T: Voxel>(
    path: &Path,
    reader: impl Read,
    length: Option<u64>,
    index: Option<usize>,
) -> Result<Volume<T>, Error> {
    let mut stream = Stream::new(path, reader, length)?;
    let header = Header::read(path, &mut stream.bytes)?;
    read_single(path, header, stream, index)
}

/// Reads a volume from a file whose header has been read from it.
fn read_single<T: Voxel>(
    path: &Path,
    header: Header,
    stream: Stream<impl Read>,
    index: Option<usize>,
) -> Result<Volume<T>, Error> {
    // Some writers leave a pair's magic in a single file; the offset tells where the voxels are.
    if header.pair && header.voxel_offset < header.header_bytes + 4 {
        let found = "the header of a NIfTI pair (.hdr and .img) without its voxels".to_owned();
        return Err(Error::Format { path: path.to_owned(), expected: EXPECTED_FILE, found });
    }
    let index = select(path, &header, index)?;
    read_voxels(path, &header, stream, header.header_bytes, index)
}

/// Index of the volume to read.
fn select(path: &Path, header: &Header, index: Option<usize>) -> Result<u64, Error> {
    let format = |expected, found| Err(Error::Format { path: path.to_owned(), expected, found });
    let (volumes, dimensions) = (header.volumes, header.dimensions());
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let last = volumes - 1;
    match index.map(|index| index as u64) {
        None if volumes == 1 => Ok(0),
        None => format(
            "a file of one volume",
            format!("{volumes} volumes ({dimensions}); select one as {name}#0 to {name}#{last}"),
        ),
        Some(index) if index < volumes => Ok(index),
        Some(index) if volumes == 1 => {
            format("a volume of the file", format!("#{index}; the file has 1 volume ({dimensions}), #0"))
        }
        Some(index) => format(
            "a volume of the file",
            format!("#{index}; the file has {volumes} volumes ({dimensions}), #0 to #{last}"),
        ),
    }
}

/// Decompressed bytes of a file.
struct Stream<R> {
    bytes: R,
    length: Length,
}

/// Number of decompressed bytes in a stream.
#[derive(Clone, Copy, Debug)]
enum Length {
    Exactly(u64),
    AtMost(u64),
}

impl<'a> Stream<Box<dyn Read + 'a>> {
    /// Decompresses a reader of `length` bytes, if known, if it starts as gzip does.
    fn new(path: &Path, reader: impl Read + 'a, length: Option<u64>) -> Result<Self, Error> {
        let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, reader);
        let mut start = Vec::with_capacity(gzip::MAGIC.len());
        reader
            .by_ref()
            .take(gzip::MAGIC.len() as u64)
            .read_to_end(&mut start)
            .map_err(|source| Error::Io { path: path.to_owned(), action: "read", source })?;
        let is_gzip = start == gzip::MAGIC;
        let whole = io::Cursor::new(start).chain(reader);
        Ok(if is_gzip {
            let largest = length.map_or(u64::MAX, |bytes| bytes.saturating_mul(LARGEST_DEFLATE_RATIO));
            Self { bytes: Box::new(Members::new(whole)), length: Length::AtMost(largest) }
        } else {
            let length = length.map_or(Length::AtMost(u64::MAX), Length::Exactly);
            Self { bytes: Box::new(whole), length }
        })
    }
}

/// Reads a volume from the file of the voxels, of which `consumed` bytes have been read.
fn read_voxels<T: Voxel>(
    path: &Path,
    header: &Header,
    stream: Stream<impl Read>,
    consumed: u64,
    index: u64,
) -> Result<Volume<T>, Error> {
    let Stream { mut bytes, length } = stream;
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
        let dimensions = header.dimensions();
        return Err(truncated(available, format!("a file of this length cannot hold {dimensions} voxels")));
    }
    skip(&mut bytes, header.voxel_offset - consumed).map_err(|(_, reason)| truncated(0, reason))?;
    let before = index * header.volume_bytes();
    skip(&mut bytes, before).map_err(|(found, reason)| truncated(found, reason))?;
    let voxels = decode::decode(&mut bytes, header).map_err(|failure| match failure {
        Failure::Ended { found_bytes, reason } => truncated(before + found_bytes, reason),
        Failure::NotLabel { index, found } => {
            let [_, ny, nx] = header.shape;
            let index_zyx = [index / (nx * ny), index / nx % ny, index % nx];
            Error::NotLabels { path: path.to_owned(), index_zyx, found }
        }
    })?;
    let before = before + header.volume_bytes();
    skip(&mut bytes, expected_bytes - before).map_err(|(found, reason)| truncated(before + found, reason))?;
    // An assumed offset is only right if the file ends with its voxels.
    let largest_padding =
        if header.offset_assumed { 0 } else { LARGEST_PADDING_BYTES.min(header.slice_bytes() - 1) };
    // The decoder verifies the checksum when it reaches the end.
    if !ends_with_zeros(&mut bytes, largest_padding)
        .map_err(|reason| Error::Damaged { path: path.to_owned(), reason })?
    {
        let expected_bytes = header.voxel_offset.saturating_add(expected_bytes);
        let found = match length {
            Length::Exactly(bytes) => bytes.to_string(),
            Length::AtMost(_) => "more".to_owned(),
        };
        return Err(Error::Overlong { path: path.to_owned(), expected_bytes, found });
    }
    let found = voxels.len();
    let voxels = Array3::from_shape_vec(header.shape, voxels)
        .map_err(|_| truncated(found as u64, "the voxels do not fill the grid".to_owned()))?;
    Ok(Volume { voxels, geometry: Geometry::from_orientation(header.shape, header.orientation) })
}

/// Skips bytes, or returns the number skipped and the reason why the stream ended.
fn skip(bytes: &mut impl Read, count: u64) -> Result<(), (u64, String)> {
    let mut skipped = 0;
    let mut chunk = vec![0; count.min(SKIP_BYTES) as usize];
    while skipped < count {
        let wanted = (count - skipped).min(SKIP_BYTES) as usize;
        decode::fill(bytes, &mut chunk[..wanted]).map_err(|(n, reason)| (skipped + n as u64, reason))?;
        skipped += wanted as u64;
    }
    Ok(())
}

/// Reads to the end of a stream and returns whether it holds only zeros, and at most `largest` of them. Reads one byte
/// past those at most.
fn ends_with_zeros(bytes: &mut impl Read, largest: u64) -> io::Result<bool> {
    let mut rest = Vec::new();
    bytes.take(largest + 1).read_to_end(&mut rest)?;
    Ok(rest.len() as u64 <= largest && rest.iter().all(|&b| b == 0))
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
    fn a_stream_is_read_one_slice_past_its_last_voxel() {
        let mut stream = Endless { header: header_of([5, 4, 3]), taken: 0 };
        let length = Length::AtMost(u64::MAX);
        let path = Path::new("bomb.nii.gz");
        let error = {
            let header = Header::read(path, &mut stream).unwrap();
            read_single::<f32>(path, header, Stream { bytes: &mut stream, length }, None).unwrap_err()
        };
        assert!(error.to_string().contains("expected 592 bytes"), "{error}");
        assert_eq!(stream.taken, 352 + 4 * 60 + 4 * 12);
    }

    /// Reserving memory for 32767³ voxels at once would abort the process.
    #[test]
    fn memory_grows_with_the_decoded_voxels() {
        let mut short = header_of([32767; 3]);
        short.resize(352 + 300_000, 0);
        let error = read_stream::<f32>(Path::new("short.nii"), short.as_slice(), None, None).unwrap_err();
        assert!(error.to_string().contains("found 300000"), "{error}");
    }
}
