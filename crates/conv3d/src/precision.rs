//! Precision of convolutions on a GPU.

use crate::Error;

/// Arithmetic of a GPU's convolutions. Sums, and every other operation, are float32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// float32 by fused multiply-adds, as on the CPU.
    #[default]
    F32,
    /// float32 whose products the tensor cores round to 10 bits.
    Tf32,
    /// bfloat16: inputs, weights and outputs of a convolution have 7 bits.
    Bf16,
}

impl Precision {
    /// All precisions, the most exact first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Tf32, Self::Bf16];

    /// Returns the name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }
}

relevox_grid::by_name!(Precision, "precision", Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        assert!("f16".parse::<Precision>().is_err());
    }
}
