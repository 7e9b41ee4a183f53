//! Files that appear complete or not at all.

use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::path::{Path, PathBuf};

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

/// Returns a part of a file's name that no other call returns, in this process, in another, or on another host that writes to the
/// same folder: host, process and a random number. Contains letters, digits and hyphens.
pub fn unique_name() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    // Seeded by the operating system.
    let random = RandomState::new().build_hasher().finish();
    format!("{host}-{}-{random:016x}", std::process::id())
}

/// A temporary file in the folder of the final one, removed on drop unless it was renamed.
pub(crate) struct Temporary(pub(crate) PathBuf);

impl Temporary {
    pub(crate) fn new(path: &Path, extension: &str) -> Self {
        // The nifti crate rewrites extensions, but leaves a stem without further dots unchanged.
        Self(path.with_file_name(format!(".{}.{extension}", unique_name())))
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

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<String> = (0..1000).map(|_| unique_name()).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| !name.contains(['.', '/'])), "{names:?}");
    }
}
