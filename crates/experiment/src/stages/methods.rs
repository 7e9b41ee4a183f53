//! Methods with maps of a case, and the artefacts of each.

use relevox_report::tables::{Method, MethodKind};

use super::partition::Partition;
use super::session::Session;
use super::{diffuse, explained, scores};
use crate::run::Inputs;

/// Artefact with the relevance map of a case.
pub fn map_file(case: &str, method: Method) -> String {
    format!("maps/{case}/{method}.nii.gz")
}

/// Artefact with the mask of a case.
pub fn mask_file(case: &str, method: Method) -> String {
    format!("maps/{case}/{method}-mask.nii.gz")
}

/// Returns the methods of every scored case.
pub fn of_every_case(session: &Session) -> Vec<Method> {
    let config = &session.config;
    let mut methods = config.evaluate.fills.clone();
    methods.push(Method::GradCam);
    if diffuse::is_enabled(config) {
        methods.push(Method::Diffused);
    }
    if !config.evaluate.intensity.is_empty() {
        methods.push(Method::Intensity);
    }
    methods.extend(&config.pool.methods);
    methods
}

/// Returns the methods of a case; `explained` is true for a case of the additional explainers.
pub fn of_case(session: &Session, explained: bool) -> Vec<Method> {
    let mut methods = of_every_case(session);
    if explained {
        methods.extend(&session.config.explain.methods);
    }
    methods
}

/// Returns the artefact with a method's values by region, or `None` for a method without regions.
pub fn table_file(method: Method, partition: &Partition, case: &str) -> Option<String> {
    match method.kind() {
        MethodKind::Fill => Some(partition.scores_file(case, method)),
        MethodKind::Regions => Some(explained::file(partition, case, method)),
        MethodKind::Voxels | MethodKind::Shuffled | MethodKind::Bound => None,
    }
}

/// Reads a method's relevance by region of the selected partition; `None` for a method without regions.
///
/// # Errors
/// Returns an error if the table can't be read.
pub fn relevance(
    method: Method,
    session: &Session,
    partition: &Partition,
    case: &str,
) -> anyhow::Result<Option<Vec<f64>>> {
    let Some(table) = table_file(method, partition, case) else { return Ok(None) };
    let path = session.run.path(&table);
    Ok(Some(match method.kind() {
        MethodKind::Fill => scores::read_csv(&path)?.relevance(),
        _ => explained::read(&path)?.relevance,
    }))
}

/// Returns the inputs of a method's map; `None` for a method without regions.
///
/// # Errors
/// Returns an error if the table or the labels are missing.
pub fn map_inputs(
    method: Method,
    session: &Session,
    partition: &Partition,
    case: &str,
) -> anyhow::Result<Option<Inputs>> {
    let Some(table) = table_file(method, partition, case) else { return Ok(None) };
    let labels = session.run.hash(&partition.regions_file(case))?;
    let scores = session.run.hash(&table)?;
    Ok(Some(session.scans.inputs(case)?.file("labels", &labels).file("scores", &scores)))
}
