//! Relevance pooled over the cases of a call.
//!
//! The relevance of every case, of the main method or of each partition that is averaged, is learned from the appearance of regions, and
//! predicted for the cases of other patients: [`Pooling`]. What of it speaks for the cases' labels is tested: [`LabelTest`]. Both take the
//! results of all cases, so they follow them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::{Progress, print_status};
use relevox_experiment::run::replace;
use relevox_relevance::{
    LabelTest, LabelledCase, PooledCase, Pooling, RelevanceMap, Sign, Target, scale_signed_to_100,
};
use relevox_volume::{CaseFiles, Study};
use serde_json::{Map, Value, json};
use slic3d::Supervoxels;

use super::super::library_error::of_command;
use super::notes::Notes;
use super::scans::Scans;
use super::subject::Subject;
use super::work::Work;
use super::{document, files, labels, regions, result};
use crate::depiction::add_to_page;
use crate::explanation::Parts;
use crate::pooled::own_and_pooled;
use crate::{Explanation, Method, MethodResult, PartitionRelevance};

/// The cases of a call, as they are explained.
pub(super) struct Pool<'a> {
    work: &'a Work<'a>,
    scans: &'a Scans,
    /// The method whose relevance `pooled` and `pooled-label` pool.
    main: Option<Method>,
    /// Patients of a cohort's cases; of cases that were given one by one, each is its own.
    patients: BTreeMap<String, String>,
    /// Labels of a cohort's cases, for `pooled-label`.
    labels: Option<BTreeMap<String, bool>>,
    members: Vec<Member>,
}

/// A case, the folder with its results, and the relevance that is pooled.
struct Member {
    files: CaseFiles,
    folder: PathBuf,
    main: Option<PooledCase>,
    /// The main method's signed values, for `pooled-label`.
    signed: Option<LabelledCase>,
    /// Diffused relevance on each partition, for `averaged-pooled`.
    partitions: Vec<PooledCase>,
}

/// Relevance predicted for the regions of a case.
#[derive(Default)]
struct Predicted {
    main: Option<Vec<f64>>,
    for_label: Option<Vec<f64>>,
    partitions: Vec<Vec<f64>>,
}

/// The relevance of a partition's regions, before pooling.
struct Relevance<'a> {
    regions: &'a Supervoxels,
    values: Vec<f64>,
}

/// The relevance of the main method, and its signed values for `pooled-label`.
struct Main<'a> {
    relevance: Relevance<'a>,
    signed: Option<Vec<f64>>,
}

impl<'a> Pool<'a> {
    /// Creates a pool without cases, of a cohort with these patients.
    ///
    /// # Errors
    /// Returns an input error if no method can be pooled, or an error if the cohort cannot be read.
    pub(super) fn new(
        work: &'a Work<'a>,
        scans: &'a Scans,
        patients: BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let main = work.pooled_from()?;
        let labels = match work.pooled.contains(&Method::PooledLabel) {
            true => Some(labels::of_cohort(work, scans, patients.keys())?),
            false => None,
        };
        Ok(Self { work, scans, main, patients, labels, members: Vec::new() })
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
        let of_main = |method: Method| {
            let main = explanation.result(method).context("expected the method that is pooled")?;
            let relevance = Relevance { regions: &explanation.regions, values: main.relevance.clone() };
            let signed = self.labels.is_some().then(|| main.attribution.values.clone());
            anyhow::Ok(Main { relevance, signed })
        };
        let main = self.main.map(of_main).transpose()?;
        let of = |one: &'_ PartitionRelevance| one.attribution.relevance(Sign::Magnitude);
        let partitions = match self.averages() {
            true => explanation.partitions.iter(),
            false => [].iter(),
        };
        let partitions = partitions.map(|one| Relevance { regions: &one.regions, values: of(one) });
        self.insert(files, folder, &subject.study, main, partitions.collect())
    }

