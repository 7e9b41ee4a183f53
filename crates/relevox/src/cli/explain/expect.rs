//! The guard against a wrong contract: outputs that another program computed for the same scan.

use relevox_experiment::failure::{invalid_input, with_help};
use relevox_relevance::{Link, Target};

/// Largest difference, relative to the largest expected output.
const TOLERANCE: f64 = 1e-3;
/// Smallest scale of that difference.
const SMALLEST_SCALE: f64 = 1e-6;
const REASONS: &str = "usual reasons, keys of the contract: axes (zyx or xyz), orientation, intensity (its kind, \
    percentiles, and the voxels that it is measured on), crop, spacing_mm, the order of channels, network.stem_stride and \
    network.max_pool; and a network that was not in evaluation mode";

/// Form in which the outputs agree with the expected numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agreed {
    /// The outputs themselves.
    Outputs,
    /// The probabilities computed from them.
    Probabilities,
}

/// Checks a network's outputs on the unperturbed scan against the expected ones, or their probabilities: each may differ by a
/// thousandth of the largest expected magnitude. Returns which of them agree.
///
/// # Errors
/// Returns an input error that states both.
pub(super) fn check(expected: &[f64], found: &[f32], link: Link) -> anyhow::Result<Agreed> {
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
    let agree = |found: &[f64]| {
        expected.iter().zip(found).all(|(expected, found)| (found - expected).abs() <= TOLERANCE * largest)
    };
    let outputs: Vec<f64> = found.iter().map(|&output| f64::from(output)).collect();
    if agree(&outputs) {
        return Ok(Agreed::Outputs);
    }
    let mut probabilities = String::new();
    if link != Link::Value {
        let of = |output| {
            let target = Target { output, link };
            target.probability(target.logit(found))
        };
        let values: Vec<f64> = (0..found.len()).map(of).collect();
        if agree(&values) {
            return Ok(Agreed::Probabilities);
        }
        probabilities = format!(" (probabilities {})", list(&values));
    }
    let message = format!(
        "--expect: expected the outputs {} within {:e}, found {}{probabilities}",
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
        let check = |expected: &[f64], found: &[f32]| super::check(expected, found, Link::Value);
        check(&[10.0, 0.0], &[10.009, -0.009]).unwrap();
        assert!(check(&[10.0, 0.0], &[10.02, 0.0]).is_err());
        assert!(check(&[10.0, 0.0], &[10.0, 0.02]).is_err());
        check(&[0.0], &[0.0]).unwrap();
        assert!(check(&[0.0], &[1e-6]).is_err());
    }

    #[test]
    fn probabilities_agree_with_the_logits_that_they_are_computed_from() {
        let logits = [1.0f32, -0.5, 0.25];
        let softmax: Vec<f64> = {
            let exponentials = logits.map(|logit| f64::from(logit).exp());
            exponentials.map(|value| value / exponentials.iter().sum::<f64>()).to_vec()
        };
        let sigmoid = logits.map(|logit| 1.0 / (1.0 + (-f64::from(logit)).exp()));
        assert_eq!(check(&logits.map(f64::from), &logits, Link::Softmax).unwrap(), Agreed::Outputs);
        assert_eq!(check(&softmax, &logits, Link::Softmax).unwrap(), Agreed::Probabilities);
        assert_eq!(check(&sigmoid, &logits, Link::Sigmoid).unwrap(), Agreed::Probabilities);
        for (expected, link) in
            [(&softmax[..], Link::Sigmoid), (&sigmoid[..], Link::Softmax), (&softmax[..], Link::Value)]
        {
            assert!(check(expected, &logits, link).is_err(), "{link:?}");
        }
        let error = check(&[0.5, 0.5, 0.0], &logits, Link::Softmax).unwrap_err().to_string();
        assert!(error.contains("(probabilities 0.58"), "{error}");
    }

    #[test]
    fn numbers_that_cannot_agree_are_refused() {
        for expected in [&[f64::NAN][..], &[f64::INFINITY], &[1.0, 2.0], &[]] {
            assert!(check(expected, &[1.0], Link::Sigmoid).is_err(), "{expected:?}");
        }
        assert!(check(&[1.0], &[f32::NAN], Link::Sigmoid).is_err());
    }
}
