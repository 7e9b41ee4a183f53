//! The fills by name.

use crate::Error;

/// A fill of this crate, as it is chosen by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "&'static str"))]
pub enum FillKind {
    /// 0, the value of air.
    Blank,
    /// The smallest value of the channel inside the mask.
    Min,
    /// The largest value of the channel inside the mask.
    Max,
    /// The mean value of the channel inside the mask.
    Mean,
    /// The values of a trained U-Net (feature `learned`).
    Learned,
}

impl FillKind {
    /// All fills, the paper's three constants first, in the order of its Table 3.
    pub const ALL: [Self; 5] = [Self::Blank, Self::Min, Self::Max, Self::Mean, Self::Learned];

    /// The fills that put one value per channel into a region.
    pub const CONSTANT: [Self; 4] = [Self::Blank, Self::Min, Self::Max, Self::Mean];

    /// Name and label of each fill.
    const fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::Blank => ("blank", "Blank"),
            Self::Min => ("min", "Minimum"),
            Self::Max => ("max", "Maximum"),
            Self::Mean => ("mean", "Mean"),
            Self::Learned => ("learned", "Learned"),
        }
    }

    /// Returns the name in file names, tables and configs.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// Returns the name for people.
    pub const fn label(self) -> &'static str {
        self.row().1
    }
}

relevox_grid::by_name!(FillKind, "fill", Error);

impl TryFrom<String> for FillKind {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<FillKind> for &'static str {
    fn from(kind: FillKind) -> Self {
        kind.name()
    }
}
