//! The variants of the learned fill.

use relevox_models::checkpoint::Metadata;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Error;

/// A kind of learned fill: the values that it puts into a region, and the objective of its training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Variant {
    /// The paper's: any values, trained to change the probability in either direction
    /// ([`perturbation_loss`](super::perturbation_loss)).
    #[default]
    Paper,
    /// Any values, trained to take the predicted class away ([`signed_loss`](super::signed_loss)).
    Signed,
    /// One of a few typical intensities of the scan's other regions ([`Tissues`](super::Tissues)), which the U-Net selects; trained
    /// as [`Variant::Signed`].
    Tissue,
}

impl Variant {
    /// All variants, the paper's first.
    pub const ALL: [Self; 3] = [Self::Paper, Self::Signed, Self::Tissue];

    /// Returns the name in file names, tables, configs and the metadata of weights.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paper => "learned",
            Self::Signed => "learned_signed",
            Self::Tissue => "learned_tissue",
        }
    }

    /// Returns whether this is the paper's.
    pub fn is_paper(&self) -> bool {
        *self == Self::Paper
    }

    /// Reads the variant from the metadata of weights; weights without are the paper's.
    ///
    /// # Errors
    /// Returns [`Error::UnknownName`] if the metadata names another task.
    pub fn of(metadata: Option<&Metadata>) -> Result<Self, Error> {
        match metadata.map(|metadata| &metadata.task) {
            None | Some(Value::Null) => Ok(Self::Paper),
            Some(Value::String(name)) => name.parse(),
            Some(other) => other.to_string().parse(),
        }
    }

    /// Returns what the metadata of weights state; nothing for the paper's.
    pub(super) fn task(self) -> Value {
        if self.is_paper() { Value::Null } else { Value::from(self.name()) }
    }
}

relevox_grid::by_name!(Variant, "variant of the learned fill", Error);

impl TryFrom<String> for Variant {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<Variant> for &'static str {
    fn from(variant: Variant) -> Self {
        variant.name()
    }
}
