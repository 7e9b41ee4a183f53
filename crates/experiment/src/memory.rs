//! Memory of a program: reuse of freed memory, and the message where memory is exhausted.
//!
//! A training step frees its large tensors and allocates tensors of the same size again. By default the C library
//! returns such memory to the operating system immediately, and every page has to be mapped and zeroed again: a quarter
//! of the time of a step.
#![allow(
    unsafe_code,
    reason = "calls of the C library and of the system's allocator, each with its safety argument"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::failure::ExitStatus;

/// The system's allocator for a program. Where it has no memory left, the program ends with a message and the exit code of
/// invalid input (more memory, fewer threads or a smaller crop help) instead of being aborted.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: every method returns what the system's allocator returned for the same arguments, or does not return.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is that of the same method.
        required(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is that of the same method.
        required(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is that of the same method, and the memory came from the system's allocator.
        required(unsafe { System.realloc(memory, layout, size) }, size)
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is that of the same method, and the memory came from the system's allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn required(memory: *mut u8, bytes: usize) -> *mut u8 {
    static REPORTED: AtomicBool = AtomicBool::new(false);
    if memory.is_null() {
        while REPORTED.swap(true, Ordering::SeqCst) {
            // Another thread ends the process.
            std::thread::sleep(Duration::from_secs(1));
        }
        // Neither allocates: stderr has no buffer.
        let _ = writeln!(
            std::io::stderr(),
            "error: expected {} MiB more memory, found none; run the same command again with more memory or fewer --threads",
            bytes.div_ceil(1 << 20)
        );
        exit(ExitStatus::InvalidInput as i32);
    }
    memory
}

/// Ends the process without the exit handlers of libraries, which may need memory.
fn exit(code: i32) -> ! {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `_exit` may be called at any time: files of a run are complete or temporary at any time.
    unsafe {
        libc::_exit(code)
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    std::process::exit(code)
}

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
