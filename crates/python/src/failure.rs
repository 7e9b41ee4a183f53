//! Errors as Python's exceptions, and exceptions that pass through computations.

use std::fmt::Display;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyKeyboardInterrupt, PyNotImplementedError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use relevox::{Error, models, relevance, volume};

/// An exception that ended a computation, of a callback or of Ctrl-C: it is raised in place of the computation's error.
#[derive(Default)]
pub(crate) struct Passing(Mutex<Option<PyErr>>);

impl Passing {
    /// Stores an exception, unless there is one already.
    pub(crate) fn store(&self, error: PyErr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// Returns the stored exception, or else that of an error.
    pub(crate) fn or_error(&self, error: Error) -> PyErr {
        self.take().unwrap_or_else(|| exception(error))
    }

    /// Removes the stored exception.
    pub(crate) fn take(&self) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Reports finished steps to Python, and stops where Ctrl-C was pressed or the report raises an exception.
    pub(crate) fn report(&self, progress: Option<&Py<PyAny>>, steps: usize) -> ControlFlow<()> {
        let told = Python::attach(|py| {
            py.check_signals()?;
            progress.map_or(Ok(()), |progress| progress.call1(py, (steps,)).map(drop))
        });
        match told {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.store(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Returns the exception of an error.
pub(crate) fn exception(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Relevance(relevance::Error::Cancelled) => PyKeyboardInterrupt::new_err(()),
        Error::Relevance(relevance::Error::BlackBox(_)) => PyRuntimeError::new_err(text),
        Error::Volume(volume::Error::Io { .. }) | Error::Model(models::Error::Io { .. }) => {
            PyOSError::new_err(text)
        }
        Error::Unsupported { .. } => PyNotImplementedError::new_err(text),
        Error::Model(error) if error.unsupported_operator().is_some() => PyNotImplementedError::new_err(text),
        Error::Runtime(_) => PyRuntimeError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// Returns a `ValueError`.
pub(crate) fn invalid(error: impl Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}
