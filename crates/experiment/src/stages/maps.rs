//! Relevance maps from 0 to 100 and their masks, on the scan's grid with its affine: one file each for every case and
//! method.
//!
//! Maps are evaluated on the network's grid and brought to the scan's grid only to be written.

use std::path::Path;

use anyhow::Context;
use ndarray::Array3;
use rayon::prelude::*;
use relevox_eval::MapValues;
use relevox_relevance::{Cam, RelevanceMap, remove_small_components};
use relevox_report::tables::Method;
use relevox_volume::{Study, nifti};
use slic3d::Supervoxels;

use super::methods::{self, map_file, mask_file, of_case};
use super::network::Network;
use super::partition::Partition;
use super::session::Session;
use super::threshold::values_of;
use super::work::Work;
use super::{explain, pool};
use crate::config::EvaluateConfig;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::Inputs;

/// A map on the network's grid.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkMap {
    /// Relevance by voxel, 0 outside the scan.
    pub voxels: Array3<f32>,
    /// Relevance by region, for a method with regions.
    pub relevance: Option<Vec<f64>>,
}

/// Returns the inputs of a Grad-CAM map.
///
/// # Errors
/// Returns an error if the case is not in the cohort.
pub fn gradcam_inputs(session: &Session, case: &str, classifier: &str) -> anyhow::Result<Inputs> {
    Ok(session.scans.inputs(case)?.file("classifier", classifier).setting("method", &Method::GradCam))
}

/// Returns the inputs of a mask.
///
/// # Errors
/// Returns an error if the map or the labels are missing.
pub fn mask_inputs(
    session: &Session,
    partition: &Partition,
    case: &str,
    method: Method,
) -> anyhow::Result<Inputs> {
    let evaluate = &session.config.evaluate;
    Ok(Inputs::new()
        .file("map", &session.run.hash(&map_file(case, method))?)
        .file("labels", &session.run.hash(&partition.regions_file(case))?)
        .setting("mask", &evaluate.mask)
        .setting("island", &evaluate.island))
}

/// Makes the map and the mask of every method, for the cases of the command's share.
///
/// # Errors
/// Returns an error if an artefact can't be read or written, or the network fails.
pub fn run(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Work> {
    let (cases, explained) = (session.owned_scored_cases(), explain::cases(session)?);
    let progress = Progress::start("maps", cases.len(), "cases");
    let (mut work, mut pooled) = (Work::default(), pool::Tables::default());
    for case in cases {
        let case = case.id();
        work = work + pool::of_case(session, partition, case, &mut pooled)?;
        let methods = of_case(session, explained.contains(case));
        // Compressing a file takes most of the time, and one thread.
        let made: Vec<Work> = methods
            .into_par_iter()
            .map(|method| of_method(session, network, partition, case, method))
            .collect::<anyhow::Result<_>>()?;
        work = made.into_iter().fold(work, |sum, made| sum + made);
        progress.advance(1);
    }
    Ok(work)
}

/// Makes the map and the mask of one method for a case.
fn of_method(
    session: &Session,
    network: &Network,
    partition: &Partition,
    case: &str,
    method: Method,
) -> anyhow::Result<Work> {
    let mut work = Work::default();
    interrupt::check()?;
    let map = map_file(case, method);
    let write = |path: &Path, study: &Study, map: &RelevanceMap| {
        let description = nifti::Description::relevance(method.name());
        Ok(nifti::write_map(path, &study.frame.to_scan(map.voxels.view())?, &description)?)
    };
    if let Some(inputs) = methods::map_inputs(method, session, partition, case)? {
        work.count(session.run.make(&map, &inputs, |path| {
            let study = session.scans.study(case)?;
            let regions = partition.regions(session, case)?;
            let relevance = methods::relevance(method, session, partition, case)?.unwrap_or_default();
            write(path, &study, &RelevanceMap::paint(&regions, &relevance)?)
        })?);
    } else if method == Method::GradCam {
        let inputs = gradcam_inputs(session, case, &network.hash)?;
        work.count(session.run.make(&map, &inputs, |path| {
            let study = session.scans.study(case)?;
            write(path, &study, &network.grad_cam(study.image.view(), Cam::GradCam)?)
        })?);
    }
    let inputs = mask_inputs(session, partition, case, method)?;
    work.count(session.run.make(&mask_file(case, method), &inputs, |path| {
        let study = session.scans.study(case)?;
        let regions = partition.regions(session, case)?;
        let map = load(session, &study, &regions, partition, method)?;
        let values = values_of(&map.voxels, &study, &regions, map.relevance.as_deref())?;
        let mask = mask(&map.voxels, &values, &session.config.evaluate)?.mapv(u32::from);
        Ok(nifti::write_labels(path, &study.frame.to_scan(mask.view())?)?)
    })?);
    Ok(work)
}

/// Loads a map on the network's grid: painted from the relevance of its regions or, for a method without regions,
/// sampled from the written map.
///
/// # Errors
/// Returns an error if the table or the map can't be read.
pub fn load(
    session: &Session,
    study: &Study,
    regions: &Supervoxels,
    partition: &Partition,
    method: Method,
) -> anyhow::Result<NetworkMap> {
    let frame = &study.frame;
    let relevance = methods::relevance(method, session, partition, &study.case)?;
    let voxels = match &relevance {
        Some(relevance) => {
            let map = RelevanceMap::paint(regions, relevance)?;
            // Sets the padding of a crop that extends beyond the scan to 0, as in the written map.
            frame.to_network(frame.to_scan(map.voxels.view())?.voxels.view())?
        }
        None => {
            let path = session.run.path(&map_file(&study.case, method));
            let map = nifti::read(&path)?;
            frame.to_network(map.voxels.view()).with_context(|| path.display().to_string())?
        }
    };
    Ok(NetworkMap { voxels, relevance })
}

/// Computes a mask: a map above the configured label-free threshold, without small connected components.
///
/// # Errors
/// Returns an error if the map contains non-finite values.
pub fn mask(
    map: &Array3<f32>,
    values: &MapValues,
    evaluate: &EvaluateConfig,
) -> Result<Array3<bool>, relevox_eval::Error> {
    let threshold = values.threshold(evaluate.mask)?;
    // Maps have single precision.
    let mask = map.mapv(|value| threshold.is_some_and(|threshold| value >= threshold as f32));
    Ok(remove_small_components(mask.view(), evaluate.island))
}
