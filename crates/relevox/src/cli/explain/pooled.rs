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
use relevox_experiment::run::replace;
use relevox_relevance::{PooledCase, Pooling, Target};
use relevox_volume::{CaseFiles, ScanList, Study};
use serde_json::{Value, json};
use slic3d::Supervoxels;

use super::super::library_error::of_command;
use super::notes::Notes;
use super::scans::Scans;
use super::subject::Subject;
use super::work::Work;
use super::{document, files, regions, result};
use crate::depiction::add_to_page;
use crate::explanation::Parts;
use crate::{Explanation, Method, MethodResult};

/// The cases of a call, as they are explained.
pub(super) struct Pool<'a> {
    work: &'a Work<'a>,
    scans: &'a Scans,
    /// The method whose relevance is pooled.
    main: Method,
    /// Patients of a cohort's cases.
    groups: BTreeMap<String, String>,
    members: Vec<Member>,
}

/// A case, and the folder with its results.
struct Member {
    files: CaseFiles,
    folder: PathBuf,
    case: PooledCase,
}

impl<'a> Pool<'a> {
    /// Creates a pool without cases.
    ///
    /// # Errors
    /// Returns an input error if no method can be pooled, or an error if the cohort cannot be read.
    pub(super) fn new(work: &'a Work<'a>, scans: &'a Scans) -> anyhow::Result<Self> {
        let (main, groups) = (work.pooled_from()?, groups(work, scans)?);
        Ok(Self { work, scans, main, groups, members: Vec::new() })
    }

    /// Adds a case that was just explained.
    ///
    /// # Errors
    /// Returns an error if its regions cannot be described.
    pub(super) fn add(
        &mut self,
        files: &CaseFiles,
        folder: &Path,
        subject: &Subject,
        explanation: &Explanation,
    ) -> anyhow::Result<()> {
        let main = explanation.result(self.main).context("expected the method that is pooled")?;
        self.insert(files, folder, &subject.study, &explanation.regions, main.relevance.clone())
    }

    /// Adds a case that an earlier call explained.
    ///
    /// # Errors
    /// Returns an error if its scans or its table cannot be read.
    pub(super) fn add_earlier(&mut self, files: &CaseFiles, folder: &Path) -> anyhow::Result<()> {
        let (subject, partition) = open(self.work, self.scans, files, folder)?;
        let table = folder.join(files::table(self.work.args.bids_derivatives, &files.id, self.main));
        let relevance = relevance(&table, &partition).with_context(|| table.display().to_string())?;
        self.insert(files, folder, &subject.study, &partition, relevance)
    }

    fn insert(
        &mut self,
        files: &CaseFiles,
        folder: &Path,
        study: &Study,
        partition: &Supervoxels,
        relevance: Vec<f64>,
    ) -> anyhow::Result<()> {
        let group = self.groups.get(&files.id).unwrap_or(&files.id).clone();
        let case = PooledCase::of(group, study.image.view(), study.brain.view(), partition, relevance)?;
        self.members.push(Member { files: files.clone(), folder: folder.to_owned(), case });
        Ok(())
    }

    /// Pools the main method's relevance over the cases, and writes the files of the method `pooled` into each folder. Returns
    /// the part of the summary on stdout that names what was pooled.
    ///
    /// # Errors
    /// Returns an input error if the cases are of fewer than two patients, or an error if a file cannot be read or written.
    pub(super) fn finish(mut self) -> anyhow::Result<Value> {
        // The forests depend on the order of the cases, the user's order is of no importance.
        self.members.sort_by(|a, b| a.files.id.cmp(&b.files.id));
        let (main, count) = (self.main, self.members.len());
        let (members, cases): (Vec<_>, Vec<PooledCase>) =
            self.members.into_iter().map(|Member { files, folder, case }| ((files, folder), case)).unzip();
        let pooling = Pooling { seed: self.work.args.methods.seed, ..Pooling::default() }.check()?;
        let progress = Progress::start("pool: learn", count, "cases");
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
        let progress = Progress::start("pool: write", count, "cases");
        for ((files, folder), values) in members.iter().zip(found) {
            interrupt::check()?;
            write(self.work, self.scans, files, folder, values)
                .with_context(|| format!("case {}: pooled", files.id))?;
            progress.advance(1);
        }
        drop(progress);
        print_status(format!("pooled: {main} of {count} cases, each learned from other patients' cases"));
        Ok(json!({ "from": main.name(), "cases": count }))
    }
}

