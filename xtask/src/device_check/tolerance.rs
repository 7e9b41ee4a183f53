//! Tolerances of the device check.

use relevox_models::Precision;

/// Allowed distance from the CPU's result, as a share of the largest value: of one operation, and of a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) operation: f64,
    pub(super) network: f64,
}

impl Allowed {
    /// Tolerances at a precision. Products of TF32 are rounded to 2⁻¹¹, those of bfloat16 to 2⁻⁸.
    pub(super) fn at(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self { operation: 1e-4, network: 1e-3 },
            Precision::Tf32 => Self { operation: 3e-3, network: 5e-2 },
            Precision::Bf16 => Self { operation: 3e-2, network: 3e-1 },
        }
    }
}
