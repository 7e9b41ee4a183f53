//! Contracts in files beside the weights.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Error;

/// Extension of the contract of `MODEL.safetensors`, `MODEL.pth` or `MODEL.onnx`: `MODEL.input.toml`.
pub const CONTRACT_EXTENSION: &str = "input.toml";

/// Reads the text of the contract beside a model's file, if there is one.
///
/// # Errors
/// Returns [`Error::Io`] if the file exists and cannot be read as text.
pub fn read_beside(model: &Path) -> Result<Option<(PathBuf, String)>, Error> {
    read_text(&model.with_extension(CONTRACT_EXTENSION))
}

/// Reads a text file, if it exists.
///
/// # Errors
/// Returns [`Error::Io`] if the file exists and cannot be read as text.
pub fn read_text(path: &Path) -> Result<Option<(PathBuf, String)>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { path: path.to_owned(), action: "read", source }),
    }
}
