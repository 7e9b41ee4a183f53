//! Region scores: a CSV for each case, partition and fill.
//!
//! Source: Rajapaksa and Khalvati (2022), section B.

pub mod fill_record;

use std::path::Path;

use anyhow::Context;
use relevox_perturb::{ConstantFill, Fill, FillKind};
use relevox_relevance::{Classifier, RegionScore, RegionScores, Target, score};
use relevox_report::tables::Method;
use relevox_volume::Study;
use slic3d::Supervoxels;

use super::learned::Learned;
use super::{Partition, Session, Work};
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, replace};

/// A network that scores, and the content hash of its weights.
pub struct Scorer<'a> {
    /// The network.
    pub classifier: &'a dyn Classifier,
    /// Of its weights.
    pub hash: &'a str,
    /// The trained fill, where one is asked for.
    pub learned: Option<&'a Learned>,
}

/// Scores the selected partition of every validation and test case under every fill.
///
/// # Errors
/// What labels and scores meet.
pub fn run(session: &Session, scorer: &Scorer<'_>, partition: &Partition) -> anyhow::Result<Work> {
    let cases = session.scored_cases();
    let fills = &session.config.evaluate.fills;
    let progress = Progress::start("score", cases.len() * fills.len(), "tables");
    let mut work = Work::default();
    for case in cases {
        for &fill in fills {
            let asked = Question { case: case.id(), partition, fill };
            work.count(scorer.make(session, &partition.scores_file(case.id(), fill), asked)?);
            progress.advance(1);
        }
    }
    Ok(work)
}

/// What one file of scores is about.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whose scan.
    pub case: &'a str,
    /// Which supervoxels.
    pub partition: &'a Partition,
    /// Which fill.
    pub fill: Method,
}

impl Question<'_> {
    /// What its scores are made from.
    ///
    /// # Errors
    /// Labels that are not there.
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
    /// Makes a file of scores, unless it is current. Says whether it was made.
    ///
    /// # Errors
    /// Labels that are not there, and what the classifier or the fill meets.
    pub fn make(&self, session: &Session, file: &str, asked: Question<'_>) -> anyhow::Result<bool> {
        interrupt::check()?;
        let Question { case, partition, fill } = asked;
        let learned = if fill == Method::Learned { self.learned } else { None };
        let inputs = asked.inputs(session, self.hash, learned.map(|learned| learned.hash.as_str()))?;
        session.run.make_with(file, &inputs, |path| {
            let mut left = Vec::new();
            let study = session.scans.study(case)?;
            let regions =
                partition.read(&session.run, &session.scans, case, &session.config.regions, "regions")?;
            let scores = match learned {
                Some(learned) => {
                    let watched = fill_record::Watched::new(&learned.fill, &study, regions.len())
                        .with_context(|| crop_of(&study))?;
                    let scores = self.score(&study, &regions, &watched)?;
                    fill_record::write(session, partition, case, &watched, &regions)?;
                    left.push(fill_record::file(partition, case));
                    scores
                }
                None => {
                    let fill = constant(fill, &study)?;
                    self.score(&study, &regions, &fill)?
                }
            };
            replace(path, scores.to_csv().as_bytes())?;
            Ok(left)
        })
    }

    fn score(&self, study: &Study, regions: &Supervoxels, fill: &dyn Fill) -> anyhow::Result<RegionScores> {
        let scores = || -> Result<RegionScores, relevox_relevance::Error> {
            let baseline = self.classifier.baseline(study.image.view())?;
            score(&*baseline, regions, fill, &Target::default(), &|_| interrupt::flow())
        };
        scores().with_context(|| format!("{}: scores under the fill {}", study.case, fill.name()))
    }
}

/// The constant fill of a method.
///
/// # Errors
/// Returns an error if the method is not a constant fill, or if the scan has no brain voxels.
pub fn constant(method: Method, study: &Study) -> anyhow::Result<ConstantFill> {
    let constant = match method {
        Method::Blank => FillKind::Blank,
        Method::Min => FillKind::Min,
        Method::Max => FillKind::Max,
        Method::Mean => FillKind::Mean,
        other => anyhow::bail!("fill: expected a constant, found {other}"),
    };
    ConstantFill::new(constant, study.image.view(), study.brain.view()).with_context(|| crop_of(study))
}

/// A case with what is seen of it, for messages.
fn crop_of(study: &Study) -> String {
    let [z, y, x] = study.frame.crop();
    format!("case {}, centre crop of {x} x {y} x {z} voxels (x, y, z)", study.case)
}

/// Reads scores back.
///
/// # Errors
/// A file that can't be read or is no such table.
pub fn read_csv(path: &Path) -> anyhow::Result<RegionScores> {
    let read = || -> anyhow::Result<RegionScores> {
        let mut rows = Vec::new();
        for record in csv::Reader::from_path(path)?.deserialize() {
            let (id, voxels, p_original, p_perturbed, delta_p, delta_logit, relevance) = record?;
            rows.push(RegionScore { id, voxels, p_original, p_perturbed, delta_p, delta_logit, relevance });
        }
        Ok(RegionScores::from_rows(rows))
    };
    read().with_context(|| format!("reading the scores {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_read_back_to_the_bit() {
        let row = |id, p: f64| RegionScore {
            id,
            voxels: 7,
            p_original: p,
            p_perturbed: p / 3.0,
            delta_p: p - p / 3.0,
            delta_logit: -1e-17 * p,
            relevance: 100.0 * p,
        };
        let scores = RegionScores::from_rows(vec![row(3, 0.1), row(9, 1.0 - 1e-16)]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        replace(&path, scores.to_csv().as_bytes()).unwrap();
        assert_eq!(read_csv(&path).unwrap(), scores);
    }
}
