//! Files of artefacts as they were written: size and content hash, to notice what was changed since.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::hash::{hash_bytes, hash_file};

/// A file of an artefact as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Name, relative to the run's folder.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: String,
}

/// Thoroughness of a comparison.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// Compares sizes, and contents of files that are newer than `made`.
    Quick {
        /// Time at which the files were complete; `None` compares all contents.
        made: Option<SystemTime>,
    },
    /// Compares all contents.
    Content,
}

impl Written {
    /// Describes a file that was just written.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) if the file can't be read.
    pub fn describe(root: &Path, name: String) -> anyhow::Result<Self> {
        let path = root.join(&name);
        let sha256 = hash_file(&path)?;
        Ok(Self { bytes: fs::metadata(&path)?.len(), sha256, name })
    }

    /// Describes a file of these bytes.
    pub fn of(name: String, bytes: &[u8]) -> Self {
        Self { name, bytes: bytes.len() as u64, sha256: hash_bytes(bytes) }
    }

    /// Returns how the file differs from what was written; `None` if it does not.
    pub fn damage(&self, root: &Path, check: Check) -> Option<String> {
        let path = root.join(&self.name);
        let Ok(metadata) = fs::metadata(&path) else {
            return Some("is missing".to_owned());
        };
        if metadata.len() != self.bytes {
            return Some(format!("has {} bytes instead of {}", metadata.len(), self.bytes));
        }
        let is_older = match check {
            Check::Quick { made } => {
                matches!((metadata.modified().ok(), made), (Some(modified), Some(made)) if modified <= made)
            }
            Check::Content => false,
        };
        if is_older || hash_file(&path).is_ok_and(|sha256| sha256 == self.sha256) {
            return None;
        }
        Some("was changed since it was made".to_owned())
    }
}
