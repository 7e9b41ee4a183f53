//! Measures of masks and maps.

use numpy::{PyReadonlyArray1, PyReadonlyArray3, PyReadonlyArrayDyn};
use pyo3::prelude::*;
use relevox::eval::{self, LabelFree, MapValues};

use crate::failure::invalid;

type Mask<'py> = PyReadonlyArrayDyn<'py, bool>;
type Map<'py> = PyReadonlyArrayDyn<'py, f32>;

/// Dice coefficient of two masks.
#[pyfunction]
pub(crate) fn dice(a: Mask<'_>, b: Mask<'_>) -> PyResult<f64> {
    eval::dice(a.as_array(), b.as_array()).map_err(invalid)
}

/// Dice coefficient of a map from a threshold on.
#[pyfunction]
pub(crate) fn dice_at(map: Map<'_>, truth: Mask<'_>, threshold: f64) -> PyResult<f64> {
    eval::dice_at(map.as_array(), truth.as_array(), threshold).map_err(invalid)
}

/// Threshold with the highest Dice coefficient, and that coefficient.
#[pyfunction]
pub(crate) fn oracle(py: Python<'_>, map: Map<'_>, truth: Mask<'_>) -> PyResult<(f64, f64)> {
    let (map, truth) = (map.as_array(), truth.as_array());
    let found = py.detach(|| eval::oracle_dice(map, truth)).map_err(invalid)?;
    Ok((found.threshold, found.dice))
}

/// Threshold that needs no labels, of values with volumes.
#[pyfunction]
pub(crate) fn threshold(
    py: Python<'_>,
    values: PyReadonlyArray1<'_, f64>,
    volumes: PyReadonlyArray1<'_, f64>,
    rule: &str,
) -> PyResult<Option<f64>> {
    let rule: LabelFree = rule.parse().map_err(invalid)?;
    let values = MapValues { values: values.as_array().to_vec(), volumes: volumes.as_array().to_vec() };
    py.detach(|| values.threshold(rule)).map_err(invalid)
}

/// Activation precision (absent of a map of zeros), and the pointing game.
#[pyfunction]
pub(crate) fn mass(map: Map<'_>, truth: Mask<'_>) -> PyResult<(Option<f64>, f64)> {
    let found = eval::mass(map.as_array(), truth.as_array()).map_err(invalid)?;
    Ok((found.inside, found.pointing))
}

/// 95th percentile of the Hausdorff distance.
#[pyfunction]
pub(crate) fn hausdorff95(
    py: Python<'_>,
    a: PyReadonlyArray3<'_, bool>,
    b: PyReadonlyArray3<'_, bool>,
    spacing: [f64; 3],
) -> PyResult<Option<f64>> {
    let (a, b) = (a.as_array(), b.as_array());
    py.detach(|| eval::hausdorff95(a, b, spacing)).map_err(invalid)
}

/// Mean of a curve.
#[pyfunction]
pub(crate) fn area(x: Vec<f64>, y: Vec<f64>) -> PyResult<f64> {
    eval::area_under_curve(&x, &y).map_err(invalid)
}
