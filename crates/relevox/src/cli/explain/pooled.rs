//! Relevance pooled over the cases of a call.
//!
//! The main method's relevance of every case is learned from the appearance of regions, and predicted for the cases of other
//! patients: [`Pooling`]. That takes the results of all cases, so it follows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::{Progress, print_status};
use relevox_relevance::{Attribution, PooledCase, Pooling, Sign, Target};
use relevox_volume::CaseFiles;
use serde_json::{Value, json};
use slic3d::Supervoxels;

use super::super::library_error::of_command;
use super::notes::Notes;
use super::scans::Scans;
use super::subject::Subject;
use super::work::Work;
use super::{document, regions, result};
use crate::explanation::Parts;
use crate::{Explanation, Method, MethodResult};

/// A case of the call, and the folder with its results.
pub(super) struct Member {
    pub(super) files: CaseFiles,
    pub(super) folder: PathBuf,
    /// The patient.
    pub(super) group: String,
}

/// Pools the main method's relevance over the cases, and writes the files of the method `pooled` into each folder.
///
/// # Errors
/// Returns an input error if the cases are of fewer than two patients, or an error if a file cannot be read or written.
pub(super) fn run(work: &Work<'_>, scans: &Scans, mut members: Vec<Member>) -> anyhow::Result<()> {
    let main = work.pooled_from()?;
    // The forests depend on the order of the cases, the user's order is of no importance.
    members.sort_by(|a, b| a.files.id.cmp(&b.files.id));
    let progress = Progress::start("pool: read", members.len(), "cases");
    let mut cases = Vec::with_capacity(members.len());
    for member in &members {
        interrupt::check()?;
        let (subject, partition) = open(work, scans, member)?;
        cases.push(case(&subject, &partition, member, main)?);
        progress.advance(1);
    }
    drop(progress);
    let pooling = Pooling { seed: work.args.methods.seed, ..Pooling::default() }.check()?;
    let progress = Progress::start("pool: learn", members.len(), "cases");
    let found = pooling.cross_fitted(&cases, &|done| {
        progress.advance(done);
        interrupt::flow()
    });
    drop(progress);
    let found = found.map_err(|error| match error {
        relevox_relevance::Error::InvalidSetting { expected, found, .. } => {
            invalid_input(format!("--method pooled: expected {expected}, found {found}"))
        }
        error => error.into(),
    })?;
    let progress = Progress::start("pool: write", members.len(), "cases");
    for (member, values) in members.iter().zip(found) {
        interrupt::check()?;
        write(work, scans, member, values).with_context(|| format!("case {}: pooled", member.files.id))?;
        progress.advance(1);
    }
    drop(progress);
    print_status(format!(
        "pooled: {main} of {} cases, each learned from other patients' cases",
        members.len()
    ));
    Ok(())
}

/// Reads a case again, and divides it into the same regions.
fn open(work: &Work<'_>, scans: &Scans, member: &Member) -> anyhow::Result<(Subject, Supervoxels)> {
    let mut notes = Notes::quiet();
    let subject = scans.open(work, member.files.clone(), &member.folder, &mut notes)?;
    let partition = regions::of(work.args, &subject, &mut notes)?;
    Ok((subject, partition))
}

/// The appearance of a case's regions, and the relevance that was written for them.
fn case(
    subject: &Subject,
    partition: &Supervoxels,
    member: &Member,
    main: Method,
) -> anyhow::Result<PooledCase> {
    let study = &subject.study;
    let path = member.folder.join(format!("{main}.csv"));
    let relevance = relevance(&path, partition).with_context(|| path.display().to_string())?;
    let (image, brain) = (study.image.view(), study.brain.view());
    Ok(PooledCase::of(member.group.clone(), image, brain, partition, relevance)?)
}

