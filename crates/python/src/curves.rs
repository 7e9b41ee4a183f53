//! Deletion and insertion curves.

use ndarray::Array4;
use numpy::{PyReadonlyArray3, PyReadonlyArray4};
use pyo3::prelude::*;
use relevox::Error;
use relevox::relevance::{Classifier, Coalitions, deletion, insertion};

use crate::failure::invalid;
use crate::network::Network;
use crate::partition::{FillArgument, fill, partition};

/// Regions of an image, and what replaces them.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Regions<'py> {
    labels: PyReadonlyArray3<'py, i64>,
    background: Option<i64>,
    fill: FillArgument,
    mask: PyReadonlyArray3<'py, bool>,
    /// Relevance of each region, in the order of the labels.
    relevance: Vec<f64>,
}

/// Computes a target's logit and probability as regions are removed (or restored, if `restored`), the most relevant first:
/// shares, logits, probabilities.
#[pyfunction]
#[pyo3(signature = (network, image, regions, restored, points, target, activation))]
#[expect(clippy::too_many_arguments, reason = "called by one function of the package, by name")]
pub(crate) fn curve(
    py: Python<'_>,
    network: &Network,
    image: PyReadonlyArray4<'_, f32>,
    regions: Regions<'_>,
    restored: bool,
    points: usize,
    target: Option<&str>,
    activation: Option<&str>,
) -> PyResult<(Vec<f64>, Vec<f64>, Vec<f64>)> {
    let image: Array4<f32> = image.as_array().to_owned();
    let supervoxels = partition(regions.labels.as_array(), regions.background)?;
    let fill = fill(regions.fill, image.view(), regions.mask.as_array())?;
    let relevance = regions.relevance;
    if relevance.len() != supervoxels.len() {
        let (expected, found) = (supervoxels.len(), relevance.len());
        return Err(invalid(format!(
            "relevance: expected {expected} values, one for each region, found {found}"
        )));
    }
    if let Some(value) = relevance.iter().find(|value| !value.is_finite()) {
        return Err(invalid(format!("relevance: expected finite values, found {value}")));
    }
    let mut ranking: Vec<usize> = (0..relevance.len()).collect();
    ranking.sort_by(|&a, &b| relevance[b].total_cmp(&relevance[a]));
    let target = network.target(py, image.view(), target, activation)?;
    let compute = || {
        let baseline = network.model.baseline(image.view())?;
        let coalitions = Coalitions::new(&*baseline, &supervoxels, &fill, &target)?;
        let curve = if restored { insertion } else { deletion };
        Ok(curve(&coalitions, &ranking, points)?)
    };
    let curve = py.detach(compute).map_err(|error: Error| network.passing.or_error(error))?;
    let probabilities = curve.logits.iter().map(|&logit| target.probability(logit)).collect();
    Ok((curve.shares, curve.logits, probabilities))
}
