//! Computation of region scores.

use anyhow::Context;
use relevox_perturb::{ConstantFill, Fill, FillKind};
use relevox_relevance::{Classifier, RegionScores, Target, score};
use relevox_report::tables::Method;
use relevox_volume::Study;
use slic3d::Supervoxels;

use super::fill_record::{self, RecordedFill};
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, replace};
use crate::stages::control::Control;
use crate::stages::learned::Learned;
use crate::stages::partition::Partition;
use crate::stages::session::Session;
use crate::stages::work::Work;

/// A classifier, the content hash of its weights, and the learned fills.
pub struct Scorer<'a> {
    /// The classifier.
    pub classifier: &'a dyn Classifier,
    /// Content hash of its weights.
    pub hash: &'a str,
    /// The learned fills, if they are used.
    pub learned: Option<&'a Learned>,
}

/// Scores the selected partition of the share's validation and test cases under every fill.
///
/// # Errors
/// Returns an error if labels are missing, or the classifier or a fill fails.
pub fn run(session: &Session, scorer: &Scorer<'_>, partition: &Partition) -> anyhow::Result<Work> {
    let cases = session.owned_scored_cases();
    let fills = &session.config.evaluate.fills;
    let progress = Progress::start("score", cases.len() * fills.len(), "tables");
    let mut work = Work::default();
    for case in cases {
        for &fill in fills {
            let request = ScoreRequest { case: case.id(), partition, fill };
            work.count(scorer.make(session, &partition.scores_file(case.id(), fill), request)?);
            progress.advance(1);
        }
    }
    Ok(work)
}

/// Case, partition and fill of a file of scores.
#[derive(Clone, Copy, Debug)]
pub struct ScoreRequest<'a> {
    /// Name of the case.
    pub case: &'a str,
    /// The partition.
    pub partition: &'a Partition,
    /// The fill.
    pub fill: Method,
}

impl ScoreRequest<'_> {
    /// Returns the inputs of the scores. `classifier` and `fill` are hashes of weights.
    ///
    /// # Errors
    /// Returns an error if the labels are missing.
    pub fn inputs(&self, session: &Session, classifier: &str, fill: Option<&str>) -> anyhow::Result<Inputs> {
        let labels = session.run.hash(&self.partition.regions_file(self.case))?;
        let inputs = session
            .scans
            .inputs(self.case)?
            .file("labels", &labels)
            .file("classifier", classifier)
            .setting("fill", &self.fill);
        Ok(match fill {
            Some(weights) => inputs.file("fill_weights", weights),
            None => inputs,
        })
    }
}

impl Scorer<'_> {
    /// Makes a file of scores unless it is current, and returns true if it was made.
    ///
    /// # Errors
    /// Returns an error if labels are missing, or the classifier or the fill fails.
    pub fn make(&self, session: &Session, file: &str, request: ScoreRequest<'_>) -> anyhow::Result<bool> {
        interrupt::check()?;
        let ScoreRequest { case, partition, fill } = request;
        let learned = self.learned.and_then(|learned| learned.of(fill));
        let inputs = request.inputs(session, self.hash, learned.map(|learned| learned.hash))?;
        session.run.make_with(file, &inputs, |path| {
            let mut companions = Vec::new();
            let study = session.scans.study(case)?;
            let regions = partition.regions(session, case)?;
            let scores = match learned {
                Some(learned) => {
                    let recorded = RecordedFill::new(learned.fill, &study, regions.len())
                        .with_context(|| describe_crop(&study))?;
                    let scores = self.score(&study, &regions, &recorded, learned.control)?;
                    let record = fill_record::file(partition, case, fill);
                    replace(&session.run.path(&record), &recorded.to_csv(&regions)?)?;
                    companions.push(record);
                    scores
                }
                None => {
                    let fill = constant_fill(fill, &study)?;
                    self.score(&study, &regions, &fill, None)?
                }
            };
            replace(path, scores.to_csv().as_bytes())?;
            Ok(companions)
        })
    }

    fn score(
        &self,
        study: &Study,
        regions: &Supervoxels,
        fill: &dyn Fill,
        control: Option<&Control>,
    ) -> anyhow::Result<RegionScores> {
        let scores = || -> Result<RegionScores, relevox_relevance::Error> {
            let baseline = self.classifier.baseline(study.image.view())?;
            match control {
                Some(control) => control.score(self.classifier, &*baseline, regions, fill),
                None => score(&*baseline, regions, fill, &Target::default(), &|_| interrupt::flow()),
            }
        };
        scores().with_context(|| format!("{}: scores under the fill {}", study.case, fill.name()))
    }
}

/// Creates the constant fill of a method.
///
/// # Errors
/// Returns an error if the method is not a constant fill, or if the scan has no brain voxels.
pub fn constant_fill(method: Method, study: &Study) -> anyhow::Result<ConstantFill> {
    let kind = method.name().parse::<FillKind>().with_context(|| format!("{method}: the fill"))?;
    ConstantFill::new(kind, study.image.view(), study.brain.view()).with_context(|| describe_crop(study))
}

/// Names a case and its crop, for messages.
fn describe_crop(study: &Study) -> String {
    let [z, y, x] = study.frame.crop();
    format!("case {}, centre crop of {x} x {y} x {z} voxels (x, y, z)", study.case)
}
