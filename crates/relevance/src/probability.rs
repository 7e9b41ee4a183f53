//! Logits and probabilities, without overflow and without cancellation.

/// Computes the probability of a logit, without overflow at either end.
pub fn sigmoid(logit: f64) -> f64 {
    if logit >= 0.0 { 1.0 / (1.0 + (-logit).exp()) } else { logit.exp() / (1.0 + logit.exp()) }
}

/// Computes `sigmoid(a) − sigmoid(b)` without the cancellation of two probabilities near 1: those of the other class,
/// near 0, have the same difference.
pub fn sigmoid_difference(a: f64, b: f64) -> f64 {
    if a + b > 0.0 { sigmoid(-b) - sigmoid(-a) } else { sigmoid(a) - sigmoid(b) }
}
