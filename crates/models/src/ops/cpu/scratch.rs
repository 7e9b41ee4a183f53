//! Buffers that tasks reuse, and an output that tasks share.

use std::cell::RefCell;
use std::marker::PhantomData;

thread_local! {
    static BUFFERS: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Two of this thread's buffers, to be given back when a task is done.
///
/// Kernels hold this value rather than pass a closure: a closure would not inherit their instruction set.
pub(crate) struct Scratch {
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Scratch {
    pub(crate) fn take() -> Scratch {
        let (first, second) = BUFFERS.with(RefCell::take);
        Scratch { first, second }
    }

    /// Both buffers at the given lengths, with unspecified contents.
    pub(crate) fn lend(&mut self, first: usize, second: usize) -> (&mut [f32], &mut [f32]) {
        if self.first.len() < first {
            self.first.resize(first, 0.0);
        }
        if self.second.len() < second {
            self.second.resize(second, 0.0);
        }
        (&mut self.first[..first], &mut self.second[..second])
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffers = (std::mem::take(&mut self.first), std::mem::take(&mut self.second));
        BUFFERS.with(|kept| kept.replace(buffers));
    }
}

/// A mutable slice whose disjoint elements several tasks write at once.
#[derive(Clone, Copy)]
pub(crate) struct SharedMut<'a> {
    start: *mut f32,
    length: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: `at` leaves it to its caller that no element is touched by two tasks at once.
unsafe impl Send for SharedMut<'_> {}
// SAFETY: as above.
unsafe impl Sync for SharedMut<'_> {}

impl<'a> SharedMut<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> SharedMut<'a> {
        SharedMut { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    /// Where element `index` lies.
    ///
    /// # Safety
    /// `index` must be inside the slice, and no two tasks may touch the same element.
    #[inline(always)]
    pub(crate) unsafe fn at(&self, index: usize) -> *mut f32 {
        debug_assert!(index < self.length);
        // SAFETY: the caller's contract.
        unsafe { self.start.add(index) }
    }
}
