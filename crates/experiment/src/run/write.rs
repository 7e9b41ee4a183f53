//! Atomic writes: a temporary file in the same folder, flushed, then renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use relevox_volume::atomic::unique_name;

use crate::failure::invalid_input;

/// End of the names of temporary files.
const TEMPORARY: &str = ".tmp";

/// Replaces the content of a file atomically: readers see the old or the new content, even if the process is killed.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the folder can't be written to or the disk is full, and
/// another error for other failures.
pub fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let temporary = path.with_file_name(temporary_name(&name.to_string_lossy()));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let written = File::create(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&temporary, path)
        });
        if written.is_err() {
            // Makes room on a full disk. The first failure is reported.
            let _ = fs::remove_file(&temporary);
        }
        written
    };
    write().map_err(|error| write_error(path, error))
}

/// Returns a name for the temporary file of a file, which no other process uses.
fn temporary_name(name: &str) -> String {
    format!(".{name}.{}{TEMPORARY}", unique_name())
}

/// Returns true for a name that a temporary file of a file has.
pub(super) fn is_temporary_name_of(name: &str, temporary: &str) -> bool {
    let rest = temporary.strip_prefix('.').and_then(|rest| rest.strip_prefix(name));
    let unique = rest.and_then(|rest| rest.strip_prefix('.')?.strip_suffix(TEMPORARY));
    unique.is_some_and(|unique| !unique.contains('.'))
}

/// Converts the error of a write: to an [`InputError`](crate::failure::InputError) if the user can choose another
/// folder.
pub(super) fn write_error(path: &Path, error: io::Error) -> anyhow::Error {
    // Creating a folder where a file of that name exists fails with `AlreadyExists`.
    use io::ErrorKind::{
        AlreadyExists, FileTooLarge, IsADirectory, NotADirectory, PermissionDenied, QuotaExceeded,
        ReadOnlyFilesystem, StorageFull,
    };
    if [StorageFull, QuotaExceeded, FileTooLarge].contains(&error.kind()) {
        return invalid_input(format!(
            "{}: expected room for this file: {error}; make room, and run the same command again",
            path.display()
        ));
    }
    if [AlreadyExists, PermissionDenied, ReadOnlyFilesystem, NotADirectory, IsADirectory]
        .contains(&error.kind())
    {
        let folder = path.parent().unwrap_or(path).display();
        return invalid_input(format!(
            "{}: expected {folder} to be a writable folder: {error}",
            path.display()
        ));
    }
    anyhow::Error::from(error).context(format!("writing {}", path.display()))
}

/// Checks that files can be written below a folder, which need not exist yet. Call it before long computations. Leaves
/// no files.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the folder can't be created or written to.
pub fn check_writable(folder: &Path) -> anyhow::Result<()> {
    let absolute = std::path::absolute(folder)?;
    // `symlink_metadata` also finds broken links, which prevent creating a folder of that name.
    let existing = absolute.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(&absolute);
    let file = existing.join(format!(".relevox-{}", std::process::id()));
    File::create(&file)
        .and_then(|_| fs::remove_file(&file))
        .map_err(|error| invalid_input(format!("{}: expected a writable folder: {error}", folder.display())))
}

/// Finds temporary files below a folder, left by a killed command: hidden files and `.part` files. Links are not
/// followed.
///
/// # Errors
/// Returns an error if a folder can't be read.
pub fn temporary_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading the folder {}", folder.display()))? {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        let name = name.as_encoded_bytes();
        if kind.is_dir() {
            found.extend(temporary_files(&entry.path())?);
        } else if kind.is_file() && (name.starts_with(b".") || name.ends_with(b".part")) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes a file, if it exists.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) that names the file if its folder can't be written to, and another error
/// for other failures.
pub fn remove_file(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(write_error(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{ExitStatus, exit_status};

    #[test]
    fn folders_that_are_not_writable_are_invalid_input() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"x").unwrap();
        check_writable(&folder.path().join("new/er")).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the check left a file");
        for error in
            [check_writable(&file.join("run")).unwrap_err(), replace(&file.join("run"), b"x").unwrap_err()]
        {
            assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
            assert!(error.to_string().contains("a writable folder"), "{error}");
        }
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::FileTooLarge] {
            let full = write_error(&file, kind.into());
            assert_eq!(exit_status(&full), ExitStatus::InvalidInput);
            assert!(full.to_string().contains("expected room for this file"), "{full}");
        }
    }

    #[test]
    fn replace_leaves_no_temporary_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file.txt");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(temporary_files(folder.path()).unwrap(), Vec::<PathBuf>::new());
        fs::write(folder.path().join("deep/.x.nii.gz"), b"half").unwrap();
        assert_eq!(temporary_files(folder.path()).unwrap().len(), 1);
    }

    #[test]
    fn temporary_files_are_recognised_by_their_names() {
        let (first, second) = (temporary_name("run.toml"), temporary_name("run.toml"));
        assert_ne!(first, second, "two processes would write to one file");
        assert!(is_temporary_name_of("run.toml", &first) && is_temporary_name_of("run.toml", &second));
        for other in
            [".run.toml", "run.toml", ".run.toml.tmp", ".run.toml.made.json.a-1-2.tmp", ".hidden.tmp"]
        {
            assert!(!is_temporary_name_of("run.toml", other), "{other}");
        }
    }
}
