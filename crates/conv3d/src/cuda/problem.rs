//! The shape that a convolution and its gradients have in common.

use crate::{Conv3dParams, ConvTranspose3dParams};
use candle_core::{DType, Result, bail};

/// The tensor of a convolution that is computed from the other two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Pass {
    /// The output `[n, o, d', h', w']` from input and weight.
    Output,
    /// The input's gradient `[n, i, d, h, w]` from the output's and the weight: also a transposed convolution.
    Input,
    /// The weight's gradient `[o, i, kd, kh, kw]` from the input and the output's gradient.
    Weight,
}

/// A convolution, or the one that a transposed convolution transposes: its input is then the latter's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Problem {
    /// Type of the tensors.
    pub dtype: DType,
    /// `[n, i, d, h, w]`.
    pub input: [usize; 5],
    /// `[n, o, d', h', w']`.
    pub output: [usize; 5],
    /// `[o, i, kd, kh, kw]`.
    pub weight: [usize; 5],
    /// Zeros around the input.
    pub padding: [usize; 3],
    /// Step between outputs.
    pub stride: [usize; 3],
    /// Step between taps.
    pub dilation: [usize; 3],
}

impl Problem {
    /// Returns the problem of a convolution of `x` with `weight`.
    pub(super) fn direct(dtype: DType, x: &[usize], weight: &[usize], params: Conv3dParams) -> Result<Self> {
        let (&[n, i, d, h, w], &[o, _, kd, kh, kw]) = (x, weight) else {
            bail!("conv3d: input {x:?} and weight {weight:?} should be of rank 5")
        };
        let Some([od, oh, ow]) = params.output_size([d, h, w], [kd, kh, kw]) else {
            bail!("conv3d: kernel {weight:?} does not fit input {x:?} with {params:?}")
        };
        let Conv3dParams { stride, padding, dilation } = params;
        Self {
            dtype,
            input: [n, i, d, h, w],
            output: [n, o, od, oh, ow],
            weight: [o, i, kd, kh, kw],
            padding,
            stride,
            dilation,
        }
        .checked("conv3d")
    }

    /// Returns the problem of a transposed convolution of `x` with `weight [i, o, kd, kh, kw]`.
    pub(super) fn transposed(
        dtype: DType,
        x: &[usize],
        weight: &[usize],
        params: ConvTranspose3dParams,
    ) -> Result<Self> {
        let (&[n, i, d, h, w], &[_, o, kd, kh, kw]) = (x, weight) else {
            bail!("conv_transpose3d: input {x:?} and weight {weight:?} should be of rank 5")
        };
        let Some([od, oh, ow]) = params.output_size([d, h, w], [kd, kh, kw]) else {
            bail!("conv_transpose3d: nothing is left of {x:?} with {weight:?} and {params:?}")
        };
        let ConvTranspose3dParams { stride, padding, output_padding, dilation } = params;
        if (0..3).any(|axis| output_padding[axis] >= stride[axis]) {
            bail!("conv_transpose3d: expected an output padding below the stride on CUDA, found {params:?}")
        }
        Self {
            dtype,
            input: [n, o, od, oh, ow],
            output: [n, i, d, h, w],
            weight: [i, o, kd, kh, kw],
            padding,
            stride,
            dilation,
        }
        .checked("conv_transpose3d")
    }

    /// Validates the sizes: cuDNN counts elements in 32-bit integers.
    fn checked(self, op: &str) -> Result<Self> {
        for shape in [self.input, self.output, self.weight] {
            let elements = shape.iter().product::<usize>();
            if elements == 0 {
                bail!("{op}: expected tensors with elements on CUDA, found {shape:?}")
            }
            if elements > i32::MAX as usize {
                bail!("{op}: {shape:?} has {}", crate::TOO_LARGE)
            }
        }
        Ok(self)
    }

    /// Returns the shapes of the tensors that a pass reads, in order.
    pub(super) fn read(&self, pass: Pass) -> [[usize; 5]; 2] {
        match pass {
            Pass::Output => [self.input, self.weight],
            Pass::Input => [self.output, self.weight],
            Pass::Weight => [self.input, self.output],
        }
    }

    /// Returns the shape of the tensor that a pass computes.
    pub(super) fn computed(&self, pass: Pass) -> [usize; 5] {
        match pass {
            Pass::Output => self.output,
            Pass::Input => self.input,
            Pass::Weight => self.weight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_convolution_is_the_input_gradient_of_one() {
        let params = ConvTranspose3dParams { output_padding: [1, 0, 0], ..ConvTranspose3dParams::cubic(2) };
        let found = Problem::transposed(DType::F32, &[3, 8, 4, 5, 6], &[8, 2, 2, 2, 2], params).unwrap();
        assert_eq!(found.computed(Pass::Input), [3, 2, 9, 10, 12]);
        assert_eq!(found.read(Pass::Input), [[3, 8, 4, 5, 6], [8, 2, 2, 2, 2]]);
        // The convolution that it transposes leads from its output back to its input's size.
        let back = Conv3dParams::cubic(2, 0);
        let direct = Problem::direct(DType::F32, &found.input, &found.weight, back).unwrap();
        assert_eq!(direct, found);
    }

    #[test]
    fn unsupported_sizes_are_named() {
        let large = Problem::direct(
            DType::F32,
            &[16, 64, 128, 128, 128],
            &[64, 64, 1, 1, 1],
            Conv3dParams::default(),
        );
        assert!(large.unwrap_err().to_string().contains(crate::TOO_LARGE));
        let params = ConvTranspose3dParams {
            output_padding: [1; 3],
            dilation: [2; 3],
            ..ConvTranspose3dParams::cubic(1)
        };
        let padded = Problem::transposed(DType::F32, &[1, 1, 4, 4, 4], &[1, 1, 2, 2, 2], params);
        assert!(padded.unwrap_err().to_string().contains("below the stride on CUDA"));
    }
}
