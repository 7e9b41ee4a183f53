//! Memory that the program keeps from one tensor to the next.
//!
//! A training step frees each of its large tensors and asks for the same again. The system's allocator gives such memory
//! back at once, and every page of it has to be mapped and zeroed anew: a quarter of a step's time.
#![allow(unsafe_code, reason = "two calls of the C library, each with its reason")]

/// From here on, freed memory stays with the program, where the system's allocator can be told so. To be called before there
/// are threads.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` takes any numbers; the caller sees to it that there are no threads.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// Gives freed memory back to the system.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