/// Reads a case again, and divides it into the same regions.
fn open(
    work: &Work<'_>,
    scans: &Scans,
    files: &CaseFiles,
    folder: &Path,
) -> anyhow::Result<(Subject, Supervoxels)> {
    let mut notes = Notes::quiet();
    let subject = scans.open(work, files.clone(), folder, &mut notes)?;
    let (partition, _) = regions::of(work.args, &subject, &mut notes)?;
    Ok((subject, partition))
}

/// Reads the relevance of regions from a method's table.
fn relevance(path: &Path, partition: &Supervoxels) -> anyhow::Result<Vec<f64>> {
    let tabs = path.extension().is_some_and(|extension| extension == "tsv");
    let delimiter = if tabs { b'\t' } else { b',' };
    let mut table = csv::ReaderBuilder::new().delimiter(delimiter).from_path(path)?;
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
fn write(
    work: &Work<'_>,
    scans: &Scans,
    files: &CaseFiles,
    folder: &Path,
    values: Vec<f64>,
) -> anyhow::Result<()> {
    let (subject, partition) = open(work, scans, files, folder)?;
    let study = &subject.study;
    let documents = document::paths(work, folder, &files.id);
    let earlier = document::read(documents.first().context("expected a document")?)?;
    let mut earlier = earlier.context("expected a document, found none")?;
    let stated = if work.args.bids_derivatives { &earlier["Result"] } else { &earlier };
    let fill = stated["fill"].as_str().unwrap_or_default().to_owned();
    let output = stated["target"]["output"].as_u64().unwrap_or_default() as usize;
    let target = Target { output, ..Target::default() };
    let outputs: Vec<f32> = serde_json::from_value(stated["logits"].clone()).context("expected logits")?;
    let rule = work.args.methods.rule();
    let to_mask = (&rule, study.brain.view());
    let pooled = MethodResult::pooled(&partition, values, (outputs.clone(), target), to_mask);
    let pooled = pooled.map_err(of_command)?;
    if pooled.map.flat {
        print_status(format!(
            "warning: case {}: pooled: all regions are predicted to be equally relevant: the relevance map is 0 everywhere",
            study.case
        ));
    }
    let ranked = pooled.relevance.clone();
    let parts = Parts {
        scores: None,
        results: vec![pooled],
        by_sequence: Vec::new(),
        sets: None,
        outputs,
        without_regions: None,
        target,
        fill,
    };
    let explanation = Explanation::new(study, partition, parts);
    let described = result::method(&explanation, &explanation.results[0], subject.outline.as_ref())?;
    if work.args.bids_derivatives {
        let sidecar = result::sidecar(work.args, files, &json!({ "methods": { "pooled": described } }))?;
        return explanation.write_bids(folder, &study.case, &sidecar).map_err(of_command);
    }
    explanation.write(folder).map_err(of_command)?;
    if !work.args.no_pictures {
        let page = folder.join(files::PAGE);
        let with = |text: String| Ok(add_to_page(&text, &explanation.results[0])?);
        let added = std::fs::read_to_string(&page).map_err(anyhow::Error::from).and_then(with);
        replace(&page, added.with_context(|| page.display().to_string())?.as_bytes())?;
    }
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
fn groups(work: &Work<'_>, scans: &Scans) -> anyhow::Result<BTreeMap<String, String>> {
    let Some(cohort) = &work.args.scans.cohort else { return Ok(BTreeMap::new()) };
    let cohort = ScanList::open(cohort, scans.preprocess().sequences())?;
    Ok(cohort.cases.into_iter().map(|(files, patient)| (files.id, patient)).collect())
}
