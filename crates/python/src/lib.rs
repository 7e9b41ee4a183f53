//! The extension module of the Python package `relevox`; `python/relevox` has the functions that people call.
//!
//! Python arrays are `[c, i, j, k]` in the axes that the network takes; here they are `[c, z, y, x]`. With an affine, which
//! maps the indices `(i, j, k)` to millimetres as in nibabel, a volume is written with `i` as NIfTI's x.

#![allow(clippy::result_large_err, reason = "errors become exceptions where they arise")]

// Executables, such as those of tests, could not be linked without Python's library.
#[cfg(not(test))]
mod ablation;
#[cfg(not(test))]
mod callback;
#[cfg(not(test))]
mod curves;
#[cfg(not(test))]
mod evaluation;
#[cfg(not(test))]
mod explain;
#[cfg(not(test))]
mod explanation;
#[cfg(not(test))]
mod failure;
#[cfg(not(test))]
mod module;
#[cfg(not(test))]
mod network;
#[cfg(not(test))]
mod page;
#[cfg(not(test))]
mod partition;
#[cfg(not(test))]
mod place;
#[cfg(not(test))]
mod pool;
#[cfg(not(test))]
mod slic;
