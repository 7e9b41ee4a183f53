//! An array from a file.

use ndarray::ArrayD;

/// An array of numbers from a file, in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct NpyArray {
    /// The values in single precision.
    pub values: ArrayD<f32>,
    /// Stored type, as NumPy names it: `<f4`, `|u1`.
    pub dtype: String,
    /// Number of values that single precision rounds.
    pub rounded: usize,
}
