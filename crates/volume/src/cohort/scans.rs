//! The scans of a folder: NIfTI files, and folders that are named like one and hold it.

use std::fs;
use std::path::{Path, PathBuf};

use super::case_words::case_words;
use super::contrast::CaseWords;
use crate::Error;

/// A NIfTI file of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Name in the folder, for messages.
    pub name: String,
    /// Name that says what the scan is, without extensions: that of the inner folder, if it is named like a file.
    pub stem: String,
    /// The file.
    pub path: PathBuf,
    /// How much of the name is that of the case.
    pub case_words: CaseWords,
}

impl Scan {
    fn new(name: String, stem: &str, path: PathBuf) -> Self {
        Self { name, stem: stem.to_owned(), path, case_words: CaseWords::default() }
    }
}

/// Entries of a folder, sorted by name, without hidden ones.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// NIfTI files.
    pub scans: Vec<Scan>,
    /// Folders that are not named like a NIfTI file.
    pub folders: Vec<PathBuf>,
    /// Other files.
    pub others: Vec<PathBuf>,
}

/// Lists a folder.
pub(super) fn list(folder: &Path) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    for path in entries(folder)? {
        let name = file_name(&path);
        let stem = stem(&name);
        match stem {
            Some(stem) if path.is_dir() => {
                let inner: Vec<Scan> = inside(&path)
                    .into_iter()
                    .map(|file| {
                        let name = format!("{name}/{}", file_name(&file));
                        Scan::new(name, stem, file)
                    })
                    .collect();
                if inner.is_empty() {
                    listing.folders.push(path);
                }
                listing.scans.extend(inner);
            }
            Some(stem) => listing.scans.push(Scan::new(name.clone(), stem, path)),
            None if path.is_dir() => listing.folders.push(path),
            None => listing.others.push(path),
        }
    }
    mark_case_words(folder, &mut listing.scans);
    Ok(listing)
}

/// Marks the words of the case in the names of a folder's scans.
fn mark_case_words(folder: &Path, scans: &mut [Scan]) {
    const FOLDERS: usize = 2;
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let folders: Vec<String> = whole.ancestors().take(FOLDERS).map(file_name).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let stems: Vec<&str> = scans.iter().map(|scan| scan.stem.as_str()).collect();
    let words = case_words(&stems, &folders);
    for (scan, words) in scans.iter_mut().zip(words) {
        scan.case_words = words;
    }
}

/// NIfTI files in a folder that is named like one, such as `X_flair.nii`: unpacked archives have the file itself there,
/// under any name.
pub(super) fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut files = entries(folder).unwrap_or_default();
    files.retain(|file| stem(&file_name(file)).is_some() && !file.is_dir());
    files
}

/// Entries of a folder, sorted, without hidden ones.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |source| Error::Io { path: folder.to_owned(), action: "read", source };
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>())
        .map_err(unreadable)?;
    paths.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    paths.sort();
    Ok(paths)
}

/// Last name of a path.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Name of a NIfTI file (`.nii`, or `.hdr` of a pair, plain or compressed) without its extensions.
pub(super) fn stem(name: &str) -> Option<&str> {
    let plain = strip_suffix(name, ".gz").unwrap_or(name);
    strip_suffix(plain, ".nii").or_else(|| strip_suffix(plain, ".hdr")).filter(|stem| !stem.is_empty())
}

/// Removes an ASCII suffix in any letter case.
fn strip_suffix<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(suffix.len())?;
    let (stem, end) = (name.get(..at)?, name.get(at..)?);
    end.eq_ignore_ascii_case(suffix).then_some(stem)
}

/// Lists names for a message: the first eight, and the number of others.
pub(super) fn name_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const LISTED: usize = 8;
    let names: Vec<&str> = names.collect();
    let listed = names.get(..LISTED).unwrap_or(&names);
    match (listed.split_last(), names.len() - listed.len()) {
        (None, _) => "no file".to_owned(),
        (Some((last, [])), 0) => (*last).to_owned(),
        (Some((last, before)), 0) => format!("{} and {last}", before.join(", ")),
        (_, more) => format!("{} and {more} more", listed.join(", ")),
    }
}