    /// Adds a case that an earlier call explained.
    ///
    /// # Errors
    /// Returns an error if its scans or its tables cannot be read.
    pub(super) fn add_earlier(&mut self, files: &CaseFiles, folder: &Path) -> anyhow::Result<()> {
        let Opened { subject, regions, partitions } = self.open(files, folder)?;
        let bids_case = self.work.args.bids_derivatives.then_some(files.id.as_str());
        let read = |name: String, columns: &[&str], regions| {
            let table = folder.join(name);
            column(&table, columns, regions).with_context(|| table.display().to_string())
        };
        let of_main = |method| {
            let table = Explanation::table_name(method, bids_case);
            let values = read(table.clone(), &[RELEVANCE], &regions)?;
            let relevance = Relevance { regions: &regions, values };
            let signed = match self.labels {
                Some(_) => Some(read(table, &SIGNED, &regions)?),
                None => None,
            };
            anyhow::Ok(Main { relevance, signed })
        };
        let main = self.main.map(of_main).transpose()?;
        let of = |(number, regions)| {
            let table = Explanation::partition_table_name(number, bids_case);
            anyhow::Ok(Relevance { regions, values: read(table, &[RELEVANCE], regions)? })
        };
        let partitions = partitions.iter().enumerate().map(of).collect::<anyhow::Result<_>>()?;
        self.insert(files, folder, &subject.study, main, partitions)
    }

