//! Parameters of the operations, checked against their tensors.

use candle_core::{Result, Tensor};

use crate::{ConvGeometry, Error};

/// Scale and shift of a batch normalisation, `(x − mean) / sqrt(variance + epsilon) · γ + β`.
#[derive(Debug, Clone, Copy)]
pub struct BatchNorm<'a> {
    /// γ, `[c]`.
    pub gamma: &'a Tensor,
    /// β, `[c]`.
    pub beta: &'a Tensor,
    /// Added to the variance before its square root.
    pub epsilon: f64,
    /// Applies a ReLU to the result.
    pub relu: bool,
}

/// Stride, zero padding on both sides, and dilation of a convolution, per axis z, y, x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv3dParams {
    /// Step between outputs, in input voxels.
    pub stride: [usize; 3],
    /// Zeros before and after the input.
    pub padding: [usize; 3],
    /// Step between kernel taps, in input voxels.
    pub dilation: [usize; 3],
}

impl Default for Conv3dParams {
    fn default() -> Self {
        Self { stride: [1; 3], padding: [0; 3], dilation: [1; 3] }
    }
}

impl Conv3dParams {
    /// Returns the same stride and padding on all axes, without dilation.
    pub fn cubic(stride: usize, padding: usize) -> Self {
        Self { stride: [stride; 3], padding: [padding; 3], dilation: [1; 3] }
    }

    /// Returns the geometry of a kernel with this number of taps: a dilated kernel counts with the voxels that it spans.
    pub fn geometry(&self, taps: [usize; 3]) -> ConvGeometry {
        let span = |axis: usize| match taps[axis] {
            0 => 0,
            taps => self.dilation[axis].saturating_mul(taps - 1).saturating_add(1),
        };
        ConvGeometry { kernel: std::array::from_fn(span), stride: self.stride, padding: self.padding }
    }

    /// Returns the size of the output, or `None` if the kernel does not fit into the padded input.
    pub fn output_size(&self, input: [usize; 3], kernel: [usize; 3]) -> Option<[usize; 3]> {
        self.geometry(kernel).output_size(input)
    }

    /// Validates the arguments of a convolution.
    pub(crate) fn check(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<()> {
        let (_, in_channels, d, h, w) = x.dims5()?;
        let (out_channels, weight_in, kd, kh, kw) = weight.dims5()?;
        positive("conv3d stride", self.stride)?;
        positive("conv3d dilation", self.dilation)?;
        if in_channels != weight_in {
            let expected = [out_channels, in_channels, kd, kh, kw];
            return mismatch("conv3d weight, [out, in, kd, kh, kw]", &expected, weight.dims());
        }
        check_bias("conv3d bias", bias, out_channels)?;
        if self.output_size([d, h, w], [kd, kh, kw]).is_none() {
            let expected = format!("one that fits an input of {:?} with {self:?}", x.dims());
            let found = format!("{:?}", weight.dims());
            return Err(Error::InvalidSetting { setting: "conv3d kernel", expected, found }.into());
        }
        Ok(())
    }
}

/// Stride, padding, output padding and dilation of a transposed convolution, per axis z, y, x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvTranspose3dParams {
    /// Step between the outputs of neighbouring inputs.
    pub stride: [usize; 3],
    /// Voxels removed from both sides of the output.
    pub padding: [usize; 3],
    /// Voxels added to the far side of the output.
    pub output_padding: [usize; 3],
    /// Step between kernel taps, in output voxels.
    pub dilation: [usize; 3],
}

impl Default for ConvTranspose3dParams {
    fn default() -> Self {
        Self { stride: [1; 3], padding: [0; 3], output_padding: [0; 3], dilation: [1; 3] }
    }
}

impl ConvTranspose3dParams {
    /// Returns the same stride on all axes, without padding or dilation.
    pub fn cubic(stride: usize) -> Self {
        Self { stride: [stride; 3], ..Self::default() }
    }

    /// Returns the size of the output, or `None` if it would be empty.
    pub fn output_size(&self, input: [usize; 3], kernel: [usize; 3]) -> Option<[usize; 3]> {
        let mut output = [0; 3];
        for axis in 0..3 {
            let span = self.dilation[axis] * kernel[axis].checked_sub(1)? + 1;
            let full = input[axis].checked_sub(1)? * self.stride[axis] + span + self.output_padding[axis];
            output[axis] = full.checked_sub(2 * self.padding[axis]).filter(|&size| size > 0)?;
        }
        Some(output)
    }

