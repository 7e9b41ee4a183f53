//! Where a 3D volume is stored: a file, or one volume of a 4D file.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::preparation::percent;
use crate::{Error, Volume, like_intensities, nifti};

/// A 3D volume in a file. Volumes of a 4D file are counted from 0 and written as `file.nii.gz#2`.
///
/// ```
/// use relevox_volume::ScanFile;
///
/// let t2 = ScanFile::parse("BRATS_001.nii.gz#3");
/// assert_eq!((t2.path.to_str(), t2.volume), (Some("BRATS_001.nii.gz"), Some(3)));
/// assert_eq!(t2.to_string(), "BRATS_001.nii.gz#3");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScanFile {
    /// The file.
    pub path: PathBuf,
    /// Index of the volume along the file's dimensions after the third. `None` requires a file of one volume.
    pub volume: Option<usize>,
}

impl ScanFile {
    /// Parses a path that may end in `#` and the index of a volume. A `#` that is not followed by digits, or does not
    /// follow a NIfTI file's extension, belongs to the path.
    pub fn parse(text: &str) -> Self {
        if let Some((path, index)) = text.rsplit_once('#')
            && has_nifti_extension(path)
            && index.bytes().all(|b| b.is_ascii_digit())
            && let Ok(index) = index.parse()
        {
            return Self { path: PathBuf::from(path), volume: Some(index) };
        }
        Self::from(PathBuf::from(text))
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Paths of the files that the volume is read from: the header and the voxels of a pair of `.hdr` and `.img`, as far
    /// as they exist, and the path itself otherwise.
    pub fn files(&self) -> Vec<PathBuf> {
        nifti::files(&self.path)
    }

    /// Reads the volume as intensities.
    ///
    /// # Errors
    /// Returns the errors of [`nifti::read_volume`].
    pub fn read(&self) -> Result<Volume<f32>, Error> {
        nifti::read_volume(&self.path, self.volume)
    }

    /// Reads the volume as labels.
    ///
    /// # Errors
    /// Returns the errors of [`nifti::read_label_volume`].
    pub fn read_labels(&self) -> Result<Volume<u32>, Error> {
        nifti::read_label_volume(&self.path, self.volume)
    }

    /// Reads the volume as the outline of a finding, whose labels above 0 are inside.
    ///
    /// # Errors
    /// As [`ScanFile::read_labels`], and [`Error::Format`] if most neighbouring voxels have different labels, as in an image of
    /// intensities (see [`like_intensities`]).
    pub fn read_outline(&self) -> Result<Volume<u32>, Error> {
        let labels = self.read_labels()?;
        if let Some(divided) = like_intensities(labels.voxels.view(), Some(0)) {
            return Err(Error::Format {
                path: self.path.clone(),
                expected: "a segmentation",
                found: format!("an image of intensities: {} of neighbouring voxels differ", percent(divided)),
            });
        }
        Ok(labels)
    }
}

fn has_nifti_extension(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let plain = lower.strip_suffix(".gz").unwrap_or(&lower);
    [".nii", ".hdr", ".img"].iter().any(|extension| plain.ends_with(extension))
}

impl From<PathBuf> for ScanFile {
    fn from(path: PathBuf) -> Self {
        Self { path, volume: None }
    }
}

impl From<&Path> for ScanFile {
    fn from(path: &Path) -> Self {
        Self::from(path.to_owned())
    }
}

impl fmt::Display for ScanFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match self.volume {
            Some(index) => write!(f, "#{index}"),
            None => Ok(()),
        }
    }
}
