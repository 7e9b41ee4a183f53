//! Reused buffers, and an output shared by tasks.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Mutex, PoisonError};

thread_local! {
    static BUFFERS: RefCell<(Lines, Lines)> = const { RefCell::new((Lines::new(), Lines::new())) };
}

/// Values of a line of the cache.
const LINE: usize = 64 / size_of::<f32>();

/// Values that begin where a line of the cache does, so that no vector of a block lies across two lines. With AVX-512 every
/// one would otherwise, and transforming tiles took up to twice as long.
#[derive(Debug, Default)]
pub struct Lines {
    values: Vec<f32>,
    /// Where the first line begins.
    skip: usize,
    len: usize,
}

impl Lines {
    /// Creates a buffer without values.
    pub const fn new() -> Lines {
        Lines { values: Vec::new(), skip: 0, len: 0 }
    }

    /// Creates a buffer of `len` zeros.
    pub fn zeros(len: usize) -> Lines {
        let values = vec![0.0f32; len + LINE - 1];
        // Where the address is not known there is no alignment either.
        let skip = Some(values.as_ptr().align_offset(LINE * size_of::<f32>())).filter(|&skip| skip < LINE);
        Lines { values, skip: skip.unwrap_or(0), len }
    }

    /// Creates a buffer of these values.
    pub fn of(values: &[f32]) -> Lines {
        let mut lines = Lines::zeros(values.len());
        lines.copy_from_slice(values);
        lines
    }
}

impl Deref for Lines {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values[self.skip..][..self.len]
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.skip..][..self.len]
    }
}

/// Two of this thread's buffers, returned when dropped.
///
/// Kernels use this value rather than a closure, which would not be compiled for their instruction set.
pub(crate) struct Scratch {
    first: Lines,
    second: Lines,
}

impl Scratch {
    pub(crate) fn take() -> Scratch {
        let (first, second) = BUFFERS.with(RefCell::take);
        Scratch { first, second }
    }

    /// Returns both buffers at the given lengths, with unspecified contents.
    pub(crate) fn lend(&mut self, first: usize, second: usize) -> (&mut [f32], &mut [f32]) {
        if self.first.len() < first {
            self.first = Lines::zeros(first);
        }
        if self.second.len() < second {
            self.second = Lines::zeros(second);
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

/// A pool of buffers, so that calls do not allocate.
#[derive(Debug, Default)]
pub(crate) struct Spare(Mutex<Vec<Lines>>);

impl Spare {
    pub(crate) const fn new() -> Spare {
        Spare(Mutex::new(Vec::new()))
    }

    /// Takes a buffer of `len` unspecified values.
    pub(crate) fn take(&self, len: usize) -> Lent<'_> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = (0..kept.len()).filter(|&at| kept[at].len() >= len).min_by_key(|&at| kept[at].len());
        let values = match fits {
            Some(at) => kept.swap_remove(at),
            None => {
                // The new buffer replaces one that is too small.
                kept.pop();
                drop(kept);
                Lines::zeros(len)
            }
        };
        Lent { of: self, values, len }
    }
}

/// A buffer of a [`Spare`], returned when dropped.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    of: &'a Spare,
    values: Lines,
    len: usize,
}

impl Deref for Lent<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values[..self.len]
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.len]
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.values);
        self.of.0.lock().unwrap_or_else(PoisonError::into_inner).push(values);
    }
}

/// A mutable slice of which several tasks write disjoint elements.
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

    /// Returns a part of the slice.
    ///
    /// # Panics
    /// Panics if the range is not inside the slice.
    pub(crate) fn part(&self, range: Range<usize>) -> SharedMut<'a> {
        assert!(range.start <= range.end && range.end <= self.length, "{range:?} of {}", self.length);
        SharedMut { start: self.start.wrapping_add(range.start), length: range.len(), slice: PhantomData }
    }

    /// Returns the address of element `index`.
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