    /// Validates the arguments of a transposed convolution.
    pub(crate) fn check(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<()> {
        let (_, in_channels, d, h, w) = x.dims5()?;
        let (weight_in, out_channels, kd, kh, kw) = weight.dims5()?;
        positive("conv_transpose3d stride", self.stride)?;
        positive("conv_transpose3d dilation", self.dilation)?;
        if (0..3).any(|axis| self.output_padding[axis] >= self.stride[axis].max(self.dilation[axis])) {
            return Err(Error::InvalidSetting {
                setting: "conv_transpose3d output padding",
                expected: "less than stride or dilation".to_owned(),
                found: format!("{self:?}"),
            }
            .into());
        }
        if in_channels != weight_in {
            let expected = [in_channels, out_channels, kd, kh, kw];
            return mismatch("conv_transpose3d weight, [in, out, kd, kh, kw]", &expected, weight.dims());
        }
        check_bias("conv_transpose3d bias", bias, out_channels)?;
        if self.output_size([d, h, w], [kd, kh, kw]).is_none() {
            let expected = format!("an output that is not empty, of {:?} and {:?}", x.dims(), weight.dims());
            let found = format!("{self:?}");
            return Err(Error::InvalidSetting { setting: "conv_transpose3d padding", expected, found }.into());
        }
        Ok(())
    }
}

/// Window, stride and padding of a pooling, per axis z, y, x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pool3dParams {
    /// Size of the window, in voxels.
    pub kernel: [usize; 3],
    /// Step between windows, in input voxels.
    pub stride: [usize; 3],
    /// Voxels before and after the input.
    pub padding: [usize; 3],
}

impl Pool3dParams {
    /// Returns the same window, stride and padding on all axes.
    pub fn cubic(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { kernel: [kernel; 3], stride: [stride; 3], padding: [padding; 3] }
    }

    /// Returns the geometry.
    pub const fn geometry(&self) -> ConvGeometry {
        ConvGeometry { kernel: self.kernel, stride: self.stride, padding: self.padding }
    }

    /// Returns the size of the output, or `None` if the window does not fit into the padded input.
    pub fn output_size(&self, input: [usize; 3]) -> Option<[usize; 3]> {
        self.geometry().output_size(input)
    }

    /// Validates the argument of a pooling.
    pub(crate) fn check(&self, x: &Tensor) -> Result<()> {
        let (_, _, d, h, w) = x.dims5()?;
        positive("pooling stride", self.stride)?;
        positive("pooling window", self.kernel)?;
        if (0..3).any(|axis| 2 * self.padding[axis] > self.kernel[axis]) {
            return Err(Error::InvalidSetting {
                setting: "pooling padding",
                expected: "at most half the window".to_owned(),
                found: format!("{self:?}"),
            }
            .into());
        }
        if self.output_size([d, h, w]).is_none() {
            return Err(Error::InvalidSetting {
                setting: "pooling window",
                expected: format!("one that fits an input of {:?}", x.dims()),
                found: format!("{self:?}"),
            }
            .into());
        }
        Ok(())
    }
}

/// Interpolation of [`upsample3d`](crate::upsample3d).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The value of the nearest voxel, as PyTorch's `nearest`.
    Nearest,
    /// Linear along each axis.
    Trilinear {
        /// Aligns the centres of the corner voxels instead of the corners of the grids.
        align_corners: bool,
    },
}

fn positive(setting: &'static str, values: [usize; 3]) -> Result<()> {
    if values.contains(&0) {
        let (expected, found) = ("at least 1".to_owned(), format!("{values:?}"));
        return Err(Error::InvalidSetting { setting, expected, found }.into());
    }
    Ok(())
}

fn mismatch(what: &'static str, expected: &[usize], found: &[usize]) -> Result<()> {
    Err(Error::ShapeMismatch { what, expected: expected.to_vec(), found: found.to_vec() }.into())
}

fn check_bias(what: &'static str, bias: Option<&Tensor>, out_channels: usize) -> Result<()> {
    match bias {
        Some(bias) if bias.dims() != [out_channels] => mismatch(what, &[out_channels], bias.dims()),
        _ => Ok(()),
    }
}

/// Validates that `x` is a batch and that each of `vectors` has one value per channel.
pub(crate) fn check_channels(what: &'static str, x: &Tensor, vectors: &[&Tensor]) -> Result<()> {
    let (_, channels, ..) = x.dims5()?;
    match vectors.iter().find(|vector| vector.dims() != [channels]) {
        Some(vector) => mismatch(what, &[channels], vector.dims()),
        None => Ok(()),
    }
}
