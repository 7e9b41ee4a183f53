//! From a classifier and an image to an explanation.

use std::sync::Arc;

use numpy::{PyReadonlyArray3, PyReadonlyArray4};
use pyo3::prelude::*;
use relevox::relevance::{Answer, MinimalSets};
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
    /// Channels and numbers of supervoxels of the partitions that are averaged with the regions; absent for the default ones.
    partitions: Option<Vec<(usize, usize)>>,
    sets: SetsArgument,
    samples: Option<usize>,
    seed: u64,
    /// Voxels that regions are made of and that fills are computed from.
    mask: Option<PyReadonlyArray3<'py, bool>>,
}

/// The answer of minimal sets of regions, if they are requested.
#[derive(FromPyObject)]
enum SetsArgument {
    /// No, or those that decide whether the target is predicted.
    Flag(bool),
    /// Those that decide whether the logit keeps this share of its distance from the image without any region.
    Share(f64),
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
    let methods = request.methods.iter().map(|name| name.parse::<Method>());
    let methods: Vec<Method> = methods.collect::<Result<_, _>>().map_err(exception)?;
    let partitions = match methods.contains(&Method::Averaged) {
        true => partitions(&request, &study, inside < all)?,
        false => Vec::new(),
    };
    let target = request.target.as_deref();
    let target = network.target(py, study.image.view(), target, request.activation.as_deref())?;
    let fill = fill(request.fill, study.image.view(), study.brain.view())?;
    let report = |steps| network.passing.report(progress.as_ref(), steps);
    let mut options = ExplainOptions {
        regions,
        partitions,
        methods,
        settings: settings(request.samples, request.seed),
        fill: FillSource::Given(&fill),
        target,
        sets: match request.sets {
            SetsArgument::Flag(false) => None,
            SetsArgument::Flag(true) => Some(MinimalSets { answer: Answer::Predicted }),
            SetsArgument::Share(share) => Some(MinimalSets { answer: Answer::Share(share) }),
        },
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
    Ok(Explained { explanation, study: Arc::new(study), class, masked: inside < all })
}

/// Returns the regions: the given ones, else supervoxels of a channel.
fn regions(request: &Request<'_>, study: &Study, masked: bool) -> PyResult<Regions> {
    if let Some(labels) = &request.labels {
        return Ok(Regions::Given(partition(labels.as_array(), request.background)?));
    }
    let of = (request.channel, request.n_segments);
    Ok(Regions::Slic(supervoxels("channel", of, request.compactness, study, masked)?))
}

/// Returns the supervoxels of a channel that an argument names.
fn supervoxels(
    argument: &str,
    (channel, count): (usize, usize),
    compactness: f64,
    study: &Study,
    masked: bool,
) -> PyResult<SlicRegions> {
    let names = study.channel_names();
    let Some(sequence) = names.get(channel).cloned() else {
        let last = names.len() - 1;
        return Err(invalid(format!("{argument}: expected a channel from 0 to {last}, found {channel}")));
    };
    Ok(SlicRegions { sequence, count, compactness, masked: Some(masked), ..SlicRegions::default() })
}

/// Returns the partitions that are averaged with the regions: the requested ones without the regions' own, else the default.
fn partitions(request: &Request<'_>, study: &Study, masked: bool) -> PyResult<Vec<Regions>> {
    let of = |argument, of| supervoxels(argument, of, request.compactness, study, masked);
    let own = of("channel", (request.channel, request.n_segments))?;
    let others: Vec<SlicRegions> = match &request.partitions {
        Some(given) => given.iter().map(|&other| of("partitions", other)).collect::<PyResult<_>>()?,
        None => own.averaged_with(study.channel_names()),
    };
    if let Some((at, _)) = others.iter().enumerate().find(|(at, other)| others[..*at].contains(other)) {
        let SlicRegions { sequence, count, .. } = &others[at];
        return Err(invalid(format!("partitions: expected each once, found {count} of {sequence} twice")));
    }
    let is_other = |other: &SlicRegions| request.labels.is_some() || *other != own;
    let others: Vec<Regions> = others.into_iter().filter(is_other).map(Regions::Slic).collect();
    match others.is_empty() {
        true => Err(invalid("partitions: expected one that differs from the regions, found none")),
        false => Ok(others),
    }
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
