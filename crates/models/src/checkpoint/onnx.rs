//! ONNX files with the files of weights next to them.

use super::in_file;
use crate::Error;
use crate::onnx::{Header, Onnx, external_files, read, read_header};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The content of an ONNX file and of the files with its weights (`.onnx.data`).
#[derive(Clone, Debug)]
pub struct OnnxFiles {
    /// The ONNX file.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
    /// Content of the files with weights, by location relative to the folder of the ONNX file.
    pub external: BTreeMap<String, Vec<u8>>,
}

impl OnnxFiles {
    /// Reads the files. Those with weights must be in the folder of the ONNX file or below it.
    ///
    /// # Errors
    /// Returns [`Error::Io`] if a file cannot be read, and [`Error::InFile`] if the file is damaged or refers to a file
    /// outside its folder.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let bytes = content(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut external = BTreeMap::new();
        for location in external_files(&bytes).map_err(in_file(path))? {
            refuse_links(folder, &location).map_err(in_file(path))?;
            let weights = content(&folder.join(&location))?;
            external.insert(location, weights);
        }
        Ok(Self { path: path.to_owned(), bytes, external })
    }

    fn external(&self) -> impl FnMut(&str) -> Result<Vec<u8>, Error> {
        |location| {
            self.external.get(location).cloned().ok_or_else(|| Error::Onnx {
                place: "external data".to_owned(),
                expected: format!("a file {location}"),
                found: "none".to_owned(),
            })
        }
    }
}

/// Loads a network from an ONNX file, for images of `size` voxels `[z, y, x]` where the file leaves them open. Weights in
/// other files (`.onnx.data`) are read from the folder of the file.
///
/// # Errors
/// As [`OnnxFiles::read`] and [`read_onnx`].
pub fn load_onnx(path: &Path, size: Option<[usize; 3]>) -> Result<Onnx, Error> {
    read_onnx(&OnnxFiles::read(path)?, size)
}

/// Reads a network from the content of its files.
///
/// # Errors
/// Returns [`Error::InFile`] with the error of [`read`]; [`Error::unsupported_operator`] tells whether another runtime may run
/// the network.
pub fn read_onnx(files: &OnnxFiles, size: Option<[usize; 3]>) -> Result<Onnx, Error> {
    read(&files.bytes, size, &mut files.external()).map_err(in_file(&files.path))
}

/// Reads what a file states about its network, whatever its operators are.
///
/// # Errors
/// Returns [`Error::InFile`] with the error of [`read_header`].
pub fn read_onnx_header(files: &OnnxFiles) -> Result<Header, Error> {
    read_header(&files.bytes, &mut files.external()).map_err(in_file(&files.path))
}

fn content(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), action: "read", source })
}

/// Refuses links on the way to a file, which may lead out of the folder.
fn refuse_links(folder: &Path, location: &str) -> Result<(), Error> {
    let mut file = folder.to_owned();
    for part in location.split('/') {
        file.push(part);
        if std::fs::symlink_metadata(&file).is_ok_and(|found| found.is_symlink()) {
            return Err(Error::Onnx {
                place: "external data".to_owned(),
                expected: "a file in the folder of the ONNX file".to_owned(),
                found: format!("a link, {location}"),
            });
        }
    }
    Ok(())
}
