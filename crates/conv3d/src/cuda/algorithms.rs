//! cuDNN's algorithms for a convolution: candidates, measurements, and execution.

use super::descriptors::Descriptors;
use super::problem::Pass;
use crate::Precision;
use candle_core::cuda_backend::cudarc::cudnn::{CudnnError, result, sys};
use std::ffi::{c_int, c_void};

/// Upper bound of the number of algorithms, counted per arithmetic.
const MOST: usize = 24;

/// An algorithm of one pass.
#[derive(Clone, Copy, Debug)]
pub(super) enum Algorithm {
    Output(sys::cudnnConvolutionFwdAlgo_t),
    Input(sys::cudnnConvolutionBwdDataAlgo_t),
    Weight(sys::cudnnConvolutionBwdFilterAlgo_t),
}

/// cuDNN's report on an algorithm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub algorithm: Algorithm,
    /// Bytes of workspace.
    pub memory: usize,
    pub math: sys::cudnnMathType_t,
    works: bool,
}

impl Candidate {
    /// Returns whether the precision allows the algorithm: float32 needs one without tensor cores.
    pub(super) fn is_allowed(&self, precision: Precision) -> bool {
        let tensor_cores = matches!(
            self.math,
            sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH
                | sys::cudnnMathType_t::CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION
        );
        self.works && (precision != Precision::F32 || !tensor_cores)
    }
}

/// Device addresses of a convolution's tensors and the workspace.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    pub input: *mut c_void,
    pub output: *mut c_void,
    pub weight: *mut c_void,
    pub workspace: *mut c_void,
    /// Bytes of the workspace.
    pub room: usize,
}

/// Calls one of cuDNN's functions for candidates, which have the same signature.
macro_rules! candidates {
    ($kind:path, |$most:ident, $count:ident, $results:ident| $ask:expr) => {{
        let mut found: c_int = 0;
        // SAFETY: the struct is numbers and enums that have a variant 0.
        let mut all = [unsafe { std::mem::zeroed() }; MOST];
        let ($most, $count, $results) = (MOST as c_int, &raw mut found, all.as_mut_ptr());
        $ask?;
        let one = |index: usize| Candidate {
            algorithm: $kind(all[index].algo),
            memory: all[index].memory,
            math: all[index].mathType,
            works: all[index].status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS,
        };
        Ok((0..(found.max(0) as usize).min(MOST)).map(one).collect())
    }};
}

/// Returns the algorithms that cuDNN predicts to be the fastest, best first. Nothing is executed.
///
/// # Safety
/// `handle` is valid and not used by another thread during the call.
pub(super) unsafe fn expected(
    handle: sys::cudnnHandle_t,
    pass: Pass,
    of: &Descriptors,
) -> Result<Vec<Candidate>, CudnnError> {
    let conv = of.convolution;
    match pass {
        Pass::Output => candidates!(Algorithm::Output, |most, count, results| {
            // SAFETY: the descriptors live in `of`; `results` has room for `most`.
            unsafe {
                result::get_convolution_forward_algorithm(
                    handle, of.input, of.weight, conv, of.output, most, count, results,
                )
            }
        }),
        Pass::Input => candidates!(Algorithm::Input, |most, count, results| {
            // SAFETY: the descriptors live in `of`; `results` has room for `most`.
            unsafe {
                result::get_convolution_backward_data_algorithm(
                    handle, of.weight, of.output, conv, of.input, most, count, results,
                )
            }
        }),
        Pass::Weight => candidates!(Algorithm::Weight, |most, count, results| {
            // SAFETY: the descriptors live in `of`; `results` has room for `most`.
            unsafe {
                result::get_convolution_backward_filter_algorithm(
                    handle, of.input, of.output, conv, of.weight, most, count, results,
                )
            }
        }),
    }
}

/// Measures the algorithms that fit into the workspace, fastest first. The result of the pass is overwritten.
///
/// # Safety
/// As [`expected`]; the addresses are of contiguous tensors as `of` describes them and of a workspace of that size.
pub(super) unsafe fn measured(
    handle: sys::cudnnHandle_t,
    pass: Pass,
    of: &Descriptors,
    at: Addresses,
) -> Result<Vec<Candidate>, CudnnError> {
    let conv = of.convolution;
    let (input, output, weight) = (at.input, at.output, at.weight);
    let (workspace, room) = (at.workspace, at.room);
    match pass {
        Pass::Output => candidates!(Algorithm::Output, |most, count, results| {
            // SAFETY: as the caller promises.
            unsafe {
                sys::cudnnFindConvolutionForwardAlgorithmEx(
                    handle, of.input, input, of.weight, weight, conv, of.output, output, most, count,
                    results, workspace, room,
                )
            }
            .result()
        }),
        Pass::Input => candidates!(Algorithm::Input, |most, count, results| {
            // SAFETY: as the caller promises.
            unsafe {
                sys::cudnnFindConvolutionBackwardDataAlgorithmEx(
                    handle, of.weight, weight, of.output, output, conv, of.input, input, most, count,
                    results, workspace, room,
                )
            }
            .result()
        }),
        Pass::Weight => candidates!(Algorithm::Weight, |most, count, results| {
            // SAFETY: as the caller promises.
            unsafe {
                sys::cudnnFindConvolutionBackwardFilterAlgorithmEx(
                    handle, of.input, input, of.output, output, conv, of.weight, weight, most, count,
                    results, workspace, room,
                )
            }
            .result()
        }),
    }
}

/// Computes a pass.
///
/// # Safety
/// As [`measured`].
pub(super) unsafe fn run(
    handle: sys::cudnnHandle_t,
    algorithm: Algorithm,
    of: &Descriptors,
    at: Addresses,
) -> Result<(), CudnnError> {
    let (one, zero) = (1.0f32, 0.0f32);
    let (alpha, beta) = ((&raw const one).cast::<c_void>(), (&raw const zero).cast::<c_void>());
    let conv = of.convolution;
    let (input, output, weight) = (at.input, at.output, at.weight);
    let (workspace, room) = (at.workspace, at.room);
    match algorithm {
        // SAFETY: as the caller promises; the factors are float32, as sums are.
        Algorithm::Output(algorithm) => unsafe {
            result::convolution_forward(
                handle, alpha, of.input, input, of.weight, weight, conv, algorithm, workspace, room, beta,
                of.output, output,
            )
        },
        // SAFETY: as the caller promises; the factors are float32, as sums are.
        Algorithm::Input(algorithm) => unsafe {
            result::convolution_backward_data(
                handle, alpha, of.weight, weight, of.output, output, conv, algorithm, workspace, room, beta,
                of.input, input,
            )
        },
        // SAFETY: as the caller promises; the factors are float32, as sums are.
        Algorithm::Weight(algorithm) => unsafe {
            result::convolution_backward_filter(
                handle, alpha, of.input, input, of.output, output, conv, algorithm, workspace, room, beta,
                of.weight, weight,
            )
        },
    }
}