    fn insert(
        &mut self,
        files: &CaseFiles,
        folder: &Path,
        study: &Study,
        main: Option<Main<'_>>,
        partitions: Vec<Relevance<'_>>,
    ) -> anyhow::Result<()> {
        let group = self.patients.get(&files.id).unwrap_or(&files.id);
        let case = |Relevance { regions, values }: Relevance<'_>| {
            PooledCase::of(group.clone(), study.image.view(), study.brain.view(), regions, values)
        };
        let label = self.labels.as_ref().and_then(|labels| labels.get(&files.id).copied());
        let (mut own, mut signed) = (None, None);
        if let Some(main) = main {
            let found = case(main.relevance)?;
            signed = label.zip(main.signed).map(|(label, values)| {
                let case = PooledCase { relevance: scale_signed_to_100(&values), ..found.clone() };
                LabelledCase { case, label }
            });
            own = Some(found);
        }
        let partitions = partitions.into_iter().map(case).collect::<Result<_, _>>()?;
        let (files, folder) = (files.clone(), folder.to_owned());
        self.members.push(Member { files, folder, main: own, signed, partitions });
        Ok(())
    }

    /// Pools relevance over the cases, and writes the files of the pooled methods into each folder. Returns the part of the summary on
    /// stdout that names what was pooled.
    ///
    /// # Errors
    /// Returns an input error if the cases are of fewer than two patients, or an error if a file cannot be read or written.
    pub(super) fn finish(mut self) -> anyhow::Result<Value> {
        // The forests depend on the order of the cases, the user's order is of no importance.
        self.members.sort_by(|a, b| a.files.id.cmp(&b.files.id));
        let count = self.members.len();
        let mut predicted: Vec<Predicted> = self.members.iter().map(|_| Predicted::default()).collect();
        if self.work.pooled.contains(&Method::Pooled) {
            let found = self.learn(Method::Pooled, |member| member.main.as_ref())?;
            predicted.iter_mut().zip(found).for_each(|(case, values)| case.main = Some(values));
        }
        if self.labels.is_some() {
            let found = self.tested()?;
            predicted.iter_mut().zip(found).for_each(|(case, values)| case.for_label = Some(values));
        }
        let partitions = self.members.first().map_or(0, |member| member.partitions.len());
        for number in 0..partitions {
            let found = self.learn(Method::AveragedPooled, |member| member.partitions.get(number))?;
            predicted.iter_mut().zip(found).for_each(|(case, values)| case.partitions.push(values));
        }
        let progress = Progress::start("pool: write", count, "cases");
        for (member, predicted) in self.members.iter().zip(predicted) {
            interrupt::check()?;
            self.write(member, predicted).with_context(|| format!("case {}: pooled", member.files.id))?;
            progress.advance(1);
        }
        drop(progress);
        // The first that was asked for describes the call.
        let from = self.main.unwrap_or(Method::Averaged);
        for pooled in &self.work.pooled {
            let of = if pooled.is_by_region() { from } else { Method::Averaged };
            print_status(format!("{pooled}: {of} of {count} cases, each learned from other patients' cases"));
        }
        Ok(json!({ "methods": self.work.pooled, "from": from.name(), "cases": count }))
    }

    fn averages(&self) -> bool {
        self.work.pooled.contains(&Method::AveragedPooled)
    }

    /// Predicts the relevance of one partition of all cases.
    fn learn(
        &self,
        method: Method,
        of: impl Fn(&Member) -> Option<&PooledCase>,
    ) -> anyhow::Result<Vec<Vec<f64>>> {
        let cases = self.members.iter().map(|member| of(member).cloned());
        let cases = cases.collect::<Option<Vec<_>>>().context("expected the same partitions of all cases")?;
        let pooling = Pooling { seed: self.work.args.methods.seed, ..Pooling::default() }.check()?;
        let progress = Progress::start(format!("{method}: learn"), cases.len(), "cases");
        let found = pooling.cross_fitted(&cases, &|done| {
            progress.advance(done);
            interrupt::flow()
        });
        found.map_err(|error| of_method(method, error))
    }

    /// Returns the tested evidence for the labels of all cases.
    fn tested(&self) -> anyhow::Result<Vec<Vec<f64>>> {
        let method = Method::PooledLabel;
        let cases = self.members.iter().map(|member| member.signed.clone());
        let cases = cases.collect::<Option<Vec<_>>>().context("expected a label of every case")?;
        let test = LabelTest::default().check()?;
        let progress = Progress::start(format!("{method}: test"), cases.len(), "cases");
        let found = test.evidence(&cases, &|done| {
            progress.advance(done);
            interrupt::flow()
        });
        let found = found.map_err(|error| of_method(method, error))?;
        Ok(found.iter().map(|evidence| test.tested(evidence)).collect())
    }

    /// Reads a case again, and divides it into the same regions, and partitions where they are averaged.
    fn open(&self, files: &CaseFiles, folder: &Path) -> anyhow::Result<Opened> {
        let mut notes = Notes::quiet();
        let subject = self.scans.open(self.work, files.clone(), folder, &mut notes)?;
        let (own, _) = regions::of(self.work.args, &subject, &mut notes)?;
        let mut partitions = Vec::new();
        if self.averages() {
            partitions.push(own.clone());
            for other in regions::averaged(self.work, &subject, &mut notes)? {
                partitions.push(other.of(&subject.study).map_err(of_command)?);
            }
        }
        Ok(Opened { subject, regions: own, partitions })
    }

    /// Writes a case's files, and adds the methods to its document.
    fn write(&self, member: &Member, predicted: Predicted) -> anyhow::Result<()> {
        let (args, Member { files, folder, .. }) = (self.work.args, member);
        let Opened { subject, regions, partitions } = self.open(files, folder)?;
        let study = &subject.study;
        let documents = document::paths(self.work, folder, &files.id);
        let earlier = document::read(documents.first().context("expected a document")?)?;
        let mut earlier = earlier.context("expected a document, found none")?;
        let stated = if args.bids_derivatives { &earlier["Result"] } else { &earlier };
        let fill = stated["fill"].as_str().unwrap_or_default().to_owned();
        let output = stated["target"]["output"].as_u64().unwrap_or_default() as usize;
        let target = Target { output, ..Target::default() };
        let outputs: Vec<f32> =
            serde_json::from_value(stated["logits"].clone()).context("expected logits")?;
        let rule = args.methods.rule();
        let to_mask = (&rule, study.brain.view());
        let mut results = Vec::new();
        let by_region = [(Method::Pooled, predicted.main), (Method::PooledLabel, predicted.for_label)];
        for (method, values) in by_region {
            let result =
                |values| MethodResult::pooled(method, &regions, values, (outputs.clone(), target), to_mask);
            results.extend(values.map(result));
        }
        if !predicted.partitions.is_empty() {
            let mut maps = Vec::new();
            for ((regions, case), values) in
                partitions.iter().zip(&member.partitions).zip(&predicted.partitions)
            {
                maps.extend(own_and_pooled(regions, &case.relevance, values).map_err(of_command)?);
            }
            let (map, of) = (RelevanceMap::average(&maps)?, (outputs.clone(), target));
            results.push(MethodResult::of_voxels(Method::AveragedPooled, &regions, of, map, to_mask));
        }
        let results: Vec<MethodResult> = results.into_iter().collect::<Result<_, _>>().map_err(of_command)?;
        for MethodResult { method, .. } in results.iter().filter(|result| result.map.flat) {
            let reason = match method {
                Method::PooledLabel => "no region has evidence for the cases' classes that is beyond chance",
                _ => "all regions are predicted to be equally relevant",
            };
            print_status(format!(
                "warning: case {}: {method}: {reason}: the relevance map is 0 everywhere",
                study.case
            ));
        }
        let parts = Parts {
            scores: None,
            results,
            partitions: Vec::new(),
            by_sequence: Vec::new(),
            sets: None,
            outputs,
            without_regions: None,
            target,
            fill,
        };
        let explanation = Explanation::new(study, regions, parts);
        let described = explanation.results.iter().map(|found| {
            Ok((found.method.name(), result::method(&explanation, found, subject.outline.as_ref())?))
        });
        let described: Vec<(&str, Value)> = described.collect::<anyhow::Result<_>>()?;
        if args.bids_derivatives {
            let methods: Map<String, Value> =
                described.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
            let sidecar = result::sidecar(args, files, &json!({ "methods": methods }))?;
            return explanation.write_bids(folder, &study.case, &sidecar).map_err(of_command);
        }
        explanation.write(folder).map_err(of_command)?;
        // The page holds regions of one partition: maps of several would need its volumes again.
        let by_region = explanation.results.iter().filter(|result| result.method.is_by_region());
        for pooled in by_region.filter(|_| !args.no_pictures) {
            let page = folder.join(files::PAGE);
            let with = |text: String| Ok(add_to_page(&text, pooled)?);
            let added = std::fs::read_to_string(&page).map_err(anyhow::Error::from).and_then(with);
            replace(&page, added.with_context(|| page.display().to_string())?.as_bytes())?;
        }
        for (name, of) in described {
            earlier["methods"][name] = of;
        }
        for MethodResult { method, relevance, attribution, .. } in &explanation.results {
            let values = relevance.iter().zip(&attribution.values);
            let by_id: BTreeMap<u64, _> =
                attribution.ids.iter().map(|&id| u64::from(id)).zip(values).collect();
            for region in earlier["regions"].as_array_mut().into_iter().flatten() {
                let found = region["region"].as_u64().and_then(|id| by_id.get(&id));
                if let Some(&(relevance, value)) = found {
                    region["relevance"][method.name()] = json!(relevance);
                    region["value"][method.name()] = json!(value);
                }
            }
        }
        document::write(folder, &earlier)
    }
}

