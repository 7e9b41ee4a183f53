//! From a classifier and an image to an explanation.

use numpy::{PyReadonlyArray3, PyReadonlyArray4};
use pyo3::prelude::*;
use relevox::volume::Study;
use relevox::{ExplainOptions, FillSource, Method, MethodSettings, Regions, SlicRegions};

use crate::explanation::Explained;
use crate::failure::{exception, invalid};
use crate::network::Network;
use crate::partition::{FillArgument, fill, partition};

/// What is explained, and how.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Request<'py> {
    /// Name of the case, for pictures.
    name: String,
    labels: Option<PyReadonlyArray3<'py, i64>>,
    background: Option<i64>,
    n_segments: usize,
    compactness: f64,
    /// The channel whose supervoxels are the regions.
    channel: usize,
    channel_names: Vec<String>,
    target: Option<String>,
    activation: Option<String>,
    fill: FillArgument,
    methods: Vec<String>,
    samples: Option<usize>,
    seed: u64,
    /// Voxels that regions are made of and that fills are computed from.
    mask: Option<PyReadonlyArray3<'py, bool>>,
}

/// Explains a classifier's output for an image `[c, z, y, x]`. `start` is called with the number of steps, `progress` with
/// those finished.
#[pyfunction]
#[pyo3(signature = (network, image, request, start = None, progress = None))]
pub(crate) fn explain(
    py: Python<'_>,
    network: &Network,
    image: PyReadonlyArray4<'_, f32>,
    request: Request<'_>,
    start: Option<Py<PyAny>>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Explained> {
    let image = image.as_array().to_owned();
    let mut study = Study::from_tensor(request.name.clone(), image, request.channel_names.clone())
        .map_err(|error| exception(error.into()))?;
    if let Some(mask) = &request.mask {
        let (mask, expected) = (mask.as_array(), study.brain.dim());
        if mask.dim() != expected {
            return Err(invalid(format!("mask: expected shape {expected:?}, found {:?}", mask.dim())));
        }
        study.brain = mask.to_owned();
    }
    let (all, inside) = (study.brain.len(), study.brain.iter().filter(|inside| **inside).count());
    if request.mask.is_none() && inside == 0 {
        return Err(invalid("image: expected voxels that are not 0, found none"));
    }
    let regions = regions(&request, &study, inside < all)?;
    let methods = request.methods.iter().map(|name| name.parse::<Method>()).collect::<Result<_, _>>();
    let target = request.target.as_deref();
    let target = network.target(py, study.image.view(), target, request.activation.as_deref())?;
    let fill = fill(request.fill, study.image.view(), study.brain.view())?;
    let report = |steps| network.passing.report(progress.as_ref(), steps);
    let mut options = ExplainOptions {
        regions,
        methods: methods.map_err(exception)?,
        settings: settings(request.samples, request.seed),
        fill: FillSource::Given(&fill),
        target,
        progress: &report,
        ..ExplainOptions::default()
    };
    let partition = py.detach(|| options.regions.of(&study)).map_err(exception)?;
    if let Some(start) = start {
        start.call1(py, (options.steps(partition.len(), &study).map_err(exception)?,))?;
    }
    options.regions = Regions::Given(partition);
    let explanation = py.detach(|| relevox::explain(&network.model, &study, &options));
    let explanation = explanation.map_err(|error| network.passing.or_error(error))?;
    let class = network.model.class(target.output);
    Ok(Explained { explanation, study, class, masked: inside < all })
}

/// Returns the regions: the given ones, else supervoxels of a channel.
fn regions(request: &Request<'_>, study: &Study, masked: bool) -> PyResult<Regions> {
    if let Some(labels) = &request.labels {
        return Ok(Regions::Given(partition(labels.as_array(), request.background)?));
    }
    let names = study.channel_names();
    let Some(sequence) = names.get(request.channel).cloned() else {
        let (last, found) = (names.len() - 1, request.channel);
        return Err(invalid(format!("channel: expected one from 0 to {last}, found {found}")));
    };
    let (count, compactness) = (request.n_segments, request.compactness);
    Ok(Regions::Slic(SlicRegions { sequence, count, compactness, masked, ..SlicRegions::default() }))
}

fn settings(samples: Option<usize>, seed: u64) -> MethodSettings {
    let mut settings = MethodSettings::default();
    (settings.lime.seed, settings.hierarchical.seed, settings.rise.seed) = (seed, seed, seed);
    if let Some(samples) = samples {
        (settings.lime.samples, settings.rise.samples) = (samples, samples);
        settings.hierarchical.evaluations = samples;
    }
    settings
}
