//! Prefetching of memory that is read in an order that the hardware does not detect.

/// Prefetches a value if the index is in the slice.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(value) = values.get(at) {
        // SAFETY: the reference is valid, and a prefetch reads nothing.
        #[allow(unsafe_code, reason = "a hint without effect on values")]
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
                std::ptr::from_ref(value).cast(),
            );
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, at);
}
