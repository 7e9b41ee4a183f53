//! Ctrl-C: the first stops the work at its next step, the second exits immediately.
//!
//! Both are safe, as is killing the process: files are replaced atomically.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::failure::{ExitStatus, Interrupted};
use crate::progress::print_status;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Installs the Ctrl-C handler.
///
/// # Errors
/// Returns an error if the operating system does not accept the handler.
pub fn install_handler() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(ExitStatus::Interrupted as i32);
        }
        print_status("stopping; press Ctrl-C again to stop immediately");
    })
    .context("starting a thread that waits for Ctrl-C")
}

/// Returns an error if the user has pressed Ctrl-C.
///
/// # Errors
/// Returns [`Interrupted`].
pub fn check() -> anyhow::Result<()> {
    if REQUESTED.load(Ordering::SeqCst) { Err(Interrupted.into()) } else { Ok(()) }
}

/// Returns [`ControlFlow::Break`] if the user has pressed Ctrl-C, for progress callbacks of the libraries.
pub fn flow() -> ControlFlow<()> {
    if REQUESTED.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
