//! Order of a network's spatial axes.

use crate::Error;

/// Order of the spatial axes of a network's input tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum AxisOrder {
    /// `[c, z, y, x]`: this project's arrays, and what SimpleITK's `GetArrayFromImage` returns.
    Zyx,
    /// `[c, x, y, z]`: what nibabel and MONAI's `LoadImage` return.
    Xyz,
}

impl AxisOrder {
    /// All orders.
    pub const ALL: [Self; 2] = [Self::Zyx, Self::Xyz];

    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zyx => "zyx",
            Self::Xyz => "xyz",
        }
    }

    /// Converts per-axis values between this order and z, y, x, in either direction.
    pub fn zyx<T>(self, values: [T; 3]) -> [T; 3] {
        let [first, second, third] = values;
        match self {
            Self::Zyx => [first, second, third],
            Self::Xyz => [third, second, first],
        }
    }
}

relevox_grid::by_name!(AxisOrder, "axes", Error);
