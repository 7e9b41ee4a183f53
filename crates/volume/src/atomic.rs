//! Files that appear complete or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Error;

/// Writes a file next to `path`, flushes it and renames it, so that `path` never holds a part of it.
///
/// # Errors
/// Returns [`Error::Io`] if the file cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = Temporary::new(path, "tmp");
    let write = || {
        let mut file = File::create(&temporary.0)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary.0, path)
    };
    write().map_err(|source| Error::Io { path: path.to_owned(), action: "write", source })
}

/// Creates a folder and the folders above it, if they do not exist yet.
///
/// # Errors
/// Returns [`Error::Io`] if a folder cannot be created.
pub fn create_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::Io {
        path: folder.to_owned(),
        action: "write",
        source,
    })
}

/// A temporary file in the folder of the final one, removed on drop unless it was renamed.
pub(crate) struct Temporary(pub(crate) PathBuf);

impl Temporary {
    pub(crate) fn new(path: &Path, extension: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // The nifti crate rewrites extensions, but leaves a stem without further dots unchanged.
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(path.with_file_name(format!(".{}-{n}.{extension}", std::process::id())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_remains() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let missing = folder.path().join("missing/a.csv");
        assert!(matches!(write(&missing, b""), Err(Error::Io { .. })));
    }
}
