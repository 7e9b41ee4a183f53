//! The arrays of a `.npz` archive: a zip file with one `.npy` a name.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crc32fast::Hasher;
use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use crate::Error;

/// Most bytes that deflate makes of one.
const LARGEST_DEFLATE_RATIO: u64 = 1032;
const EXPECTED: &str = "an archive as numpy.savez writes it";

/// Opens the array of an archive that has this name, or the only one, and passes its stream to `visit`, with the largest size
/// that the stream can have.
pub(super) fn visit<T>(
    path: &Path,
    name: Option<&str>,
    file: File,
    visit: impl FnOnce(&Path, &mut dyn Read, u64) -> Result<T, Error>,
) -> Result<T, Error> {
    let length = file.metadata().map(|metadata| metadata.len());
    let length = length.map_err(|source| Error::Io { path: path.to_owned(), action: "read", source })?;
    let refuse = |found: String| Error::Format { path: path.to_owned(), expected: EXPECTED, found };
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| refuse(error.to_string()))?;
    let names: Vec<String> = (0..archive.len())
        .map(|index| match archive.name_for_index(index) {
            Some(Ok(name)) => name.strip_suffix(".npy").unwrap_or(&name).to_owned(),
            _ => String::new(),
        })
        .collect();
    let index = match (name, names.as_slice()) {
        (None, [_]) => 0,
        (None, []) => return Err(refuse("an empty one".to_owned())),
        (None, several) => {
            return Err(Error::UnknownName {
                what: "array of the archive, as FILE.npz#NAME",
                expected: format!("one of {}", several.join(", ")),
                found: path.display().to_string(),
            });
        }
        (Some(name), known) => {
            known.iter().position(|known| known == name).ok_or_else(|| Error::UnknownName {
                what: "array of the archive",
                expected: format!("one of {}", known.join(", ")),
                found: format!("{name} ({})", path.display()),
            })?
        }
    };
    // Decompressed here, so that zip's features stay off.
    let mut entry = archive.by_index_raw(index).map_err(|error| refuse(error.to_string()))?;
    let (method, sum, size) = (entry.compression(), entry.crc32(), entry.compressed_size().min(length));
    if entry.encrypted() {
        return Err(refuse(format!("{}, which is encrypted", names[index])));
    }
    let named = path.with_file_name(format!(
        "{}#{}",
        path.file_name().unwrap_or_default().to_string_lossy(),
        names[index]
    ));
    if method == CompressionMethod::STORE {
        visit(&named, &mut Checked::new(&mut entry, sum), size)
    } else if method == CompressionMethod::DEFLATE {
        let decoder = DeflateDecoder::new(BufReader::new(&mut entry));
        visit(&named, &mut Checked::new(decoder, sum), size.saturating_mul(LARGEST_DEFLATE_RATIO))
    } else {
        Err(refuse(format!("{} compressed by {method}", names[index])))
    }
}

/// A stream whose checksum is compared at its end.
struct Checked<R> {
    source: R,
    found: Hasher,
    expected: u32,
}

impl<R: Read> Checked<R> {
    fn new(source: R, expected: u32) -> Self {
        Self { source, found: Hasher::new(), expected }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.found.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.found.clone().finalize() != self.expected {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a wrong checksum"));
        }
        Ok(read)
    }
}
