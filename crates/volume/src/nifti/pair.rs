//! Files of a pair: a header (`.hdr`) and its voxels (`.img`), each of which may be compressed (`.gz`).

use std::path::{Path, PathBuf};

/// A pair, from the path of one of its files.
pub(super) struct Pair<'a> {
    given: &'a Path,
    /// Name of the given file up to its extension.
    stem: &'a str,
    upper_case: bool,
    compressed: bool,
    /// Whether the given file is that of the voxels.
    pub is_image: bool,
}

impl<'a> Pair<'a> {
    /// Recognizes the name of a file of a pair.
    pub fn of(given: &'a Path) -> Option<Self> {
        let name = given.file_name()?.to_str()?;
        let lower = name.to_ascii_lowercase();
        let plain = lower.strip_suffix(".gz").unwrap_or(&lower);
        let is_image = plain.ends_with(".img");
        if !is_image && !plain.ends_with(".hdr") {
            return None;
        }
        let (stem, extension) = name.get(..plain.len())?.rsplit_once('.')?;
        let upper_case = extension.chars().all(|c| c.is_ascii_uppercase());
        Some(Self { given, stem, upper_case, compressed: plain.len() < name.len(), is_image })
    }

    /// Path of the header, if it exists.
    pub fn header(&self) -> Option<PathBuf> {
        self.find("hdr")
    }

    /// Path of the voxels, if they exist.
    pub fn image(&self) -> Option<PathBuf> {
        self.find("img")
    }

    /// Finds a file of the pair, preferably compressed as the given one is.
    fn find(&self, extension: &str) -> Option<PathBuf> {
        let candidates = [self.compressed, !self.compressed].map(|compressed| {
            let name = format!("{extension}{}", if compressed { ".gz" } else { "" });
            let name = if self.upper_case { name.to_ascii_uppercase() } else { name };
            self.given.with_file_name(format!("{}.{name}", self.stem))
        });
        candidates.into_iter().find(|path| path.is_file())
    }
}

/// Paths of the files that are read for a path: both files of a pair, as far as they exist, or the path itself.
pub(crate) fn files(path: &Path) -> Vec<PathBuf> {
    let found: Vec<PathBuf> =
        Pair::of(path).into_iter().flat_map(|pair| [pair.header(), pair.image()]).flatten().collect();
    if found.is_empty() { vec![path.to_owned()] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_name_leads_to_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.b.hdr", "a.b.img.gz", "C.HDR", "C.IMG"] {
            std::fs::write(at(name), []).unwrap();
        }
        for (given, header, image) in [
            ("a.b.hdr", "a.b.hdr", "a.b.img.gz"),
            ("a.b.img.gz", "a.b.hdr", "a.b.img.gz"),
            ("a.b.img", "a.b.hdr", "a.b.img.gz"),
            ("C.HDR", "C.HDR", "C.IMG"),
            ("C.IMG", "C.HDR", "C.IMG"),
        ] {
            let given = at(given);
            let pair = Pair::of(&given).unwrap();
            assert_eq!(pair.header(), Some(at(header)));
            assert_eq!(pair.image(), Some(at(image)));
        }
        for name in ["a.nii", "a.nii.gz", "hdr", "a.gz", "a.image", ""] {
            assert!(Pair::of(Path::new(name)).is_none(), "{name}");
        }
        assert!(Pair::of(&at("b.hdr")).unwrap().header().is_none());
        assert_eq!(files(&at("C.IMG")), [at("C.HDR"), at("C.IMG")]);
        assert_eq!(files(&at("b.hdr")), [at("b.hdr")]);
        assert_eq!(files(&at("a.nii.gz")), [at("a.nii.gz")]);
    }
}
