//! Relevance pooled over several explanations.

use std::sync::Arc;

use pyo3::prelude::*;
use relevox::relevance::{LabelTest, Pooling, Progress};
use relevox::{Error, MaskRule, Method, MethodResult, PoolMember};

use crate::explanation::Explained;
use crate::failure::{Passing, exception};

/// Settings of the pooling.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct PoolSettings {
    trees: usize,
    leaf: usize,
    parts: usize,
    seed: u64,
}

/// An explanation, the method of it whose relevance is pooled, and its group.
type Member = (Py<Explained>, String, String);

/// Computes a result of each member.
type Compute<'a> = dyn Fn(&[PoolMember<'_>], Progress<'_>) -> Result<Vec<MethodResult>, Error> + Sync + 'a;

/// Returns the explanations with the method `pooled` added, or `averaged-pooled` where `averaged` is pooled, in the same order. `progress` is
/// called with the number of finished ones (of each partition).
#[pyfunction]
#[pyo3(signature = (members, settings, progress = None))]
pub(crate) fn pool(
    py: Python<'_>,
    members: Vec<Member>,
    settings: PoolSettings,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<Explained>> {
    let PoolSettings { trees, leaf, parts, seed } = settings;
    with_results(py, &members, progress.as_ref(), &|cases, report| {
        let pooling = Pooling { trees, leaf, parts, seed }.check()?;
        relevox::pool(cases, &pooling, &MaskRule::default(), report)
    })
}

/// Returns the explanations with the method `pooled-label` added, in the same order, of which each has a label. `progress` is called with
/// the number of finished ones.
#[pyfunction]
#[pyo3(signature = (members, labels, neighbours, errors, progress = None))]
pub(crate) fn pool_for_label(
    py: Python<'_>,
    members: Vec<Member>,
    labels: Vec<bool>,
    neighbours: usize,
    errors: f64,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<Explained>> {
    with_results(py, &members, progress.as_ref(), &|cases, report| {
        let test = LabelTest { neighbours, errors }.check()?;
        relevox::pool_for_label(cases, &labels, &test, &MaskRule::default(), report)
    })
}

/// Adds the result that `compute` returns for each explanation.
fn with_results(
    py: Python<'_>,
    members: &[Member],
    progress: Option<&Py<PyAny>>,
    compute: &Compute<'_>,
) -> PyResult<Vec<Explained>> {
    let methods = members.iter().map(|(_, method, _)| method.parse::<Method>());
    let methods: Vec<Method> = methods.collect::<Result<_, _>>().map_err(exception)?;
    let passing = Passing::default();
    let compute = || {
        let cases: Vec<PoolMember<'_>> = members
            .iter()
            .zip(methods)
            .map(|((explained, _, group), from)| {
                let Explained { explanation, study, .. } = explained.get();
                PoolMember { explanation, study, from, group }
            })
            .collect();
        let results = compute(&cases, &|steps| passing.report(progress, steps))?;
        let with = |(member, result): (&Member, MethodResult)| {
            let Explained { explanation, study, class, masked } = member.0.get();
            let mut explanation = explanation.clone();
            explanation.results.retain(|earlier| earlier.method != result.method);
            explanation.results.push(result);
            Explained { explanation, study: Arc::clone(study), class: class.clone(), masked: *masked }
        };
        Ok(members.iter().zip(results).map(with).collect())
    };
    py.detach(compute).map_err(|error: Error| passing.or_error(error))
}
