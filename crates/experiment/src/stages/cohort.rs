//! The cohort of a run: its cases are found, drawn, split and hashed, and every scan is read once before the first
//! stage. Writes `cohort.csv` and `left_out.csv`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rayon::prelude::*;
use relevox_volume::split;
use relevox_volume::{Cohort, CohortCase, LeftOut, ScanFile, Split, Study, ValidPreprocess};
use serde::Serialize;

use super::studies::StudyCache;
use super::table;
use super::work::Work;
pub use crate::config::PHANTOM;
use crate::config::ValidConfig;
use crate::failure::invalid_input;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, Run, hash_bytes, hash_file, is_current, replace, resolve_links, stream_seed};

/// Artefact that lists the cases; other runs accept it as a manifest.
pub const COHORT: &str = "cohort.csv";
/// Artefact that lists the cases that can't be used.
pub const LEFT_OUT: &str = "left_out.csv";

/// Cases of a run, with their splits.
#[derive(Debug)]
pub struct Scans {
    cases: Vec<CohortCase>,
    left_out: Vec<LeftOut>,
    hashes: BTreeMap<String, Hashes>,
    preprocess: ValidPreprocess,
    inputs: Inputs,
    studies: StudyCache,
}

/// Content hashes of a case's files.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hashes {
    sequences: String,
    seg: Option<String>,
}

/// Row of [`LEFT_OUT`].
#[derive(Serialize)]
struct LeftOutRow<'a> {
    case: &'a str,
    why: &'a str,
}

impl Scans {
    /// Finds the cases of the configured cohort, and reads every scan unless the run folder shows that this was done
    /// before. Writes nothing.
    ///
    /// # Errors
    /// Returns an error if a scan can't be read, or the cohort has too few cases or a single class.
    pub fn find(config: &ValidConfig, root: &Path) -> anyhow::Result<Self> {
        let source = match config.cohort.source.as_str() {
            PHANTOM => root.join(PHANTOM),
            path => PathBuf::from(path),
        };
        let mut cohort = Cohort::open(&source, &config.preprocess.sequences)?;
        require_enough(config, &cohort, &source)?;
        let settings = &config.cohort;
        if settings.draw_positive > 0 || settings.draw_negative > 0 {
            let count = |label| cohort.cases.iter().filter(|case| case.label == label).count();
            let size = |draw: usize, label| if draw == 0 { count(label) } else { draw };
            let positive = size(settings.draw_positive, true);
            let negative = size(settings.draw_negative, false);
            split::draw(&mut cohort, positive, negative, stream_seed(config.seed, "draw")).map_err(
                |error| {
                    let key = match &error {
                        relevox_volume::Error::TooFew { class, .. } => format!(": cohort.draw_{class}"),
                        _ => String::new(),
                    };
                    anyhow::Error::from(error).context(format!("{}{key}", source.display()))
                },
            )?;
        }
        if settings.folds > 0 {
            // Folds replace the splits of a manifest, with which some cases would never be tested.
            let fold_of = split::folds(&cohort, settings.folds, stream_seed(config.seed, "folds"));
            let (test, next) = (settings.fold.max(1) - 1, settings.fold.max(1) % settings.folds);
            for (case, fold) in cohort.cases.iter_mut().zip(fold_of) {
                case.split = Some(match fold {
                    fold if fold == test => Split::Test,
                    fold if fold == next => Split::Validation,
                    _ => Split::Train,
                });
            }
        }
        split::assign(&mut cohort, config.split_sizes(), stream_seed(config.seed, "split")).with_context(
            || format!("{}: cohort.train, cohort.validation and cohort.test", source.display()),
        )?;
        let scans = Self::hash_all(config, cohort)?;
        scans.check_splits()?;
        if !is_current(root, COHORT, &scans.list_inputs(root)?) {
            scans.read_all()?;
        }
        Ok(scans)
    }

