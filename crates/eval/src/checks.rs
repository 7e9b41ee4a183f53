//! Validation of inputs.

use crate::error::Error;

pub(crate) fn same_shape(what: &'static str, expected: &[usize], found: &[usize]) -> Result<(), Error> {
    if expected == found {
        return Ok(());
    }
    Err(Error::ShapeMismatch { what, expected: expected.to_vec(), found: found.to_vec() })
}

pub(crate) fn at_least(what: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if found >= expected { Ok(()) } else { Err(Error::TooFew { what, expected, found }) }
}

/// Validates a number of repetitions.
pub(crate) fn at_least_one(setting: &'static str, found: usize) -> Result<(), Error> {
    if found >= 1 {
        return Ok(());
    }
    Err(Error::InvalidSetting { setting, expected: "at least 1".into(), found: found.to_string() })
}

pub(crate) fn finite(what: &str, values: &[f64]) -> Result<(), Error> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => {
            Err(Error::NonFinite { what: format!("{what}[{index}]"), value: values[index] as f32 })
        }
        None => Ok(()),
    }
}

/// Validates that no value is NaN, infinite or negative.
pub(crate) fn not_negative(what: &str, values: &[f64]) -> Result<(), Error> {
    finite(what, values)?;
    match values.iter().position(|value| *value < 0.0) {
        Some(index) => Err(Error::Negative { what: format!("{what}[{index}]"), value: values[index] }),
        None => Ok(()),
    }
}

/// Validates scores with one weight each; at least one weight must be positive.
pub(crate) fn weighted(scores: &[f64], weights: &[f64]) -> Result<(), Error> {
    same_shape("weights", &[scores.len()], &[weights.len()])?;
    at_least("scores", 1, scores.len())?;
    finite("scores", scores)?;
    not_negative("weights", weights)?;
    at_least("positive weights", 1, weights.iter().filter(|weight| **weight > 0.0).count())
}

/// Validates scores with a number of voxels each.
pub(crate) fn with_voxels(scores: &[f64], voxels: &[usize]) -> Result<(), Error> {
    same_shape("voxels", &[scores.len()], &[voxels.len()])?;
    finite("scores", scores)
}

/// Validates paired values.
pub(crate) fn paired(a: &[f64], b: &[f64]) -> Result<(), Error> {
    same_shape("second values", &[a.len()], &[b.len()])?;
    finite("first values", a)?;
    finite("second values", b)
}

/// Returns the numbers of positive and negative labels; both classes must occur.
pub(crate) fn both_classes(labels: &[bool]) -> Result<(usize, usize), Error> {
    let positive = labels.iter().filter(|label| **label).count();
    let negative = labels.len() - positive;
    if positive == 0 || negative == 0 {
        return Err(Error::OneClass { positive, negative });
    }
    Ok((positive, negative))
}
