//! Smooth activations of rows of values.
//!
//! Each is a few multiplications and additions without branches, so that the compiler computes as many values at once as the
//! instruction set has lanes. They agree with the exact functions within 4e-7 of the larger of the result and 1 (the tests
//! compare them with double precision). A value does not depend on its place in a row.

use std::f32::consts::{FRAC_1_SQRT_2, LOG2_E};

/// An activation that is not piecewise linear with two pieces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// `x` if positive, else `alpha · (exp x − 1)`.
    Elu(f32),
    /// `1 / (1 + exp −x)`.
    Sigmoid,
    /// `alpha · x + beta`, limited to 0..1.
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// `x · sigmoid(x)`.
    Silu,
    /// `x · (x / 6 + 1 / 2)`, the second factor limited to 0..1.
    HardSwish,
    /// `x · tanh(log(1 + exp x))`.
    Mish,
    /// `x · Φ(x)` with the normal distribution's Φ.
    Gelu,
    /// Gelu with Φ approximated by a tanh.
    GeluTanh,
    /// `tanh x`.
    Tanh,
    /// `log(1 + exp x)`.
    Softplus,
    /// Limited to a range.
    Clip {
        /// The smallest value.
        low: f32,
        /// The largest value.
        high: f32,
    },
}

impl Function {
    /// Computes the function of each value in place. NaN stays NaN.
    #[inline(always)]
    pub(super) fn apply(self, row: &mut [f32]) {
        macro_rules! each {
            ($of:expr) => {
                for value in row.iter_mut() {
                    *value = $of(*value);
                }
            };
        }
        match self {
            Function::Elu(alpha) => each!(|x| if x > 0.0 { x } else { alpha * exp_minus_one(x) }),
            Function::Sigmoid => each!(sigmoid),
            Function::HardSigmoid { alpha, beta } => each!(|x: f32| (alpha * x + beta).clamp(0.0, 1.0)),
            Function::Silu => each!(|x| above(x) * sigmoid(x)),
            Function::HardSwish => each!(|x: f32| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
            Function::Mish => each!(mish),
            Function::Gelu => each!(|x| x * normal(x)),
            Function::GeluTanh => each!(gelu_tanh),
            Function::Tanh => each!(tanh),
            Function::Softplus => each!(softplus),
            Function::Clip { low, high } => each!(|x| if x < low {
                low
            } else if x > high {
                high
            } else {
                x
            }),
        }
    }

    /// Returns whether 0 stays 0, as in lanes that pad a block.
    pub(super) fn keeps_zero(self) -> bool {
        let mut zero = [0.0];
        self.apply(&mut zero);
        zero[0] == 0.0
    }
}

/// `2 · sqrt(2 / π)`: `0.5 · (1 + tanh u)` is `sigmoid(2u)`.
const GELU_TANH: f32 = 1.595_769;

/// The power of two nearest to `exp x` and the rest `r` of `x = n · ln 2 + r`, |r| ≤ ln 2 / 2. Results beyond the range of
/// normal numbers are those at its ends.
#[inline(always)]
fn split(x: f32) -> (f32, f32) {
    // Adding 1.5 · 2^23 rounds to an integer, which is then in the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first with few digits.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let sum = x * LOG2_E + ROUND;
    let n = sum - ROUND;
    let power = f32::from_bits(sum.to_bits().wrapping_add(127) << 23);
    (power, x - n * LN_2[0] - n * LN_2[1])
}

/// `exp r − 1` of a small `r`: the polynomial of Cephes' `expf` (S. L. Moshier, <https://netlib.org/cephes/>).
#[inline(always)]
fn small(r: f32) -> f32 {
    const P: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 0.166_666_65, 0.5];
    let mut p = P[0];
    for coefficient in &P[1..] {
        p = p * r + coefficient;
    }
    p * r * r + r
}

#[inline(always)]
fn exp(x: f32) -> f32 {
    let (power, r) = split(x);
    small(r) * power + power
}

#[inline(always)]
fn exp_minus_one(x: f32) -> f32 {
    let (power, r) = split(x);
    // Exact where the power is 1, so that small values keep their digits.
    small(r) * power + (power - 1.0)
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Limits `x` from below where its factor is 0 but for rounding, so that their product is.
#[inline(always)]
fn above(x: f32) -> f32 {
    if x < -100.0 { -100.0 } else { x }
}

#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    let x = above(x);
    x * sigmoid(GELU_TANH * (x + 0.044_715 * x * x * x))
}

