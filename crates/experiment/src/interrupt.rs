//! Ctrl-C: the first asks the work to end at its next step, the second ends it at once. Either is safe, as
//! is a kill: every file comes to its place in one step.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Ending, Interrupted};
use crate::progress::say;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Listens for Ctrl-C from now on.
///
/// # Errors
/// A system that lets nobody listen.
pub fn listen() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(Ending::Interrupted as i32);
        }
        say("stopping (again to stop at once) …");
    })?;
    Ok(())
}

/// Ends the work here where the user asked for it.
///
/// # Errors
/// [`Interrupted`].
pub fn check() -> anyhow::Result<()> {
    if ASKED.load(Ordering::SeqCst) { Err(Interrupted.into()) } else { Ok(()) }
}

/// The same for the libraries' progress callbacks.
pub fn flow() -> ControlFlow<()> {
    if ASKED.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
