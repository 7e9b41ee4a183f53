//! Reuse of freed memory by the allocator.
//!
//! A training step frees its large tensors and allocates tensors of the same size again. By default the C library
//! returns such memory to the operating system immediately, and every page has to be mapped and zeroed again: a quarter
//! of the time of a step.
#![allow(unsafe_code, reason = "two calls of the C library, each with its safety argument")]

/// Keeps freed memory in the process, where the C library supports it. Call it before starting threads.
pub fn retain_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` accepts any values; the caller has not started threads yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// Returns freed memory to the operating system.
pub fn release_freed() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
