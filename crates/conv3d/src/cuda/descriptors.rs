//! cuDNN's descriptors of a convolution and its tensors, freed when dropped.

use super::problem::Problem;
use crate::Precision;
use candle_core::DType;
use candle_core::cuda_backend::cudarc::cudnn::{CudnnError, result, sys};
use std::ffi::c_int;

/// The descriptors of one convolution.
pub(super) struct Descriptors {
    pub input: sys::cudnnTensorDescriptor_t,
    pub output: sys::cudnnTensorDescriptor_t,
    pub weight: sys::cudnnFilterDescriptor_t,
    pub convolution: sys::cudnnConvolutionDescriptor_t,
}

impl Descriptors {
    /// Creates descriptors of contiguous tensors, with the arithmetic that `precision` allows.
    pub(super) fn new(problem: &Problem, precision: Precision) -> Result<Self, CudnnError> {
        // Filled one by one, so that an error on the way frees what is there.
        let mut all = Self {
            input: std::ptr::null_mut(),
            output: std::ptr::null_mut(),
            weight: std::ptr::null_mut(),
            convolution: std::ptr::null_mut(),
        };
        let data_type = match problem.dtype {
            DType::BF16 => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
            _ => sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
        };
        all.input = tensor(data_type, problem.input)?;
        all.output = tensor(data_type, problem.output)?;
        all.weight = result::create_filter_descriptor()?;
        let dims = problem.weight.map(|size| size as c_int);
        let format = sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW;
        // SAFETY: the descriptor was made above, and `dims` holds the five sizes that are announced.
        unsafe { result::set_filternd_descriptor(all.weight, data_type, format, 5, dims.as_ptr()) }?;
        all.convolution = result::create_convolution_descriptor()?;
        let [padding, stride, dilation] = [problem.padding, problem.stride, problem.dilation]
            .map(|values| values.map(|value| value as c_int));
        // SAFETY: the descriptor was made above, and each array holds the three numbers that are announced.
        unsafe {
            result::set_convolutionnd_descriptor(
                all.convolution,
                3,
                padding.as_ptr(),
                stride.as_ptr(),
                dilation.as_ptr(),
                sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION,
                // Sums are float32, also of bfloat16.
                sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
            )
        }?;
        all.allow(precision)?;
        Ok(all)
    }

    /// Allows the arithmetic of a precision.
    pub(super) fn allow(&self, precision: Precision) -> Result<(), CudnnError> {
        self.set_math(match precision {
            // cuDNN's default takes TF32, whose products have 10 bits, for float32.
            Precision::F32 => sys::cudnnMathType_t::CUDNN_FMA_MATH,
            Precision::Tf32 => sys::cudnnMathType_t::CUDNN_DEFAULT_MATH,
            Precision::Bf16 => sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH,
        })
    }

    /// Sets the arithmetic of products.
    pub(super) fn set_math(&self, math: sys::cudnnMathType_t) -> Result<(), CudnnError> {
        // SAFETY: the descriptor lives as long as `self`.
        unsafe { result::set_convolution_math_type(self.convolution, math) }
    }
}

fn tensor(
    data_type: sys::cudnnDataType_t,
    shape: [usize; 5],
) -> Result<sys::cudnnTensorDescriptor_t, CudnnError> {
    let descriptor = result::create_tensor_descriptor()?;
    let dims = shape.map(|size| size as c_int);
    let mut strides = [1; 5];
    for axis in (0..4).rev() {
        strides[axis] = strides[axis + 1] * dims[axis + 1];
    }
    // SAFETY: the descriptor was just made, and both arrays hold the five numbers that are announced.
    let set =
        unsafe { result::set_tensornd_descriptor(descriptor, data_type, 5, dims.as_ptr(), strides.as_ptr()) };
    if set.is_err() {
        // SAFETY: it was made above and nobody else has it.
        let _ = unsafe { result::destroy_tensor_descriptor(descriptor) };
    }
    set.map(|()| descriptor)
}

impl Drop for Descriptors {
    fn drop(&mut self) {
        // An error would mean an invalid descriptor, and nothing could be done about it here.
        for tensor in [self.input, self.output] {
            if !tensor.is_null() {
                // SAFETY: made by `new`, and freed here alone.
                let _ = unsafe { result::destroy_tensor_descriptor(tensor) };
            }
        }
        if !self.weight.is_null() {
            // SAFETY: made by `new`, and freed here alone.
            let _ = unsafe { result::destroy_filter_descriptor(self.weight) };
        }
        if !self.convolution.is_null() {
            // SAFETY: made by `new`, and freed here alone.
            let _ = unsafe { result::destroy_convolution_descriptor(self.convolution) };
        }
    }
}
