//! Outputs as each feature of an image is replaced.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, Array4, ArrayView4, Axis};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray4, PyReadonlyArray4};
use pyo3::prelude::*;
use relevox::Error;
use relevox::grid::{Box3, Patch};
use relevox::relevance::{self, Baseline, Classifier, Progress};

use crate::failure::invalid;
use crate::network::Network;

/// The image's outputs `[k]`, those of each feature `[features, k]`, and the feature of each element, counted from 0.
type Ablated<'py> = (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray2<f32>>, Bound<'py, PyArray4<i64>>);

/// Computes the outputs of an image with each feature replaced in turn. Elements with equal ids are a feature.
#[pyfunction]
#[pyo3(signature = (network, image, features, baselines, progress = None))]
pub(crate) fn ablate<'py>(
    py: Python<'py>,
    network: &Network,
    image: PyReadonlyArray4<'py, f32>,
    features: PyReadonlyArray4<'py, i64>,
    baselines: PyReadonlyArray4<'py, f32>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Ablated<'py>> {
    let (image, features, baselines) = (image.as_array(), features.as_array(), baselines.as_array());
    for (what, shape) in [("feature_mask", features.shape()), ("baselines", baselines.shape())] {
        if shape != image.shape() {
            return Err(invalid(format!("{what}: expected shape {:?}, found {shape:?}", image.shape())));
        }
    }
    let compute = || {
        let (boxes, indices) = of_features(features);
        let baseline = network.model.baseline(image)?;
        let parts = Parts { image, indices: indices.view(), baselines, boxes: &boxes };
        let outputs = parts.outputs(&*baseline, &|steps| network.passing.report(progress.as_ref(), steps))?;
        Ok((Array1::from(baseline.logits().to_vec()), outputs, indices))
    };
    let (original, outputs, indices) =
        py.detach(compute).map_err(|error: Error| network.passing.or_error(error))?;
    Ok((original.into_pyarray(py), outputs.into_pyarray(py), indices.into_pyarray(py)))
}

/// Returns the box of each feature, in the order of the ids, and the feature of each element.
fn of_features(features: ArrayView4<'_, i64>) -> (Vec<Box3>, Array4<i64>) {
    let mut found: BTreeMap<i64, Box3> = BTreeMap::new();
    for ((_, z, y, x), &id) in features.indexed_iter() {
        let voxel = Box3::new([z, y, x], [z + 1, y + 1, x + 1]);
        found.entry(id).and_modify(|bounds| *bounds = bounds.hull(&voxel)).or_insert(voxel);
    }
    let positions: BTreeMap<i64, i64> = found.keys().copied().zip(0..).collect();
    let mut last = None;
    let indices = features.mapv(|id| match last {
        Some((same, index)) if same == id => index,
        _ => {
            let index = positions.get(&id).copied().unwrap_or_default();
            last = Some((id, index));
            index
        }
    });
    (found.into_values().collect(), indices)
}

/// An image, its features, and what replaces them.
struct Parts<'a> {
    image: ArrayView4<'a, f32>,
    indices: ArrayView4<'a, i64>,
    baselines: ArrayView4<'a, f32>,
    boxes: &'a [Box3],
}

impl Parts<'_> {
    /// Computes the outputs `[features, k]`. A feature that is replaced by its own values has those of the image.
    fn outputs(&self, baseline: &dyn Baseline, progress: Progress<'_>) -> Result<Array2<f32>, Error> {
        let original = Array1::from(baseline.logits().to_vec());
        let mut outputs = Array2::zeros((self.boxes.len(), original.len()));
        outputs.rows_mut().into_iter().for_each(|mut row| row.assign(&original));
        let all: Vec<usize> = (0..self.boxes.len()).collect();
        for together in all.chunks(baseline.batch_size().max(1)) {
            let mut patches = Vec::with_capacity(together.len());
            let mut whose = Vec::with_capacity(together.len());
            for &feature in together {
                let patch = self.patch(feature).map_err(relevox::perturb::Error::from)?;
                if patch.changed_voxels(self.image).map_err(relevox::perturb::Error::from)? > 0 {
                    patches.push(patch);
                    whose.push(feature);
                }
            }
            if !patches.is_empty() {
                let found = baseline.patched(&patches)?;
                for (row, &feature) in found.rows().into_iter().zip(&whose) {
                    outputs.index_axis_mut(Axis(0), feature).assign(&row);
                }
            }
            if progress(together.len()).is_break() {
                return Err(relevance::Error::Cancelled.into());
            }
        }
        Ok(outputs)
    }

    fn patch(&self, feature: usize) -> Result<Patch, relevox::grid::Error> {
        let bounds = self.boxes[feature];
        let mut patch = Patch::copied(self.image, bounds)?;
        let [z0, y0, x0] = bounds.start;
        for ((c, z, y, x), value) in patch.values_mut().indexed_iter_mut() {
            let element = [c, z0 + z, y0 + y, x0 + x];
            if self.indices[element] == feature as i64 {
                *value = self.baselines[element];
            }
        }
        Ok(patch)
    }
}
