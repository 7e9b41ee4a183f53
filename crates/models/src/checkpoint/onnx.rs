//! ONNX files with the files of weights next to them.

use super::in_file;
use crate::Error;
use crate::onnx::{Onnx, read};
use std::path::Path;

/// Loads a network from an ONNX file, for images of `size` voxels `[z, y, x]` where the file leaves them open. Weights in
/// other files (`.onnx.data`) are read from the folder of the file.
///
/// # Errors
/// Returns [`Error::Io`] if a file cannot be read, and [`Error::InFile`] with the error of [`read`].
pub fn load_onnx(path: &Path, size: Option<[usize; 3]>) -> Result<Onnx, Error> {
    let content = |path: &Path| {
        std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), action: "read", source })
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let bytes = content(path)?;
    // A link may lead out of the folder: it is not followed.
    let mut external = |location: &str| {
        let file = folder.join(location);
        match std::fs::symlink_metadata(&file) {
            Ok(found) if found.is_symlink() => Err(Error::Onnx {
                place: "external data".to_owned(),
                expected: "a file in the folder of the ONNX file".to_owned(),
                found: format!("a link, {location}"),
            }),
            _ => content(&file),
        }
    };
    read(&bytes, size, &mut external).map_err(|error| match error {
        error @ Error::Io { .. } => error,
        error => in_file(path)(error),
    })
}
