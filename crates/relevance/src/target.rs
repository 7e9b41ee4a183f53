//! The explained output of a classifier.

use crate::Error;
use crate::probability::{sigmoid, sigmoid_difference};

named! {
    /// The function that turns a classifier's outputs into the probability of a class.
    pub enum Link, "link" {
        /// Each output is a logit of its own: its sigmoid is the probability.
        Sigmoid = "sigmoid", "Sigmoid";
        /// The outputs are logits of exclusive classes: their softmax is the probability.
        Softmax = "softmax", "Softmax";
        /// The output is a plain value, such as an age.
        Value = "value", "Plain value";
    }
}

/// The output that is explained, and its logit among the `k` outputs of a classifier.
///
/// ```
/// use relevox_relevance::Target;
///
/// let outputs = [1.0, 3.0, -2.0];
/// let softmax = Target::softmax(1);
/// let sum: f64 = outputs.iter().map(|&output| f64::from(output).exp()).sum();
/// assert!((softmax.probability(softmax.logit(&outputs)) - 3.0_f64.exp() / sum).abs() < 1e-12);
/// assert_eq!(Target::sigmoid(1).logit(&outputs), 3.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct Target {
    /// The output, counted from 0.
    pub output: usize,
    /// From outputs to a probability.
    pub link: Link,
}

impl Target {
    /// Creates the target of an output whose sigmoid is a probability.
    pub const fn sigmoid(output: usize) -> Self {
        Self { output, link: Link::Sigmoid }
    }

    /// Creates the target of a class among exclusive ones.
    pub const fn softmax(output: usize) -> Self {
        Self { output, link: Link::Softmax }
    }

    /// Creates the target of a plain value.
    pub const fn value(output: usize) -> Self {
        Self { output, link: Link::Value }
    }

    /// Validates the target for a classifier with this number of outputs.
    ///
    /// # Errors
    /// Returns [`Error::OutOfRange`] if there is no such output, and [`Error::InvalidSetting`] for a softmax over a
    /// single output.
    pub fn check(self, outputs: usize) -> Result<(), Error> {
        if self.output >= outputs {
            return Err(Error::OutOfRange { what: "the target's output", len: outputs, found: self.output });
        }
        if self.link == Link::Softmax && outputs < 2 {
            return Err(Error::setting("target", "at least 2 outputs for a softmax", outputs));
        }
        Ok(())
    }

    /// Computes the target's logit: the output itself, or with softmax `z_t − log Σ exp z_o` over the other outputs
    /// `o`, whose sigmoid is the softmax probability. NaN if there is no such output.
    pub fn logit(self, outputs: &[f32]) -> f64 {
        let own = outputs.get(self.output).map_or(f64::NAN, |&output| f64::from(output));
        match self.link {
            Link::Sigmoid | Link::Value => own,
            Link::Softmax => own - self.log_sum_of_others(outputs),
        }
    }

    /// Computes the probability of a [`Target::logit`]. Of a plain value it is the value itself.
    pub fn probability(self, logit: f64) -> f64 {
        match self.link {
            Link::Sigmoid | Link::Softmax => sigmoid(logit),
            Link::Value => logit,
        }
    }

    /// Computes the difference between two logits' probabilities without cancellation.
    pub fn probability_difference(self, a: f64, b: f64) -> f64 {
        match self.link {
            Link::Sigmoid | Link::Softmax => sigmoid_difference(a, b),
            Link::Value => a - b,
        }
    }

    fn log_sum_of_others(self, outputs: &[f32]) -> f64 {
        let others = || {
            let all = outputs.iter().enumerate().filter(|(output, _)| *output != self.output);
            all.map(|(_, &value)| f64::from(value))
        };
        let largest = others().fold(f64::NEG_INFINITY, f64::max);
        largest + others().map(|value| (value - largest).exp()).sum::<f64>().ln()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_logit_s_sigmoid_is_the_softmax(outputs in proptest::collection::vec(-30.0..30.0_f32, 2..6)) {
            let sum: f64 = outputs.iter().map(|&output| f64::from(output).exp()).sum();
            let mut total = 0.0;
            for (output, &value) in outputs.iter().enumerate() {
                let target = Target::softmax(output);
                let probability = target.probability(target.logit(&outputs));
                prop_assert!((probability - f64::from(value).exp() / sum).abs() < 1e-12);
                total += probability;
            }
            prop_assert!((total - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn two_classes_are_one_logit_to_the_bit() {
        assert_eq!(Target::softmax(1).logit(&[0.3, 1.7]), f64::from(1.7_f32) - f64::from(0.3_f32));
        assert_eq!(Target::softmax(0).logit(&[1e30, -1e30]), 2.0 * f64::from(1e30_f32));
    }

    #[test]
    fn a_plain_value_is_its_own_probability() {
        let target = Target::value(1);
        assert_eq!(target.probability(target.logit(&[0.0, 63.5])), 63.5);
        assert_eq!(target.probability_difference(63.5, 60.0), 3.5);
    }

    #[test]
    fn targets_that_do_not_exist_are_refused() {
        assert!(matches!(Target::sigmoid(1).check(1), Err(Error::OutOfRange { len: 1, found: 1, .. })));
        assert!(matches!(Target::softmax(0).check(1), Err(Error::InvalidSetting { .. })));
        Target::softmax(1).check(2).unwrap();
        assert!(Target::sigmoid(3).logit(&[0.0]).is_nan());
    }
}
