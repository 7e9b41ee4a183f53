//! Peak memory beyond the input is at most 16 + 4 · (channels − 1) bytes per voxel.

#![allow(unsafe_code, reason = "an allocator that counts bytes")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array3, Array4};
use slic3d::Slic;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every request is forwarded to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller upholds the contract of `GlobalAlloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Memory that does not grow with the image: threads, tables of tiles and clusters.
const FIXED: usize = 1 << 20;

#[test]
fn peak_memory_is_bounded() {
    let side = 96;
    // The first call starts the threads.
    Slic::new(2).segment_volume(Array3::zeros((8, 8, 8)).view(), None).expect("a segmentation");
    for channels in [1, 3] {
        for noise in [0_u32, 1000] {
            let image = Array4::from_shape_fn((channels, side, side, side), |(c, z, y, x)| {
                let hash = ((c * 97 + z * side + y) * side + x) as u32;
                let shells = (z / 9 + y / 7 + x / 11) as u32 * 40;
                (shells + (hash.wrapping_mul(0x9e37_79b1) >> 16) % (noise + 1)) as f32
            });
            let mask = Array3::from_shape_fn((side, side, side), |(z, y, x)| (z + y + x) & 7 != 0);
            for (compactness, masked) in [(10.0, false), (0.01, false), (10.0, true), (0.01, true)] {
                let slic = Slic::new(100).compactness(compactness);
                let mask = masked.then(|| mask.view());
                let before = LIVE.load(Ordering::Relaxed);
                PEAK.store(before, Ordering::Relaxed);
                slic.segment(image.view(), mask).expect("a segmentation");
                let used = PEAK.load(Ordering::Relaxed) - before;
                let bound = (16 + 4 * (channels - 1)) * side.pow(3) + FIXED;
                assert!(
                    used <= bound,
                    "{channels} channels, noise {noise}, {compactness}, {masked}: {used} of {bound}"
                );
                assert!(used >= (4 + 4 * channels) * side.pow(3), "the image is not counted: {used}");
            }
        }
    }
}