/// Reads the relevance of regions from a method's table.
fn relevance(path: &Path, partition: &Supervoxels) -> anyhow::Result<Vec<f64>> {
    let mut table = csv::Reader::from_path(path)?;
    let by_region: BTreeMap<u32, f64> = table
        .deserialize()
        .map(|row| {
            let row: BTreeMap<String, String> = row?;
            let cell = |name: &str| row.get(name).with_context(|| format!("expected a column {name}"));
            Ok((cell("region")?.parse()?, cell("relevance")?.parse()?))
        })
        .collect::<anyhow::Result<_>>()?;
    let of =
        |id: &u32| by_region.get(id).copied().with_context(|| format!("expected region {id}, found none"));
    partition.ids().iter().map(of).collect()
}

/// Writes a case's files, and adds the method to its document.
fn write(work: &Work<'_>, scans: &Scans, member: &Member, values: Vec<f64>) -> anyhow::Result<()> {
    let (subject, partition) = open(work, scans, member)?;
    let (study, folder) = (&subject.study, &member.folder);
    let documents = document::paths(work, folder, &member.files.id);
    let earlier = document::read(documents.first().context("expected a document")?)?;
    let mut earlier = earlier.context("expected a document, found none")?;
    let stated = if work.args.bids_derivatives { &earlier["Result"] } else { &earlier };
    let fill = stated["fill"].as_str().unwrap_or_default().to_owned();
    let output = stated["target"]["output"].as_u64().unwrap_or_default() as usize;
    let target = Target { output, ..Target::default() };
    let attribution = Attribution {
        ids: partition.ids().to_vec(),
        voxels: partition.voxel_counts().to_vec(),
        values,
        original: Vec::new(),
        target,
        convergence: Vec::new(),
    };
    let rule = work.args.methods.rule();
    let to_mask = (&rule, study.brain.view());
    let pooled =
        MethodResult::of_regions(Method::Pooled, &partition, attribution, to_mask).map_err(of_command)?;
    let ranked = pooled.attribution.relevance(Sign::Magnitude);
    let parts = Parts {
        scores: None,
        results: vec![pooled],
        by_sequence: Vec::new(),
        sets: None,
        outputs: Vec::new(),
        without_regions: None,
        target,
        fill,
    };
    let explanation = Explanation::new(study, partition, parts);
    let described = result::method(&explanation, &explanation.results[0], subject.outline.as_ref())?;
    if work.args.bids_derivatives {
        let sidecar =
            result::sidecar(work.args, &member.files, &json!({ "methods": { "pooled": described } }))?;
        return explanation.write_bids(folder, &study.case, &sidecar).map_err(of_command);
    }
    explanation.write(folder).map_err(of_command)?;
    earlier["methods"][Method::Pooled.name()] = described;
    let by_id: BTreeMap<u64, (f64, f64)> = explanation.results[0]
        .attribution
        .ids
        .iter()
        .zip(ranked.into_iter().zip(explanation.results[0].attribution.values.iter().copied()))
        .map(|(&id, of)| (u64::from(id), of))
        .collect();
    for region in earlier["regions"].as_array_mut().into_iter().flatten() {
        let found = region["region"].as_u64().and_then(|id| by_id.get(&id));
        if let Some(&(relevance, value)) = found {
            region["relevance"][Method::Pooled.name()] = json!(relevance);
            region["value"][Method::Pooled.name()] = json!(value);
        }
    }
    document::write(folder, &earlier)
}

/// Returns the patient of each case of a cohort; of cases that were given one by one, each is its own.
///
/// # Errors
/// Returns an error if the cohort cannot be read.
pub(super) fn groups(work: &Work<'_>, scans: &Scans) -> anyhow::Result<BTreeMap<String, String>> {
    let Some(cohort) = &work.args.scans.cohort else { return Ok(BTreeMap::new()) };
    let cohort = relevox_volume::Cohort::open(cohort, scans.preprocess().sequences())?;
    Ok(cohort.cases.into_iter().map(|case| (case.id().to_owned(), case.group)).collect())
}

/// The part of the summary on stdout that names what was pooled.
pub(super) fn summary(main: Method, members: usize) -> Value {
    json!({ "from": main.name(), "cases": members })
}
