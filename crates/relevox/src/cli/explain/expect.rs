//! The guard against a wrong contract: outputs that another program computed for the same scan.

use relevox_experiment::failure::{invalid_input, with_help};

/// Largest difference, relative to the largest expected output.
const TOLERANCE: f64 = 1e-3;
/// Smallest scale of that difference.
const SMALLEST_SCALE: f64 = 1e-6;
const REASONS: &str = "usual reasons, keys of the contract: axes (zyx or xyz), orientation, intensity (its kind, \
    percentiles, and the voxels that it is measured on), crop, spacing_mm, the order of channels; and a network that was \
    not in evaluation mode";

/// Checks a network's outputs on the unperturbed scan against the expected ones: each may differ by a thousandth of the
/// largest expected magnitude.
///
/// # Errors
/// Returns an input error that states both.
pub(super) fn check(expected: &[f64], found: &[f32]) -> anyhow::Result<()> {
    if expected.len() != found.len() {
        let (outputs, given) = (found.len(), expected.len());
        return Err(invalid_input(format!(
            "--expect: expected a number for each of the network's {outputs} outputs ({}), found {given}",
            list(found)
        )));
    }
    if let Some(value) = expected.iter().find(|value| !value.is_finite()) {
        return Err(invalid_input(format!("--expect: expected finite numbers, found {value}")));
    }
    let largest = expected.iter().fold(SMALLEST_SCALE, |largest, value| largest.max(value.abs()));
    let agrees =
        |(expected, found): (&f64, &f32)| (f64::from(*found) - expected).abs() <= TOLERANCE * largest;
    if expected.iter().zip(found).all(agrees) {
        return Ok(());
    }
    let message = format!(
        "--expect: expected the outputs {} within {:e}, found {}",
        list(expected),
        TOLERANCE * largest,
        list(found)
    );
    Err(with_help(message, REASONS.to_owned()))
}

fn list<T: std::fmt::Display>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tolerance_is_relative_to_the_largest_expected_output() {
        check(&[10.0, 0.0], &[10.009, -0.009]).unwrap();
        assert!(check(&[10.0, 0.0], &[10.02, 0.0]).is_err());
        assert!(check(&[10.0, 0.0], &[10.0, 0.02]).is_err());
        check(&[0.0], &[0.0]).unwrap();
        assert!(check(&[0.0], &[1e-6]).is_err());
    }

    #[test]
    fn numbers_that_cannot_agree_are_refused() {
        for expected in [&[f64::NAN][..], &[f64::INFINITY], &[1.0, 2.0], &[]] {
            assert!(check(expected, &[1.0]).is_err(), "{expected:?}");
        }
        assert!(check(&[1.0], &[f32::NAN]).is_err());
    }
}
