//! A Python function as a classifier.

use std::sync::Arc;

use ndarray::{Array2, ArrayView4, ArrayView5, Axis};
use numpy::{PyArrayMethods, PyReadonlyArray2, ToPyArray};
use pyo3::prelude::*;
use relevox::relevance::{Classifier, Error};

use crate::failure::Passing;

/// A function of a batch `[n, c, z, y, x]` that returns `[n, k]` in single precision.
pub(crate) struct Callback {
    function: Py<PyAny>,
    outputs: usize,
    batch_size: Option<usize>,
    passing: Arc<Passing>,
}

impl Callback {
    /// Calls the function with an image, for the number of its outputs. Returns the outputs, too.
    ///
    /// # Errors
    /// Returns the function's exception, or a `TypeError` if it returns another type.
    pub(crate) fn new(
        py: Python<'_>,
        function: Py<PyAny>,
        image: ArrayView4<'_, f32>,
        batch_size: Option<usize>,
        passing: Arc<Passing>,
    ) -> PyResult<(Self, Vec<f32>)> {
        let first = call(py, &function, image.insert_axis(Axis(0)))?;
        let callback = Self { function, outputs: first.ncols(), batch_size, passing };
        Ok((callback, first.into_raw_vec_and_offset().0))
    }
}

impl Classifier for Callback {
    fn outputs(&self) -> usize {
        self.outputs
    }

    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        Python::attach(|py| {
            py.check_signals().and_then(|()| call(py, &self.function, batch)).map_err(|error| {
                let text = error.to_string();
                self.passing.store(error);
                Error::black_box(text)
            })
        })
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        // As many as fit into 64 MiB.
        let bytes = shape.iter().product::<usize>() * size_of::<f32>();
        self.batch_size.unwrap_or_else(|| ((64 << 20) / bytes.max(1)).clamp(1, 16))
    }
}

fn call(py: Python<'_>, function: &Py<PyAny>, batch: ArrayView5<'_, f32>) -> PyResult<Array2<f32>> {
    let outputs = function.bind(py).call1((batch.to_pyarray(py),))?;
    let outputs: PyReadonlyArray2<'_, f32> = outputs.extract()?;
    Ok(outputs.to_owned_array())
}
