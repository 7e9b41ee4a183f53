//! A buffer of which one part is written while others are read.

use std::ops::Range;

/// What lies beside the written part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside<'a> {
    before: &'a [f32],
    after: &'a [f32],
    /// Index of the first value after the part.
    end: usize,
}

impl<'a> Beside<'a> {
    /// Returns a range of the buffer.
    ///
    /// # Panics
    /// Panics if the range overlaps the written part: a step does not read what it writes.
    pub(super) fn get(self, range: Range<usize>) -> &'a [f32] {
        if range.end <= self.before.len() {
            return &self.before[range];
        }
        assert!(range.start >= self.end, "{range:?} is being written");
        &self.after[range.start - self.end..range.end - self.end]
    }
}

/// Separates a part of a buffer from the rest.
pub(super) fn separate(buffer: &mut [f32], part: Range<usize>) -> (&mut [f32], Beside<'_>) {
    let (before, rest) = buffer.split_at_mut(part.start);
    let (own, after) = rest.split_at_mut(part.len());
    (own, Beside { before, after, end: part.end })
}
