//! Relevance pooled over several explanations.

use std::sync::Arc;

use pyo3::prelude::*;
use relevox::relevance::Pooling;
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

/// Returns the explanations with the method `pooled` added, or `averaged-pooled` where `averaged` is pooled, in the same order. `members` are
/// explanations, the method of each whose relevance is pooled, and its group. `progress` is called with the number of finished ones (of
/// each partition).
#[pyfunction]
#[pyo3(signature = (members, settings, progress = None))]
pub(crate) fn pool(
    py: Python<'_>,
    members: Vec<(Py<Explained>, String, String)>,
    settings: PoolSettings,
    progress: Option<Py<PyAny>>,
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
        let PoolSettings { trees, leaf, parts, seed } = settings;
        let pooling = Pooling { trees, leaf, parts, seed }.check()?;
        let report = |steps| passing.report(progress.as_ref(), steps);
        let results = relevox::pool(&cases, &pooling, &MaskRule::default(), &report)?;
        let with = |(member, result): (&(Py<Explained>, String, String), MethodResult)| {
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
