//! Supervoxels with scikit-image's labels.

use numpy::{IntoPyArray, PyArray3, PyReadonlyArray3, PyReadonlyArray4};
use pyo3::prelude::*;
use relevox::slic3d::Slic;

use crate::failure::invalid;

/// Settings, in the order of scikit-image's arguments.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Settings {
    n_segments: usize,
    compactness: f64,
    max_num_iter: usize,
    kernels: [Vec<f64>; 3],
    spacing: [f64; 3],
    enforce_connectivity: bool,
    min_size_factor: f64,
    max_size_factor: f64,
    slic_zero: bool,
    start_label: u32,
}

/// Segments an image `[c, z, y, x]`; voxels outside of a mask get `start_label − 1`.
#[pyfunction]
#[pyo3(signature = (image, mask, settings))]
pub(crate) fn slic<'py>(
    py: Python<'py>,
    image: PyReadonlyArray4<'py, f32>,
    mask: Option<PyReadonlyArray3<'py, bool>>,
    settings: Settings,
) -> PyResult<Bound<'py, PyArray3<i64>>> {
    let slic = Slic::new(settings.n_segments)
        .compactness(settings.compactness)
        .iterations(settings.max_num_iter)
        .smoothing_kernels(settings.kernels)
        .spacing(settings.spacing)
        .enforce_connectivity(settings.enforce_connectivity)
        .min_size_factor(settings.min_size_factor)
        .max_size_factor(settings.max_size_factor)
        .slic_zero(settings.slic_zero)
        .start_label(settings.start_label);
    let (image, mask) = (image.as_array(), mask.as_ref().map(|mask| mask.as_array()));
    // Labels of background below 0 are stored as the largest numbers.
    let labels = py.detach(|| {
        let labels = slic.segment(image, mask)?.into_labels();
        Ok(labels.mapv(|label| i64::from(label.cast_signed())))
    });
    Ok(labels.map_err(|error: relevox::slic3d::Error| invalid(error))?.into_pyarray(py))
}
