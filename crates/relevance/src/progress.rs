//! Progress and cancellation.

use std::ops::ControlFlow;

/// A function that is called with the number of finished regions, samples or boxes since the last call, possibly from
/// several threads; `Break` ends the work with [`Error::Cancelled`](crate::Error::Cancelled).
pub type Progress<'a> = &'a (dyn Fn(usize) -> ControlFlow<()> + Sync);

/// A [`Progress`] that ignores its calls.
pub fn silent(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
