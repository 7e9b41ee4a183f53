//! The result of an explanation, for Python.

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::Array3;
use numpy::{IntoPyArray, PyArray3, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use relevox::eval::{LabelFree, MapValues, RegionOverlap};
use relevox::relevance::{Answer, Link, RegionSet, remove_small_components};
use relevox::volume::nifti::{self, Description};
use relevox::volume::{Study, Volume};
use relevox::{Depiction, Explanation, Method, MethodResult, RegionSets};

use crate::failure::{exception, invalid};
use crate::page::Subject;
use crate::place::{Affine, Place};

/// An explanation with what it explains.
#[pyclass(frozen, module = "relevox._relevox")]
pub(crate) struct Explained {
    pub(crate) explanation: Explanation,
    pub(crate) study: Arc<Study>,
    /// Name of the target's class.
    pub(crate) class: String,
    /// Whether regions are made of a part of the voxels.
    pub(crate) masked: bool,
}

/// What a file of a method holds.
#[derive(Clone, Copy)]
enum Content<'a> {
    Map,
    Mask,
    Labels,
    Set(&'a RegionSet),
}

#[pymethods]
impl Explained {
    /// Names of the methods, the main one first.
    #[getter]
    fn methods(&self) -> Vec<&'static str> {
        self.explanation.results.iter().map(|result| result.method.name()).collect()
    }

    /// The image's own outputs.
    #[getter]
    fn logits(&self) -> Vec<f32> {
        self.explanation.outputs.clone()
    }

    /// The explained output.
    #[getter]
    fn target(&self) -> usize {
        self.explanation.target.output
    }

    /// Name of the explained output.
    #[getter]
    fn class_name(&self) -> &str {
        &self.class
    }

    /// How the output becomes a probability.
    #[getter]
    fn activation(&self) -> &'static str {
        self.explanation.target.link.name()
    }

    /// The target's logit.
    #[getter]
    fn logit(&self) -> f64 {
        self.explanation.logit()
    }

    /// The target's probability; absent of a plain value.
    #[getter]
    fn probability(&self) -> Option<f64> {
        (self.explanation.target.link != Link::Value).then(|| self.explanation.probability())
    }

    /// What replaced regions.
    #[getter]
    fn fill(&self) -> &str {
        self.explanation.fill()
    }

    /// Number of partitions that were averaged.
    #[getter]
    fn partitions(&self) -> usize {
        self.explanation.partitions.len()
    }

    /// Whether regions are made of a part of the voxels.
    #[getter]
    fn masked(&self) -> bool {
        self.masked
    }

    /// Label of voxels in no region.
    #[getter]
    fn background(&self) -> Option<i64> {
        self.explanation.regions.background().map(|label| i64::from(label.cast_signed()))
    }

    /// Whether all values of a map are equal, so that it ranks nothing.
    fn is_flat(&self, method: &str) -> PyResult<bool> {
        Ok(self.result(method)?.map.flat)
    }

    /// The map of a method.
    fn map<'py>(&self, py: Python<'py>, method: &str) -> PyResult<Bound<'py, PyArray3<f32>>> {
        Ok(self.result(method)?.map.voxels.to_pyarray(py))
    }

    /// The label of each voxel's region.
    fn labels<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray3<i64>> {
        self.explanation.regions.labels().mapv(|label| i64::from(label.cast_signed())).into_pyarray(py)
    }

    /// Threshold of a method's map by a rule.
    fn threshold(&self, method: &str, rule: &str) -> PyResult<Option<f64>> {
        let result = self.result(method)?;
        let rule: LabelFree = rule.parse().map_err(invalid)?;
        let values = match result.method.is_by_region() {
            false => MapValues::by_voxel(&result.map.voxels, self.study.brain.iter()),
            true => {
                let regions = &self.explanation.regions;
                let brain = self.study.brain.view();
                let overlap =
                    RegionOverlap::count(regions.labels(), regions.ids(), regions.background(), brain);
                MapValues::by_region(&result.relevance, overlap.map_err(invalid)?.inside())
            }
        };
        values.threshold(rule).map_err(invalid)
    }

    /// Mask of a method's map from a threshold on, without connected components of less than a share of the largest.
    fn mask<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        threshold: Option<f64>,
        smallest_component: f64,
    ) -> PyResult<Bound<'py, PyArray3<bool>>> {
        let map = &self.result(method)?.map;
        Ok(py.detach(|| map.mask(threshold, smallest_component)).into_pyarray(py))
    }

    /// Columns by region: label, voxels, value, relevance, and where there are scores of single regions, those.
    fn table<'py>(&self, py: Python<'py>, method: &str) -> PyResult<Bound<'py, PyDict>> {
        let result = self.result(method)?;
        let table = PyDict::new(py);
        let of = &result.attribution;
        let ids: Vec<i64> = of.ids.iter().map(|id| i64::from(id.cast_signed())).collect();
        let voxels: Vec<i64> = of.voxels.iter().map(|&count| count as i64).collect();
        table.set_item("region", ids.into_pyarray(py))?;
        table.set_item("voxels", voxels.into_pyarray(py))?;
        table.set_item("value", of.values.to_pyarray(py))?;
        table.set_item("relevance", result.relevance.to_pyarray(py))?;
        if let Some(scores) = &self.explanation.scores {
            let column = |of: fn(&relevox::relevance::RegionScore) -> f64| {
                scores.rows.iter().map(of).collect::<Vec<f64>>().into_pyarray(py)
            };
            table.set_item("p_original", column(|row| row.p_original))?;
            table.set_item("p_perturbed", column(|row| row.p_perturbed))?;
            table.set_item("delta_p", column(|row| row.delta_p))?;
            table.set_item("delta_logit", column(|row| row.delta_logit))?;
        }
        Ok(table)
    }

    /// Minimal sets of regions by name, where they were requested; of each the labels of its regions, the logit, the probability
    /// (absent of a plain value) and the number of evaluations.
    fn sets<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Explanation { sets, regions, target, .. } = &self.explanation;
        let Some(sets) = sets else { return Ok(None) };
        let found = PyDict::new(py);
        for (name, set) in sets.named() {
            let ids = set.regions.iter().map(|&region| i64::from(regions.ids()[region].cast_signed()));
            let described = PyDict::new(py);
            described.set_item("regions", ids.collect::<Vec<i64>>().into_pyarray(py))?;
            described.set_item("logit", set.logit)?;
            let probability = (target.link != Link::Value).then(|| target.probability(set.logit));
            described.set_item("probability", probability)?;
            described.set_item("evaluations", set.evaluations)?;
            found.set_item(name, described)?;
        }
        Ok(Some(found))
    }

    /// Share of the logit that the minimal sets keep; absent where they decide the prediction, or were not requested.
    #[getter]
    fn share(&self) -> Option<f64> {
        match self.explanation.sets.as_ref()?.settings.answer {
            Answer::Predicted => None,
            Answer::Share(share) => Some(share),
        }
    }

    /// Writes a map (`map`), a mask (`mask`), the regions (`labels`) or a minimal set of regions (by its name) as NIfTI.
    #[pyo3(signature = (path, method, content, affine, threshold = None, smallest_component = 0.1))]
    #[expect(clippy::too_many_arguments, reason = "called by one function of the package")]
    fn write(
        &self,
        py: Python<'_>,
        path: PathBuf,
        method: &str,
        content: &str,
        affine: Option<Affine>,
        threshold: Option<f64>,
        smallest_component: f64,
    ) -> PyResult<()> {
        let result = self.result(method)?;
        let content = match content {
            "map" => Content::Map,
            "mask" => Content::Mask,
            "labels" => Content::Labels,
            other => match self
                .explanation
                .sets
                .iter()
                .flat_map(RegionSets::named)
                .find(|(name, _)| *name == other)
            {
                Some((_, set)) => Content::Set(set),
                None => {
                    let expected = "map, mask, labels, or a set that was found (sufficient, necessary)";
                    return Err(invalid(format!("content: expected {expected}, found {other}")));
                }
            },
        };
        py.detach(|| self.write_volume(&path, result, content, affine, (threshold, smallest_component)))
            .map_err(|error| exception(error.into()))
    }

    /// The page, as HTML.
    fn page(&self, py: Python<'_>, title: &str, affine: Option<Affine>, main: &str) -> PyResult<String> {
        let subject = self.subject(title, affine, main)?;
        py.detach(|| subject.page()).map_err(invalid)
    }

    /// Slices through the most relevant region, as PNG.
    fn overview<'py>(
        &self,
        py: Python<'py>,
        title: &str,
        affine: Option<Affine>,
        main: &str,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let subject = self.subject(title, affine, main)?;
        let png = py.detach(|| subject.overview()).map_err(invalid)?;
        Ok(PyBytes::new(py, &png))
    }
}