    fn hash_all(config: &ValidConfig, cohort: Cohort) -> anyhow::Result<Self> {
        let progress = Progress::start("cohort: check", cohort.cases.len(), "cases");
        let hashes: BTreeMap<String, Hashes> = cohort
            .cases
            .par_iter()
            .map(|case| {
                interrupt::check()?;
                let sequences: Vec<String> =
                    case.files.sequences.iter().map(|(_, file)| hash_scan(file)).collect::<Result<_, _>>()?;
                let seg = case.files.segmentation.as_ref().map(hash_scan).transpose()?;
                let hashes = Hashes { sequences: hash_bytes(sequences.join(" ").as_bytes()), seg };
                progress.advance(1);
                anyhow::Ok((case.id().to_owned(), hashes))
            })
            .collect::<Result<_, _>>()?;
        drop(progress);
        let rows: BTreeMap<&str, serde_json::Value> = cohort
            .cases
            .iter()
            .map(|case| {
                let hashes = &hashes[case.id()];
                let row =
                    serde_json::json!([case.group, case.label, case.split, hashes.sequences, hashes.seg]);
                (case.id(), row)
            })
            .collect();
        let inputs = Inputs::new().setting("preprocess", &config.preprocess).setting("cases", &rows);
        let preprocess = config.preprocess().clone();
        let studies = StudyCache::new(&cohort.cases, &preprocess);
        Ok(Self { cases: cohort.cases, left_out: cohort.left_out, hashes, preprocess, inputs, studies })
    }

    fn check_splits(&self) -> anyhow::Result<()> {
        for split in Split::ALL {
            let [negative, positive] =
                [false, true].map(|label| self.split(split).filter(|case| case.label == label).count());
            if positive + negative == 0 || (split == Split::Train && positive.min(negative) == 0) {
                let expected =
                    if split == Split::Train { "cases of both classes" } else { "at least one case" };
                return Err(invalid_input(format!(
                    "the {split} split: expected {expected}, found {positive} positive and {negative} negative"
                )));
            }
        }
        Ok(())
    }

    fn read_all(&self) -> anyhow::Result<()> {
        let progress = Progress::start("cohort", self.cases.len(), "cases");
        self.cases.par_iter().try_for_each(|case| {
            interrupt::check()?;
            self.study(case.id())?;
            progress.advance(1);
            Ok(())
        })
    }

    /// Writes the lists of cases and records the cohort's fingerprint in the manifest.
    ///
    /// # Errors
    /// Returns an error if a file can't be written.
    pub fn record(&self, run: &Run) -> anyhow::Result<Work> {
        let made = run.make_with(COHORT, &self.list_inputs(run.root())?, |path| {
            replace(&run.path(LEFT_OUT), &self.left_out_csv()?)?;
            replace(path, &self.cohort_csv(run.root())?)?;
            Ok(vec![LEFT_OUT.to_owned()])
        })?;
        run.record_cohort(&self.fingerprint())?;
        Ok(Work::from_iter([made]))
    }

    /// Returns the inputs of the lists: in addition to the content of the cases, their paths and the cases left out.
    fn list_inputs(&self, root: &Path) -> anyhow::Result<Inputs> {
        let inputs = self.inputs.clone().file("left_out", &hash_bytes(&self.left_out_csv()?));
        Ok(inputs.file("paths", &hash_bytes(&self.cohort_csv(root)?)))
    }

    /// Requires that no scan lies in the run's folder, where the run could overwrite or remove it.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) that names the first such scan.
    pub fn refuse_inside(&self, root: &Path) -> anyhow::Result<()> {
        let folder = resolve_links(root);
        for case in &self.cases {
            for path in case.files.paths() {
                if path.canonicalize().is_ok_and(|path| path.starts_with(&folder)) {
                    return Err(invalid_input(format!(
                        "case {}: expected scans outside of the run folder {}, found {}; select another folder with --out",
                        case.id(),
                        root.display(),
                        path.display()
                    )));
                }
            }
        }
        Ok(())
    }

    fn cohort_csv(&self, root: &Path) -> anyhow::Result<Vec<u8>> {
        // Paths inside the run folder are relative to it, so that the bytes do not depend on its location.
        let relative = |file: &ScanFile| {
            let path = file.path.strip_prefix(root).unwrap_or(&file.path).to_owned();
            ScanFile { path, volume: file.volume }.to_string()
        };
        let mut table = csv::Writer::from_writer(Vec::new());
        let fixed = ["case", "group", "label", "split"];
        let header = fixed.into_iter().chain(self.sequences().iter().map(String::as_str)).chain(["seg"]);
        table.write_record(header)?;
        for case in &self.cases {
            let split = case.split.map(|split| split.to_string()).unwrap_or_default();
            let label = usize::from(case.label).to_string();
            let mut row = vec![case.id().to_owned(), case.group.clone(), label, split];
            row.extend(case.files.sequences.iter().map(|(_, file)| relative(file)));
            row.push(case.files.segmentation.as_ref().map(relative).unwrap_or_default());
            table.write_record(row)?;
        }
        Ok(table.into_inner()?)
    }

