//! What the operations are told, checked once against their tensors.

use candle_core::{Result, Tensor, bail};

use crate::ConvGeometry;

/// Stride, zero padding on both sides, and dilation of a convolution, per axis z, y, x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv3dParams {
    /// Step between outputs, in input voxels.
    pub stride: [usize; 3],
    /// Zeros put before and after the input.
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
    /// The same stride and padding on all axes, undilated.
    pub fn cubic(stride: usize, padding: usize) -> Self {
        Self { stride: [stride; 3], padding: [padding; 3], dilation: [1; 3] }
    }

    /// Returns the geometry with a kernel of so many taps: a dilated one counts with the voxels that it spans.
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

    /// Checks the arguments of a convolution.
    pub(crate) fn check(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<()> {
        let (_, in_channels, d, h, w) = x.dims5()?;
        let (out_channels, weight_in, kd, kh, kw) = weight.dims5()?;
        if self.stride.contains(&0) || self.dilation.contains(&0) {
            bail!("conv3d: stride and dilation must be at least 1, found {self:?}")
        }
        if in_channels != weight_in {
            bail!(
                "conv3d: input {:?} has {in_channels} channels, weight {:?} takes {weight_in}",
                x.dims(),
                weight.dims()
            )
        }
        check_bias("conv3d", bias, out_channels)?;
        if self.output_size([d, h, w], [kd, kh, kw]).is_none() {
            bail!("conv3d: kernel {:?} does not fit input {:?} with {self:?}", weight.dims(), x.dims())
        }
        Ok(())
    }
}

/// Stride, padding, output padding and dilation of a transposed convolution, per axis z, y, x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvTranspose3dParams {
    /// Step between the outputs of neighbouring inputs.
    pub stride: [usize; 3],
    /// Voxels cut from both sides of the output.
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
    /// The same stride on all axes, nothing else.
    pub fn cubic(stride: usize) -> Self {
        Self { stride: [stride; 3], ..Self::default() }
    }

    /// Output voxels per axis, or none where nothing is left.
    pub fn output_size(&self, input: [usize; 3], kernel: [usize; 3]) -> Option<[usize; 3]> {
        let mut output = [0; 3];
        for axis in 0..3 {
            let span = self.dilation[axis] * kernel[axis].checked_sub(1)? + 1;
            let full = input[axis].checked_sub(1)? * self.stride[axis] + span + self.output_padding[axis];
            output[axis] = full.checked_sub(2 * self.padding[axis]).filter(|&size| size > 0)?;
        }
        Some(output)
    }

    /// Checks the arguments of a transposed convolution.
    pub(crate) fn check(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<()> {
        let (_, in_channels, d, h, w) = x.dims5()?;
        let (weight_in, out_channels, kd, kh, kw) = weight.dims5()?;
        if self.stride.contains(&0) || self.dilation.contains(&0) {
            bail!("conv_transpose3d: stride and dilation must be at least 1, found {self:?}")
        }
        for axis in 0..3 {
            if self.output_padding[axis] >= self.stride[axis].max(self.dilation[axis]) {
                bail!("conv_transpose3d: output padding must be below stride or dilation, found {self:?}")
            }
        }
        if in_channels != weight_in {
            bail!(
                "conv_transpose3d: input {:?} has {in_channels} channels, weight {:?} takes {weight_in}",
                x.dims(),
                weight.dims()
            )
        }
        check_bias("conv_transpose3d", bias, out_channels)?;
        if self.output_size([d, h, w], [kd, kh, kw]).is_none() {
            bail!(
                "conv_transpose3d: nothing is left of the output of {:?} with {:?} and {self:?}",
                x.dims(),
                weight.dims()
            )
        }
        Ok(())
    }
}

/// Window, stride and padding of a pooling, per axis z, y, x.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pool3dParams {
    /// Window in voxels.
    pub kernel: [usize; 3],
    /// Step between windows, in input voxels.
    pub stride: [usize; 3],
    /// Voxels put before and after the input.
    pub padding: [usize; 3],
}

impl Pool3dParams {
    /// The same window, stride and padding on all axes.
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

    /// Checks the argument of a pooling.
    pub(crate) fn check(&self, x: &Tensor) -> Result<()> {
        let (_, _, d, h, w) = x.dims5()?;
        if self.stride.contains(&0) || self.kernel.contains(&0) {
            bail!("pooling: window and stride must be at least 1, found {self:?}")
        }
        if (0..3).any(|axis| 2 * self.padding[axis] > self.kernel[axis]) {
            bail!("pooling: padding must be at most half the window, found {self:?}")
        }
        if self.output_size([d, h, w]).is_none() {
            bail!("pooling: the window of {self:?} does not fit input {:?}", x.dims())
        }
        Ok(())
    }
}

/// How values between voxels are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The voxel whose share of the axis the output lies in.
    Nearest,
    /// Linear along each axis.
    Trilinear {
        /// Whether the centres of the corner voxels coincide; if not, the corners of the grids do.
        align_corners: bool,
    },
}

fn check_bias(op: &str, bias: Option<&Tensor>, out_channels: usize) -> Result<()> {
    match bias {
        Some(bias) if bias.dims() != [out_channels] => {
            bail!("{op}: bias should have shape [{out_channels}], found {:?}", bias.dims())
        }
        _ => Ok(()),
    }
}

/// Checks that `x` is a batch and each of `vectors` has one value by channel.
pub(crate) fn check_channels(op: &str, x: &Tensor, vectors: &[&Tensor]) -> Result<()> {
    let (_, channels, ..) = x.dims5()?;
    for vector in vectors {
        if vector.dims() != [channels] {
            bail!("{op}: input {:?} has {channels} channels, found a vector {:?}", x.dims(), vector.dims())
        }
    }
    Ok(())
}