impl Explained {
    fn subject<'a>(&'a self, title: &'a str, affine: Option<Affine>, main: &str) -> PyResult<Subject<'a>> {
        let Self { explanation, study, class, .. } = self;
        let depiction = Depiction { title, explanation, main: self.result(main)?, class };
        Ok(Subject::new(depiction, study, Place::of(affine)))
    }

    fn result(&self, method: &str) -> PyResult<&MethodResult> {
        let method: Method = method.parse().map_err(exception)?;
        self.explanation.result(method).ok_or_else(|| {
            let names = self.methods().join(", ");
            invalid(format!("method: expected one of {names}, which were computed, found {method}"))
        })
    }

    fn write_volume(
        &self,
        path: &std::path::Path,
        result: &MethodResult,
        content: Content<'_>,
        affine: Option<Affine>,
        (threshold, smallest): (Option<f64>, f64),
    ) -> Result<(), relevox::volume::Error> {
        let place = Place::of(affine);
        let geometry = place.geometry(self.study.brain.dim().into());
        let integers = |voxels: Array3<u32>| Volume { voxels, geometry: geometry.clone() };
        match content {
            Content::Map => {
                let text = format!("{}, output {}", result.method, self.explanation.target.output);
                let voxels = place.turned(result.map.voxels.view());
                nifti::write_map(path, &Volume { voxels, geometry }, &Description::relevance(&text))
            }
            Content::Mask => {
                let marked = result.map.voxels.mapv(|value| threshold.is_some_and(|cut| value >= cut as f32));
                let mask = remove_small_components(marked.view(), smallest);
                nifti::write_labels(path, &integers(place.turned(mask.view()).mapv(u32::from)))
            }
            Content::Set(set) => {
                let mask = set.mask(&self.explanation.regions);
                nifti::write_labels(path, &integers(place.turned(mask.view()).mapv(u32::from)))
            }
            Content::Labels => {
                nifti::write_labels(path, &integers(place.turned(self.explanation.regions.labels())))
            }
        }
    }
}
