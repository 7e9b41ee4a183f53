//! What evaluation refuses, and why.

/// An input that has no defined result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Two inputs that belong together differ in shape.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The input that does not fit.
        what: &'static str,
        /// Shape of its partner.
        expected: Vec<usize>,
        /// Its own shape.
        found: Vec<usize>,
    },
    /// There is nothing to compute from.
    #[error("{what}: expected at least {expected} values, found {found}")]
    TooFew {
        /// The input.
        what: &'static str,
        /// The least that is needed.
        expected: usize,
        /// What there is.
        found: usize,
    },
    /// NaN or infinity among the values.
    #[error("{what}: expected finite values, found {value} at index {index}")]
    NotFinite {
        /// The input.
        what: &'static str,
        /// First offending position, in row-major order.
        index: usize,
        /// The value found there.
        value: f64,
    },
    /// A value below 0 (or, for a length, not above it) where there can be none.
    #[error("{what}: found {value} at index {index}, where values below 0 mean nothing")]
    Negative {
        /// The input.
        what: &'static str,
        /// First offending position.
        index: usize,
        /// The value found there.
        value: f64,
    },
    /// A ranking statistic needs examples of both classes.
    #[error("expected cases of both classes, found {positive} positive and {negative} negative")]
    OneClass {
        /// Positive cases.
        positive: usize,
        /// Negative cases.
        negative: usize,
    },
    /// A rank correlation needs values that differ.
    #[error("{what}: expected values that differ, found {value} throughout")]
    Constant {
        /// The input.
        what: &'static str,
        /// Its one value.
        value: f64,
    },
    /// A voxel carries a label that no region has.
    #[error("expected region ids from the list of {regions}, found id {id} in the label image")]
    UnknownId {
        /// The label found.
        id: u32,
        /// How many regions the list has.
        regions: usize,
    },
    /// A rank beyond the last region.
    #[error("expected a rank from 1 to {regions}, found {rank}")]
    Rank {
        /// The rank asked for, from 1.
        rank: usize,
        /// How many regions there are.
        regions: usize,
    },
}

pub(crate) fn same_shape(what: &'static str, expected: &[usize], found: &[usize]) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Shape { what, expected: expected.to_vec(), found: found.to_vec() })
}

pub(crate) fn at_least(what: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if found >= expected { Ok(()) } else { Err(Error::TooFew { what, expected, found }) }
}

pub(crate) fn finite(what: &'static str, values: &[f64]) -> Result<(), Error> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NotFinite { what, index, value: values[index] }),
        None => Ok(()),
    }
}

/// Weights are finite, at least 0, and not all 0.
pub(crate) fn weights(weight: &[f64]) -> Result<(), Error> {
    finite("weights", weight)?;
    if let Some(index) = weight.iter().position(|weight| *weight < 0.0) {
        return Err(Error::Negative { what: "weights", index, value: weight[index] });
    }
    at_least("weights above 0", 1, weight.iter().filter(|weight| **weight > 0.0).count())
}