/// A case that is read again.
struct Opened {
    subject: Subject,
    regions: Supervoxels,
    /// All partitions that are averaged, that of the regions first; empty where none are pooled.
    partitions: Vec<Supervoxels>,
}

/// Names the method whose setting the cases do not allow.
fn of_method(method: Method, error: relevox_relevance::Error) -> anyhow::Error {
    match error {
        relevox_relevance::Error::InvalidSetting { expected, found, .. } => {
            invalid_input(format!("--method {method}: expected {expected}, found {found}"))
        }
        error => error.into(),
    }
}

/// Column of the relevance in a method's table.
const RELEVANCE: &str = "relevance";
/// Columns of signed values, of which a method's table has one: `delta_p` by perturbation.
const SIGNED: [&str; 2] = ["value", "delta_p"];

/// Reads the first of these columns that a method's table has, by region.
fn column(path: &Path, columns: &[&str], partition: &Supervoxels) -> anyhow::Result<Vec<f64>> {
    let tabs = path.extension().is_some_and(|extension| extension == "tsv");
    let delimiter = if tabs { b'\t' } else { b',' };
    let mut table = csv::ReaderBuilder::new().delimiter(delimiter).from_path(path)?;
    let by_region: BTreeMap<u32, f64> = table
        .deserialize()
        .map(|row| {
            let row: BTreeMap<String, String> = row?;
            let cell = |names: &[&str]| {
                let found = names.iter().find_map(|name| row.get(*name));
                found.with_context(|| format!("expected a column {}", names.join(" or ")))
            };
            Ok((cell(&["region"])?.parse()?, cell(columns)?.parse()?))
        })
        .collect::<anyhow::Result<_>>()?;
    let of =
        |id: &u32| by_region.get(id).copied().with_context(|| format!("expected region {id}, found none"));
    partition.ids().iter().map(of).collect()
}
