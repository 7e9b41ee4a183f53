//! The methods that a case has maps of, and the artefacts that each map is made from.

use relevox_report::tables::{Method, MethodKind};
use slic3d::Supervoxels;

use super::scores::read_csv;
use super::{Partition, Session, diffuse, explained};
use crate::run::Inputs;

/// Methods of every scored case of the run.
pub fn everywhere(session: &Session) -> Vec<Method> {
    let config = &session.config;
    let mut methods = config.evaluate.fills.clone();
    methods.push(Method::GradCam);
    if diffuse::wanted(config) {
        methods.push(Method::Diffused);
    }
    if !config.evaluate.intensity.is_empty() {
        methods.push(Method::Intensity);
    }
    methods
}

/// Methods of a case; `explained` tells whether it is one of those that further explainers run on.
pub fn of_case(session: &Session, explained: bool) -> Vec<Method> {
    let mut methods = everywhere(session);
    if explained {
        methods.extend(&session.config.explain.methods);
    }
    methods
}

/// The table that a method's map is painted from; none for a map of voxels.
pub fn table(method: Method, partition: &Partition, case: &str) -> Option<String> {
    match method.kind() {
        MethodKind::Fill => Some(partition.scores_file(case, method)),
        MethodKind::Regions => Some(explained::file(partition, case, method)),
        MethodKind::Voxels | MethodKind::Shuffled | MethodKind::Bound => None,
    }
}

/// A method's relevance by region of the selected partition; none for a map of voxels.
///
/// # Errors
/// Returns an error if the table can't be read.
pub fn relevance(
    method: Method,
    session: &Session,
    partition: &Partition,
    case: &str,
) -> anyhow::Result<Option<Vec<f64>>> {
    let Some(table) = table(method, partition, case) else { return Ok(None) };
    let path = session.run.path(&table);
    Ok(Some(match method.kind() {
        MethodKind::Fill => read_csv(&path)?.relevance(),
        _ => explained::read(&path)?.relevance,
    }))
}

/// Inputs of a method's map; none for a map of voxels.
///
/// # Errors
/// Returns an error if the table or the labels are missing.
pub fn map_inputs(
    method: Method,
    session: &Session,
    partition: &Partition,
    case: &str,
) -> anyhow::Result<Option<Inputs>> {
    let Some(table) = table(method, partition, case) else { return Ok(None) };
    let labels = session.run.hash(&partition.regions_file(case))?;
    let scores = session.run.hash(&table)?;
    Ok(Some(session.scans.inputs(case)?.file("labels", &labels).file("scores", &scores)))
}

/// Voxels of the brain in each region.
pub fn brain_voxels(regions: &Supervoxels, brain: ndarray::ArrayView3<'_, bool>) -> Vec<f64> {
    let mut counts = vec![0.0; regions.len()];
    ndarray::Zip::from(regions.labels()).and(brain).for_each(|&id, &inside| {
        if inside
            && Some(id) != regions.background()
            && let Some(region) = regions.index_of(id)
        {
            counts[region] += 1.0;
        }
    });
    counts
}
