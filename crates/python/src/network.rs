//! Classifiers of preprocessed images.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::{IntoPyArray, PyArray2, PyReadonlyArray4, PyReadonlyArray5};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use relevox::relevance::{Classifier, Link, Target};
use relevox::volume::OutputTarget;
use relevox::{Error, ModelOptions, Runtime, TensorModel, models};

use crate::callback::Callback;
use crate::failure::{Passing, exception};

/// A classifier of images `[c, z, y, x]`: a network from a file, or a Python function.
#[pyclass(frozen, module = "relevox._relevox")]
pub(crate) struct Network {
    pub(crate) model: TensorModel,
    pub(crate) passing: Arc<Passing>,
    /// Outputs of the first image that a function was called with.
    first: Option<Vec<f32>>,
}

#[pymethods]
impl Network {
    /// Loads a network from a file, for images of this size.
    #[staticmethod]
    #[pyo3(signature = (path, size, runtime = "auto"))]
    fn load(py: Python<'_>, path: PathBuf, size: [usize; 3], runtime: &str) -> PyResult<Self> {
        let runtime: Runtime = runtime.parse().map_err(|error: Error| exception(error))?;
        let options = ModelOptions { image_size: Some(size), runtime, ..ModelOptions::default() };
        let load = || {
            let device = models::device("cpu")?;
            TensorModel::load_with(&[path], &device, &options)
        };
        let model = py.detach(load).map_err(exception)?;
        Ok(Self { model, passing: Arc::default(), first: None })
    }

    /// Makes a classifier of a function from `[n, c, z, y, x]` to `[n, k]`, which is called with the image first.
    #[staticmethod]
    #[pyo3(signature = (function, image, batch_size = None))]
    fn of_function(
        py: Python<'_>,
        function: Py<PyAny>,
        image: PyReadonlyArray4<'_, f32>,
        batch_size: Option<usize>,
    ) -> PyResult<Self> {
        if batch_size == Some(0) {
            return Err(PyValueError::new_err("batch_size: expected at least 1, found 0"));
        }
        let passing = Arc::<Passing>::default();
        let (callback, first) =
            Callback::new(py, function, image.as_array(), batch_size, Arc::clone(&passing))?;
        let model = TensorModel::new(callback, &ModelOptions::default()).map_err(exception)?;
        Ok(Self { model, passing, first: Some(first) })
    }

    /// Computes the outputs `[n, k]` of a batch.
    fn logits<'py>(
        &self,
        py: Python<'py>,
        batch: PyReadonlyArray5<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let batch = batch.as_array();
        let outputs = py.detach(|| self.model.logits(batch));
        Ok(outputs.map_err(|error| self.passing.or_error(error.into()))?.into_pyarray(py))
    }

    /// Number of outputs.
    #[getter]
    fn outputs(&self) -> usize {
        self.model.outputs()
    }

    /// What was assumed about the network, one line each.
    #[getter]
    fn assumed(&self) -> Vec<String> {
        let assumed = self.model.assumed().iter();
        assumed.map(|line| line.replace("--output states", "activation= states")).collect()
    }

    /// Outputs of the first image that a function was called with.
    #[getter]
    fn first(&self) -> Option<Vec<f32>> {
        self.first.clone()
    }
}

impl Network {
    /// Returns the explained output; the activation precedes what the model states.
    ///
    /// # Errors
    /// Returns a `ValueError` if there is no such output or activation, and the exception of a function.
    pub(crate) fn target(
        &self,
        py: Python<'_>,
        image: ndarray::ArrayView4<'_, f32>,
        requested: Option<&str>,
        activation: Option<&str>,
    ) -> PyResult<Target> {
        let link = match activation {
            None => None,
            Some(name) => Some(name.parse::<Link>().map_err(|_| {
                let expected = "softmax, sigmoid, value or None";
                PyValueError::new_err(format!("activation: expected {expected}, found {name}"))
            })?),
        };
        let requested = requested.map(OutputTarget::parse);
        let found = py.detach(|| self.model.target(requested.as_ref(), image));
        let target = found.map_err(|error| self.passing.or_error(error))?;
        let target = link.map_or(target, |link| Target { link, ..target });
        target.check(self.model.outputs()).map_err(|error| exception(error.into()))?;
        Ok(target)
    }
}
