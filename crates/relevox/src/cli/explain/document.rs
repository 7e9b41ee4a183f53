//! `explanation.json`: everything that a program may want to know about an explanation.

use std::path::Path;

use anyhow::Context;
use ndarray::Zip;
use relevox_experiment::run::{hash_file, replace};
use relevox_volume::Study;
use relevox_volume::npy::ArrayFile;
use serde_json::{Map, Value, json};
use slic3d::Supervoxels;

use super::args::ExplainArgs;
use super::files;
use super::subject::Subject;
use crate::Explanation;

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
    result: &Value,
) -> anyhow::Result<Value> {
    let mut document = result.clone();
    document["format"] = json!(FORMAT);
    document["version"] = json!(env!("CARGO_PKG_VERSION"));
    document["case"] = json!(subject.study.case);
    document["model"] = json!(model_files(args)?);
    document["scans"] = json!(input_files(args, subject)?);
    document["regions"] = regions(&subject.study, explanation).into();
    Ok(document)
}

/// Writes the document into a folder.
///
/// # Errors
/// Returns an error if it cannot be written.
pub(super) fn write(folder: &Path, document: &Value) -> anyhow::Result<()> {
    replace(&folder.join(files::DOCUMENT), format!("{document:#}\n").as_bytes())
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

/// Describes each region, the most relevant of the main method first.
fn regions(study: &Study, explanation: &Explanation) -> Vec<Value> {
    let Some(main) = explanation.results.first() else { return Vec::new() };
    let centroids = centroids(study, &explanation.regions);
    let ml_per_voxel = study.frame.geometry().spacing_mm.iter().product::<f64>() / 1000.0;
    let describe = |(rank, region): (usize, usize)| {
        let voxels = explanation.regions.voxel_counts()[region];
        let of = |values: &dyn Fn(&crate::MethodResult) -> f64| {
            let by_method =
                explanation.results.iter().map(|one| (one.method.name().to_owned(), json!(values(one))));
            by_method.collect::<Map<_, _>>()
        };
        let mut described = json!({
            "region": explanation.regions.ids()[region],
            "rank": rank + 1,
            "voxels": voxels,
            "volume_ml": voxels as f64 * ml_per_voxel,
            "centroid_mm": centroids[region],
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

/// Computes the centre of mass of each region in the scanner's coordinates, `[x, y, z]` in mm.
pub(super) fn centroids(study: &Study, regions: &Supervoxels) -> Vec<[f64; 3]> {
    let mut sums = vec![[0.0; 3]; regions.len()];
    Zip::indexed(regions.labels()).for_each(|(z, y, x), &label| {
        if Some(label) == regions.background() {
            return;
        }
        if let Some(region) = regions.index_of(label) {
            for (sum, at) in sums[region].iter_mut().zip([z, y, x]) {
                *sum += at as f64;
            }
        }
    });
    let geometry = study.frame.geometry();
    let means = sums.iter().zip(regions.voxel_counts());
    means.map(|(sum, &voxels)| geometry.world(sum.map(|sum| sum / voxels.max(1) as f64))).collect()
}

/// Adds a key to the document in a folder.
///
/// # Errors
/// Returns an error if the document cannot be read or written. Does nothing if there is none.
pub(super) fn add(folder: &Path, key: &str, value: Value) -> anyhow::Result<()> {
    let Some(mut document) = read(folder)? else { return Ok(()) };
    document[key] = value;
    write(folder, &document)
}

/// Reads a document that an earlier call wrote; `None` if there is none.
///
/// # Errors
/// Returns an error if the file exists and is not JSON.
pub(super) fn read(folder: &Path) -> anyhow::Result<Option<Value>> {
    let path = folder.join(files::DOCUMENT);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}
