//! The three splits of a cohort.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The split that a case belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Split {
    /// Cases that the weights are fitted to.
    Train,
    /// Cases that models and settings are selected on.
    Validation,
    /// Cases that results are reported on.
    Test,
}

impl Split {
    /// All splits, in order.
    pub const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    /// Name in files: `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }

    /// Name for people.
    pub fn label(self) -> &'static str {
        match self {
            Split::Train => "training",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Split {
    type Err = Error;

    /// Parses the name in files.
    ///
    /// # Errors
    /// Returns [`Error::UnknownName`] for any other name.
    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|split| split.name() == name).ok_or_else(|| Error::UnknownName {
            what: "split",
            expected: format!("one of {}", Self::ALL.map(Split::name).join(", ")),
            found: name.to_owned(),
        })
    }
}
