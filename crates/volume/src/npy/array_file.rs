//! Where an array is stored: a file, or one array of an archive.

use std::fmt;
use std::path::PathBuf;

/// An array in a `.npy` file, or in a `.npz` archive. An array of an archive is written as `file.npz#name`.
///
/// ```
/// use relevox_volume::npy::ArrayFile;
///
/// let image = ArrayFile::parse("case.npz#image");
/// assert_eq!((image.path.to_str(), image.name.as_deref()), (Some("case.npz"), Some("image")));
/// assert_eq!(image.to_string(), "case.npz#image");
/// assert_eq!(ArrayFile::parse("case#2.npy").name, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayFile {
    /// The file.
    pub path: PathBuf,
    /// Name of the array in an archive. `None` requires an archive of one array.
    pub name: Option<String>,
}

impl ArrayFile {
    /// Parses a path that may end in `#` and the name of an array. A `#` that does not follow `.npz` belongs to the path.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('#') {
            Some((path, name)) if path.to_ascii_lowercase().ends_with(".npz") && !name.is_empty() => {
                Self { path: PathBuf::from(path), name: Some(name.to_owned()) }
            }
            _ => Self { path: PathBuf::from(text), name: None },
        }
    }
}

impl fmt::Display for ArrayFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.name.as_ref().map_or(Ok(()), |name| write!(f, "#{name}"))
    }
}
