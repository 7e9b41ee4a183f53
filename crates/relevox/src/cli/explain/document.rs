//! `explanation.json`: everything that a program may want to know about an explanation.

use std::path::{Path, PathBuf};

use anyhow::Context;
use relevox_experiment::run::{hash_file, replace};
use relevox_report::viewer::{RegionExtent, region_extents};
use relevox_volume::Study;
use relevox_volume::npy::ArrayFile;
use serde_json::{Map, Value, json};
use slic3d::Supervoxels;

use super::args::ExplainArgs;
use super::files;
use super::subject::Subject;
use super::work::Work;
use crate::{Explanation, Method};

/// Version of the format.
const FORMAT: u32 = 1;

/// Describes an explanation: the result that is printed, the files of model and input with their SHA-256, and the regions by
/// rank.
///
/// # Errors
/// Returns an error if a file cannot be read.
pub(super) fn document(
    args: &ExplainArgs,
    subject: &Subject,
    explanation: &Explanation,
    extents: &[RegionExtent],
    result: &Value,
) -> anyhow::Result<Value> {
    let mut document = result.clone();
    document["format"] = json!(FORMAT);
    document["version"] = json!(env!("CARGO_PKG_VERSION"));
    document["case"] = json!(subject.study.case);
    document["model"] = json!(model_files(args)?);
    document["scans"] = json!(input_files(args, subject)?);
    if let Some(outline) = &subject.outline {
        document["outline"]["sha256"] = json!(hash_file(outline.file.path())?);
    }
    let oriented = subject.study.frame.scan().has_orientation();
    document["regions"] = regions(explanation, extents, oriented).into();
    Ok(document)
}

/// Writes the document into a folder.
///
/// # Errors
/// Returns an error if it cannot be written.
pub(super) fn write(folder: &Path, document: &Value) -> anyhow::Result<()> {
    replace(&path(folder), format!("{document:#}\n").as_bytes())
}

/// Returns the weights with their content hashes.
///
/// # Errors
/// Returns an error if a file cannot be read.
pub(super) fn model_files(args: &ExplainArgs) -> anyhow::Result<Vec<Value>> {
    args.weights.iter().map(|path| hashed(path)).collect()
}

/// Returns the files of the scans or the tensor with their content hashes.
///
/// # Errors
/// Returns an error if a file cannot be read.
fn input_files(args: &ExplainArgs, subject: &Subject) -> anyhow::Result<Vec<Value>> {
    let scans = subject.files.iter().flat_map(|files| &files.sequences).map(|(sequence, file)| {
        let mut described = hashed(file.path())?;
        described["sequence"] = json!(sequence);
        described["volume"] = json!(file.volume);
        Ok(described)
    });
    let tensor = args.tensor.iter().map(|tensor| hashed(&ArrayFile::parse(tensor).path));
    scans.chain(tensor).collect()
}

fn hashed(path: &Path) -> anyhow::Result<Value> {
    Ok(json!({ "file": path, "sha256": hash_file(path)? }))
}

/// Describes each region, the most relevant of the main method first. Without an orientation, a position in millimetres is
/// not known.
fn regions(explanation: &Explanation, extents: &[RegionExtent], oriented: bool) -> Vec<Value> {
    let Some(main) = explanation.results.first() else { return Vec::new() };
    let describe = |(rank, region): (usize, usize)| {
        let extent = &extents[region];
        let of = |values: &dyn Fn(&crate::MethodResult) -> f64| {
            let by_method =
                explanation.results.iter().map(|one| (one.method.name().to_owned(), json!(values(one))));
            by_method.collect::<Map<_, _>>()
        };
        let mut described = json!({
            "region": extent.id,
            "rank": rank + 1,
            "voxels": extent.voxels,
            "volume_ml": extent.ml,
            "centroid_mm": oriented.then_some(extent.centroid_mm),
            "centre_voxel": extent.centre,
            "relevance": of(&|result| result.relevance[region]),
            "value": of(&|result| result.attribution.values[region]),
        });
        if let Some(scores) = &explanation.scores {
            described["delta_p"] = json!(scores.rows[region].delta_p);
            described["delta_logit"] = json!(scores.rows[region].delta_logit);
        }
        described
    };
    main.ranking().into_iter().enumerate().map(describe).collect()
}

/// Computes where each region of a partition lies, in the order of its ids.
pub(super) fn extents(study: &Study, regions: &Supervoxels) -> Vec<RegionExtent> {
    let mut extents = region_extents(regions.labels(), &study.frame.geometry());
    extents.retain(|extent| Some(extent.id) != regions.background());
    extents
}

/// Returns the files in a folder that state what a case was computed from: `explanation.json`, or under BIDS names the JSON
/// files of the maps. They are written last.
pub(super) fn paths(work: &Work<'_>, folder: &Path, case: &str) -> Vec<PathBuf> {
    match work.args.bids_derivatives {
        false => vec![path(folder)],
        true => {
            let sidecar = |method: &Method| folder.join(Explanation::bids_sidecar(case, *method));
            work.methods.iter().map(sidecar).collect()
        }
    }
}

/// Path of the document in a folder.
fn path(folder: &Path) -> PathBuf {
    folder.join(files::DOCUMENT)
}

/// Removes a document, if there is one.
///
/// # Errors
/// Returns an error if it cannot be removed.
pub(super) fn discard(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| path.display().to_string())
        }
        _ => Ok(()),
    }
}

/// Adds a key to a document.
///
/// # Errors
/// Returns an error if the document cannot be read or written.
pub(super) fn add(path: &Path, key: &str, value: &Value) -> anyhow::Result<()> {
    let mut document = read(path)?.with_context(|| format!("{}: expected a document", path.display()))?;
    document[key] = value.clone();
    replace(path, format!("{document:#}\n").as_bytes())
}

/// Reads a document that an earlier call wrote; `None` if there is none.
///
/// # Errors
/// Returns an error if the file exists and is not JSON.
pub(super) fn read(path: &Path) -> anyhow::Result<Option<Value>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}