/// `tanh(log(1 + e))` is `e (e + 2) / (e (e + 2) + 2)` of `e = exp x`; beyond 20 it is 1.
#[inline(always)]
fn mish(x: f32) -> f32 {
    let x = above(x);
    let e = exp(if x > 20.0 { 20.0 } else { x });
    let n = e * (e + 2.0);
    x * (n / (n + 2.0))
}

#[inline(always)]
fn tanh(x: f32) -> f32 {
    let e = exp_minus_one(-2.0 * x.abs());
    // `(1 − exp −2|x|) / (1 + exp −2|x|)`
    (-e / (2.0 + e)).copysign(x)
}

#[inline(always)]
fn softplus(x: f32) -> f32 {
    let positive = if x > 0.0 { x } else { 0.0 };
    positive + (-x.abs()).exp().ln_1p()
}

/// The normal distribution's Φ by formula 7.1.26 of M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", 1964:
/// its error is at most 1.5e-7.
#[inline(always)]
fn normal(x: f32) -> f32 {
    const P: f32 = 0.327_591_1;
    const A: [f32; 5] = [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6];
    let z = x.abs() * FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + P * z);
    let mut p = A[0];
    for coefficient in &A[1..] {
        p = p * t + coefficient;
    }
    // Half of the complement of the error function.
    let tail = 0.5 * p * t * exp(-z * z);
    if x > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(function: Function, x: f32) -> f64 {
        let x = f64::from(x);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        match function {
            Function::Elu(alpha) => {
                if x > 0.0 {
                    x
                } else {
                    f64::from(alpha) * x.exp_m1()
                }
            }
            Function::Sigmoid => sigmoid(x),
            Function::HardSigmoid { alpha, beta } => (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0),
            Function::Silu => x * sigmoid(x),
            Function::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Function::Mish => x * softplus(x).tanh(),
            Function::Gelu => {
                0.5 * x * (1.0 + candle_core::cpu::erf::erf_f64(x * std::f64::consts::FRAC_1_SQRT_2))
            }
            Function::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Function::Tanh => x.tanh(),
            Function::Softplus => softplus(x),
            Function::Clip { low, high } => x.clamp(low.into(), high.into()),
        }
    }

    const ALL: [Function; 11] = [
        Function::Elu(1.5),
        Function::Sigmoid,
        Function::HardSigmoid { alpha: 0.2, beta: 0.5 },
        Function::Silu,
        Function::HardSwish,
        Function::Mish,
        Function::Gelu,
        Function::GeluTanh,
        Function::Tanh,
        Function::Softplus,
        Function::Clip { low: -1.0, high: 6.0 },
    ];

    #[test]
    fn functions_are_those_of_double_precision() {
        let mut values: Vec<f32> = (-40_000..40_000).map(|at| at as f32 / 1000.0).collect();
        values.extend([
            1e-6,
            -1e-6,
            1e-20,
            -1e-20,
            0.0,
            88.9,
            -88.9,
            1e4,
            -1e4,
            f32::MAX / 8.0,
            f32::MIN / 8.0,
        ]);
        for function in ALL {
            let mut found = values.clone();
            function.apply(&mut found);
            for (&x, &found) in values.iter().zip(&found) {
                let expected = exact(function, x);
                let off = (f64::from(found) - expected).abs() / expected.abs().max(1.0);
                assert!(off <= 4e-7, "{function:?} of {x}: {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn small_values_keep_their_digits() {
        for function in [Function::Elu(1.0), Function::Tanh] {
            for x in [1e-5_f32, -3e-5, 1e-3, -0.02, 0.1] {
                let mut found = [x];
                function.apply(&mut found);
                let expected = exact(function, x);
                assert!((f64::from(found[0]) / expected - 1.0).abs() < 1e-6, "{function:?} of {x}");
            }
        }
    }

    #[test]
    fn nan_stays_nan_and_places_do_not_matter() {
        for function in ALL {
            let mut row = [f32::NAN; 37];
            function.apply(&mut row);
            assert!(row.iter().all(|value| value.is_nan()), "{function:?}");
            let values: Vec<f32> = (0..37).map(|at| (at as f32 - 18.0) / 3.0).collect();
            let mut together = values.clone();
            function.apply(&mut together);
            for (at, &value) in values.iter().enumerate() {
                let mut alone = [value];
                function.apply(&mut alone);
                assert_eq!(alone[0].to_bits(), together[at].to_bits(), "{function:?} of {value}");
            }
        }
        let keeps: Vec<Function> = ALL.into_iter().filter(|function| !function.keeps_zero()).collect();
        assert_eq!(keeps, [Function::Sigmoid, ALL[2], Function::Softplus]);
    }
}
