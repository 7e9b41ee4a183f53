//! Errors that a smaller batch avoids.

use candle_core::Error;

/// Part of the message about a tensor that a smaller batch would make small enough.
pub const TOO_LARGE: &str = "more than 2³¹ − 1 elements";

/// Returns whether a smaller batch may help: the device is out of memory, or a tensor has more elements than a library
/// of the device can count.
pub fn is_exhausted(error: &Error) -> bool {
    match error {
        Error::WithBacktrace { inner, .. } | Error::Context { inner, .. } | Error::WithPath { inner, .. } => {
            is_exhausted(inner)
        }
        // The device's libraries report it as text: CUDA_ERROR_OUT_OF_MEMORY, CUDNN_STATUS_ALLOC_FAILED,
        // CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED, CUBLAS_STATUS_ALLOC_FAILED,
        // CURAND_STATUS_ALLOCATION_FAILED.
        Error::Cuda(_)
        | Error::Metal(_)
        | Error::Wrapped(_)
        | Error::WrappedContext { .. }
        | Error::Msg(_) => {
            let text = error.to_string();
            ["OUT_OF_MEMORY", "ALLOC_FAILED", "ALLOCATION_FAILED", TOO_LARGE]
                .iter()
                .any(|sign| text.contains(sign))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhaustion_is_found_under_context() {
        let out_of_memory = Error::Cuda("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")".into());
        assert!(is_exhausted(&out_of_memory.context("conv3d")));
        assert!(is_exhausted(&Error::msg(format!("conv3d: [1] has {TOO_LARGE}"))));
        assert!(is_exhausted(&Error::Cuda("CURAND_STATUS_ALLOCATION_FAILED".into())));
        assert!(!is_exhausted(&Error::msg("conv3d: channels differ")));
    }
}
