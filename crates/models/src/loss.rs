//! Losses.

use candle_core::{Result, Tensor, bail};

/// Computes the mean binary cross-entropy of logits, positive examples weighted by `positive_weight`, as PyTorch's
/// `binary_cross_entropy_with_logits(pos_weight=…)`.
///
/// With σ the logistic function, an example costs −w·log σ(x) if it is positive and −log(1 − σ(x)) if not, both
/// computed without overflow for any finite logit.
///
/// # Shapes
/// `logits [n]`, n labels; returns a scalar.
///
/// # Errors
/// Returns an error if the numbers of logits and labels differ.
pub fn bce_with_logits(logits: &Tensor, labels: &[bool], positive_weight: f64) -> Result<Tensor> {
    let values = logits.detach().to_vec1::<f32>()?;
    if values.len() != labels.len() || values.is_empty() {
        bail!("cross-entropy: expected as many labels as logits ({}), found {}", values.len(), labels.len())
    }
    let count = labels.len() as f64;
    let mut loss = 0.0;
    let mut slopes = Vec::with_capacity(labels.len());
    for (&value, &label) in values.iter().zip(labels) {
        let (cost, slope) = cross_entropy(f64::from(value), label, positive_weight);
        loss += cost / count;
        slopes.push((slope / count) as f32);
    }
    // Value and derivative are computed here: candle only needs a term of value 0 with that derivative.
    let slopes = Tensor::from_vec(slopes, labels.len(), logits.device())?;
    let carrier = ((logits - logits.detach())? * slopes)?.sum_all()?;
    carrier + loss
}

/// Returns the loss of one logit and its derivative.
fn cross_entropy(logit: f64, label: bool, positive_weight: f64) -> (f64, f64) {
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let probability = sigmoid(logit);
    if label {
        (positive_weight * softplus(-logit), -positive_weight * (1.0 - probability))
    } else {
        (softplus(logit), probability)
    }
}

/// Returns the probability of a logit.
pub fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn extreme_logits_stay_finite() {
        let logits = Var::new(&[-1e4f32, 1e4, 0.0, 1e4], &Device::Cpu).unwrap();
        let loss = bce_with_logits(&logits, &[true, false, true, true], 1.0).unwrap();
        let expected = (1e4 + 1e4 + 2f32.ln()) / 4.0;
        assert!((loss.to_scalar::<f32>().unwrap() - expected).abs() < 1e-2);
        let slope = loss.backward().unwrap().get(&logits).unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(slope, [-0.25, 0.25, -0.125, 0.0]);
    }

    #[test]
    fn lengths_must_agree() {
        let logits = Var::new(&[0f32, 1.0], &Device::Cpu).unwrap();
        assert!(bce_with_logits(&logits, &[true], 1.0).is_err());
    }
}
