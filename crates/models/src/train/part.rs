//! A part of a batch, and measurements that add up over parts.

use std::ops::Range;

/// Measurements of a batch, added up over its parts.
pub trait Measured: Default {
    /// Adds the measurements of a part.
    fn add(&mut self, part: Self);
    /// Returns the loss.
    fn loss(&self) -> f64;
}

impl Measured for f64 {
    fn add(&mut self, part: Self) {
        *self += part;
    }

    fn loss(&self) -> f64 {
        *self
    }
}

/// A part of a batch: the whole batch unless the device's memory is too small for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Examples of the part, counted from the batch's first.
    pub range: Range<usize>,
    /// Number of examples of the batch.
    pub batch: usize,
}

impl Part {
    /// Returns whether the part is the whole batch.
    pub fn is_whole(&self) -> bool {
        self.range.len() == self.batch
    }

    /// Returns the part's share of the batch.
    pub fn share(&self) -> f64 {
        self.range.len() as f64 / self.batch as f64
    }
}
