//! Whose scans a run is about: found, drawn, split, hashed, and each read once before anything else is done
//! with them. Leaves `cohort.csv` and `left_out.csv`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use rayon::prelude::*;
use relevox_volume::split;
use relevox_volume::{Cohort, CohortCase, LeftOut, Split, Study, ValidPreprocess};

use super::Work;
use super::studies::StudyCache;
pub use crate::config::PHANTOM;
use crate::config::ValidConfig;
use crate::failure::input;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, Run, current, hash_bytes, hash_file, real, replace, stream_seed};

/// The artefact that lists the cases; a manifest that another run can take for its cohort.
pub const COHORT: &str = "cohort.csv";
/// The artefact that lists the cases that were found and can not be used.
pub const LEFT_OUT: &str = "left_out.csv";

/// The cases of a run, with their splits.
#[derive(Debug)]
pub struct Scans {
    cases: Vec<CohortCase>,
    left_out: Vec<LeftOut>,
    hashes: BTreeMap<String, Hashes>,
    preprocess: ValidPreprocess,
    inputs: Inputs,
    studies: StudyCache,
}

/// What the files of a case hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hashes {
    sequences: String,
    seg: Option<String>,
}

impl Scans {
    /// Finds the cases of a config's cohort, and reads each where a run folder does not vouch that this was
    /// done. Writes nothing.
    ///
    /// # Errors
    /// A cohort that can't be used: a scan that can't be read, too few cases, one class.
    pub fn find(config: &ValidConfig, root: &Path) -> anyhow::Result<Self> {
        let source = match config.cohort.source.as_str() {
            PHANTOM => root.join(PHANTOM),
            path => PathBuf::from(path),
        };
        let mut cohort = Cohort::open(&source, &config.preprocess.sequences)?;
        enough(config, &cohort, &source)?;
        let settings = &config.cohort;
        if settings.draw_positive > 0 || settings.draw_negative > 0 {
            let count = |label| cohort.cases.iter().filter(|case| case.label == label).count();
            let wanted = |draw: usize, label| if draw == 0 { count(label) } else { draw };
            let (positive, negative) =
                (wanted(settings.draw_positive, true), wanted(settings.draw_negative, false));
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
            // Of the whole cohort: splits that a manifest gives would leave cases that are never tested.
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
        let scans = Self::survey(config, cohort)?;
        scans.check_splits()?;
        if !current(root, COHORT, &scans.listed(root)?) {
            scans.read_all()?;
        }
        Ok(scans)
    }

    fn survey(config: &ValidConfig, cohort: Cohort) -> anyhow::Result<Self> {
        let progress = Progress::start("cohort: check", cohort.cases.len(), "cases");
        let hashes: BTreeMap<String, Hashes> = cohort
            .cases
            .par_iter()
            .map(|case| {
                interrupt::check()?;
                let sequences: Vec<String> =
                    case.files.sequences.iter().map(|(_, path)| hash_file(path)).collect::<Result<_, _>>()?;
                let seg = case.files.segmentation.as_ref().map(|path| hash_file(path)).transpose()?;
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
                return Err(input(format!(
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

    /// Writes the list of cases into the run's folder.
    ///
    /// # Errors
    /// A folder that can't be written to.
    pub fn record(&self, run: &Run) -> anyhow::Result<Work> {
        let made = run.make_with(COHORT, &self.listed(run.root())?, |path| {
            replace(&run.path(LEFT_OUT), &self.left_out_csv()?)?;
            replace(path, &self.cohort_csv(run.root())?)?;
            Ok(vec![LEFT_OUT.to_owned()])
        })?;
        run.record_cohort(&self.fingerprint())?;
        Ok(Work::from_iter([made]))
    }

    /// What the lists are made from: more than the cases' content, which alone is what anything is computed from.
    fn listed(&self, root: &Path) -> anyhow::Result<Inputs> {
        let inputs = self.inputs.clone().file("left_out", &hash_bytes(&self.left_out_csv()?));
        Ok(inputs.file("paths", &hash_bytes(&self.cohort_csv(root)?)))
    }

    /// Refuses scans that lie in a run's folder, where the run would write over or remove them.
    ///
    /// # Errors
    /// The first such scan.
    pub fn refuse_inside(&self, root: &Path) -> anyhow::Result<()> {
        let folder = real(root);
        for case in &self.cases {
            for path in case.files.paths() {
                if path.canonicalize().is_ok_and(|path| path.starts_with(&folder)) {
                    return Err(input(format!(
                        "case {}: expected scans outside of the run folder {}, found {}: name another with --out",
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
        // A run that was moved, or made elsewhere, has the same bytes: what lies in it is named from there.
        let shown = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        let mut table = csv::Writer::from_writer(Vec::new());
        let fixed = ["case", "group", "label", "split"];
        let header = fixed.into_iter().chain(self.sequences().iter().map(String::as_str)).chain(["seg"]);
        table.write_record(header)?;
        for case in &self.cases {
            let split = case.split.map(|split| split.to_string()).unwrap_or_default();
            let label = usize::from(case.label).to_string();
            let mut row = vec![case.id().to_owned(), case.group.clone(), label, split];
            row.extend(case.files.sequences.iter().map(|(_, path)| shown(path)));
            row.push(case.files.segmentation.as_deref().map(shown).unwrap_or_default());
            table.write_record(row)?;
        }
        Ok(table.into_inner()?)
    }

    fn left_out_csv(&self) -> anyhow::Result<Vec<u8>> {
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["case", "why"])?;
        for case in &self.left_out {
            table.write_record([&case.case, &case.reason])?;
        }
        Ok(table.into_inner()?)
    }

    /// One hash of cases, labels, splits and everything in their files.
    pub fn fingerprint(&self) -> String {
        hash_bytes(self.inputs.to_value().to_string().as_bytes())
    }

    /// Every case, by name.
    pub fn cases(&self) -> &[CohortCase] {
        &self.cases
    }

    /// Cases that were found and can't be used.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// The sequences, in the order of the image's channels.
    pub fn sequences(&self) -> &[String] {
        self.preprocess.sequences()
    }

    /// How scans become a network's input.
    pub fn preprocess(&self) -> &ValidPreprocess {
        &self.preprocess
    }

    /// The cases of a split, by name.
    pub fn split(&self, split: Split) -> impl Iterator<Item = &CohortCase> {
        self.cases.iter().filter(move |case| case.split == Some(split))
    }

    /// A case as the network sees it.
    ///
    /// # Errors
    /// Files that can't be read or used, by name.
    pub fn study(&self, case: &str) -> anyhow::Result<Arc<Study>> {
        self.studies.get(case)
    }

    /// What everything computed from a case's scans is made from: their content, and the preprocessing.
    ///
    /// # Errors
    /// A case that the cohort does not have.
    pub fn inputs(&self, case: &str) -> anyhow::Result<Inputs> {
        let hashes = self.hashes.get(case).with_context(|| format!("{case}: not a case of this cohort"))?;
        Ok(Inputs::new().file("scan", &hashes.sequences).setting("preprocess", self.preprocess.settings()))
    }

    /// The content of a case's segmentation, where it has one.
    pub fn seg_hash(&self, case: &str) -> Option<&str> {
        self.hashes.get(case)?.seg.as_deref()
    }

    /// What training on the cohort is made from: every case with its label, split and scans.
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

fn enough(config: &ValidConfig, cohort: &Cohort, source: &Path) -> anyhow::Result<()> {
    let (found, needed) = (cohort.cases.len(), config.cohort.min_cases);
    let source = source.display();
    if found < needed {
        let why = cohort.left_out.first().map_or_else(String::new, |first| {
            format!(" ({} left out, the first {}: {})", cohort.left_out.len(), first.case, first.reason)
        });
        return Err(input(format!("{source}: expected at least {needed} usable cases, found {found}{why}")));
    }
    for label in [true, false] {
        if cohort.cases.iter().all(|case| case.label != label) {
            let class = if label { "positive" } else { "negative" };
            return Err(input(format!(
                "{source}: expected cases of both classes, found {found} and none of them {class}"
            )));
        }
    }
    Ok(())
}