    fn left_out_csv(&self) -> anyhow::Result<Vec<u8>> {
        let rows = self.left_out.iter().map(|LeftOut { case, reason: why }| LeftOutRow { case, why });
        table::to_csv(&["case", "why"], rows)
    }

    /// Computes a hash of the cases, their labels and splits, and the content of their files.
    pub fn fingerprint(&self) -> String {
        hash_bytes(self.inputs.to_value().to_string().as_bytes())
    }

    /// All cases, by name.
    pub fn cases(&self) -> &[CohortCase] {
        &self.cases
    }

    /// Cases that can't be used.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// Sequences, in the order of the image's channels.
    pub fn sequences(&self) -> &[String] {
        self.preprocess.sequences()
    }

    /// Settings of the preprocessing.
    pub fn preprocess(&self) -> &ValidPreprocess {
        &self.preprocess
    }

    /// Cases of a split, by name.
    pub fn split(&self, split: Split) -> impl Iterator<Item = &CohortCase> {
        self.cases.iter().filter(move |case| case.split == Some(split))
    }

    /// Returns the preprocessed scans of a case.
    ///
    /// # Errors
    /// Returns an error that names the file if it can't be read.
    pub fn study(&self, case: &str) -> anyhow::Result<Arc<Study>> {
        self.studies.get(case)
    }

    /// Returns the inputs of every artefact computed from a case: the content of its scans, and the preprocessing.
    ///
    /// # Errors
    /// Returns an error if the case is not in the cohort.
    pub fn inputs(&self, case: &str) -> anyhow::Result<Inputs> {
        let hashes = self.hashes.get(case).with_context(|| format!("{case}: not a case of this cohort"))?;
        Ok(Inputs::new().file("scan", &hashes.sequences).setting("preprocess", self.preprocess.settings()))
    }

    /// Content hash of a case's segmentation, if it has one.
    pub fn seg_hash(&self, case: &str) -> Option<&str> {
        self.hashes.get(case)?.seg.as_deref()
    }

    /// Returns the inputs of training: the scans, labels and splits of the training and validation cases.
    pub fn training_inputs(&self) -> Inputs {
        let rows: BTreeMap<&str, serde_json::Value> = self
            .cases
            .iter()
            .filter(|case| case.split != Some(Split::Test))
            .map(|case| {
                let scan = &self.hashes[case.id()].sequences;
                (case.id(), serde_json::json!([case.label, case.split, scan]))
            })
            .collect();
        Inputs::new().setting("preprocess", self.preprocess.settings()).setting("cases", &rows)
    }
}

/// Hashes the content of a scan, with the index of its volume in a 4D file.
fn hash_scan(scan: &ScanFile) -> anyhow::Result<String> {
    let hash = hash_file(&scan.path)?;
    Ok(scan.volume.map_or(hash.clone(), |volume| format!("{hash}#{volume}")))
}

/// Requires the minimum number of cases, and both classes.
fn require_enough(config: &ValidConfig, cohort: &Cohort, source: &Path) -> anyhow::Result<()> {
    let (found, needed) = (cohort.cases.len(), config.cohort.min_cases);
    let source = source.display();
    if found < needed {
        let why = cohort.left_out.first().map_or_else(String::new, |first| {
            format!(" ({} left out, the first {}: {})", cohort.left_out.len(), first.case, first.reason)
        });
        return Err(invalid_input(format!(
            "{source}: expected at least {needed} usable cases, found {found}{why}"
        )));
    }
    for label in [true, false] {
        if cohort.cases.iter().all(|case| case.label != label) {
            let class = if label { "positive" } else { "negative" };
            return Err(invalid_input(format!(
                "{source}: expected cases of both classes, found {found} and none of them {class}"
            )));
        }
    }
    Ok(())
}
