//! The one way in which a file of ours comes to its place: written beside it, flushed, renamed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::failure::input;

/// Replaces a file's content in one step: whoever looks, now or after we were killed, finds the old or the
/// new, never a part.
///
/// # Errors
/// A folder that can't be written to, or a full disk.
pub fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let name = path.file_name().ok_or(std::io::ErrorKind::InvalidFilename)?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        let beside = path.with_file_name(hidden);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| failed(path, error))
}

/// Why a file or a folder could not be written: a place that can't be written to is for the user to change.
pub(super) fn failed(path: &Path, error: io::Error) -> anyhow::Error {
    // A file in the place of a folder is said to exist already.
    use io::ErrorKind::{
        AlreadyExists, IsADirectory, NotADirectory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem,
        StorageFull,
    };
    let theirs = [
        AlreadyExists,
        PermissionDenied,
        ReadOnlyFilesystem,
        NotADirectory,
        IsADirectory,
        StorageFull,
        QuotaExceeded,
    ];
    if theirs.contains(&error.kind()) {
        let folder = path.parent().unwrap_or(path).display();
        return input(format!(
            "{}: expected {folder} to be a folder that can be written to: {error}",
            path.display()
        ));
    }
    anyhow::Error::from(error).context(format!("writing {}", path.display()))
}

/// Tries whether files can be written below a folder, which need not be there yet, before work whose result would
/// have no place. Leaves nothing.
///
/// # Errors
/// A folder that can't be made or written to.
pub fn probe(folder: &Path) -> anyhow::Result<()> {
    let whole = std::path::absolute(folder)?;
    // Not only where something is there: a broken link is in the way, too.
    let there = whole.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(&whole);
    let file = there.join(format!(".relevox-{}", std::process::id()));
    File::create(&file).and_then(|_| fs::remove_file(&file)).map_err(|error| {
        input(format!("{}: expected a folder that can be written to: {error}", folder.display()))
    })
}

/// Files under one of a run's own folders that a killed command left half-written: ours and those of the libraries,
/// which write hidden files or `.part` beside the place, too. What a link leads to is not the run's.
///
/// # Errors
/// A folder that can't be read.
pub fn unfinished(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading the folder {}", folder.display()))? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        let name = name.as_encoded_bytes();
        if kind.is_dir() {
            found.extend(unfinished(&entry.path())?);
        } else if kind.is_file() && (name.starts_with(b".") || name.ends_with(b".part")) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Ending, ending};

    #[test]
    fn places_that_can_not_be_written_to_are_the_users() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"x").unwrap();
        probe(&folder.path().join("new/er")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the probe left something");
        for error in [probe(&file.join("run")).unwrap_err(), replace(&file.join("run"), b"x").unwrap_err()] {
            assert_eq!(ending(&error), Ending::Input);
            assert!(error.to_string().contains("a folder that can be written to"), "{error}");
        }
        let full = failed(&file, io::ErrorKind::StorageFull.into());
        assert_eq!(ending(&full), Ending::Input);
    }

    #[test]
    fn replacing_leaves_the_file_alone_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file.txt");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(unfinished(folder.path()).unwrap(), Vec::<PathBuf>::new());
        fs::write(folder.path().join("deep/.x.nii.gz"), b"half").unwrap();
        assert_eq!(unfinished(folder.path()).unwrap().len(), 1);
    }
}
