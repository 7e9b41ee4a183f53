//! Errors of evaluation.

/// Why a metric is undefined for its input.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two inputs that must agree in shape do not.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// The input that was compared.
        what: &'static str,
        /// The required shape.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// An input has too few values.
    #[error("{what}: expected at least {expected}, found {found}")]
    TooFew {
        /// The values that were counted.
        what: &'static str,
        /// The required number.
        expected: usize,
        /// The number that was given.
        found: usize,
    },
    /// An input contains NaN or infinity.
    #[error("{what}: expected a finite value, found {value}")]
    NonFinite {
        /// The input and the index of the first such value in row-major order.
        what: String,
        /// The value found there.
        value: f32,
    },
    /// An input contains a negative value.
    #[error("{what}: expected a value of at least 0, found {value}")]
    Negative {
        /// The input and the index of the first such value.
        what: String,
        /// The value found there.
        value: f64,
    },
    /// A setting is outside its range.
    #[error("{setting}: expected {expected}, found {found}")]
    InvalidSetting {
        /// Name of the setting.
        setting: &'static str,
        /// The accepted values.
        expected: String,
        /// The value that was given.
        found: String,
    },
    /// A name is not in its table.
    #[error("{what}: expected {expected}, found {found}")]
    UnknownName {
        /// The kind of name.
        what: &'static str,
        /// The known names.
        expected: String,
        /// The name that was given.
        found: String,
    },
    /// All cases belong to one class.
    #[error("labels: expected cases of both classes, found {positive} positive and {negative} negative")]
    OneClass {
        /// Number of positive cases.
        positive: usize,
        /// Number of negative cases.
        negative: usize,
    },
    /// All values of an input are equal.
    #[error("{what}: expected at least two distinct values, found only {value}")]
    Constant {
        /// The input.
        what: &'static str,
        /// Its only value.
        value: f64,
    },
    /// A voxel has a label that is not the id of a region.
    #[error("labels: expected the ids of {regions} regions, found {id}")]
    UnknownId {
        /// The label.
        id: u32,
        /// Number of regions.
        regions: usize,
    },
    /// A rank is 0 or exceeds the number of regions.
    #[error("{what}: expected a value from 1 to {len}, found {found}")]
    OutOfRange {
        /// The value that was checked.
        what: &'static str,
        /// The largest valid value.
        len: usize,
        /// The value that was given.
        found: usize,
    },
}
