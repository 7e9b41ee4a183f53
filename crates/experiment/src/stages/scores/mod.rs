//! Region scores: a CSV for each case, partition and fill.
//!
//! Source: Rajapaksa and Khalvati (2022), section B.

pub mod fill_record;

use std::path::Path;

use anyhow::Context;
use relevox_perturb::{Constant, ConstantFill, Fill};
use relevox_relevance::{Classifier, RegionScore, RegionScores, score};
use relevox_report::tables::Method;
use relevox_volume::Study;
use slic3d::Supervoxels;

use super::learned::Learned;
use super::{Partition, Session, Work};
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, replace};

const COLUMNS: [&str; 7] =
    ["region", "voxels", "p_original", "p_perturbed", "delta_p", "delta_logit", "relevance"];

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
            replace(path, &to_csv(&scores)?)?;
            Ok(left)
        })
    }

    fn score(&self, study: &Study, regions: &Supervoxels, fill: &dyn Fill) -> anyhow::Result<RegionScores> {
        score(self.classifier, study.image.view(), regions, fill, &|_| interrupt::flow())
            .with_context(|| format!("{}: scores under the fill {}", study.case, fill.name()))
    }
}

/// The constant fill of a method.
///
/// # Errors
/// Returns an error if the method is not a constant fill, or if the scan has no brain voxels.
pub fn constant(method: Method, study: &Study) -> anyhow::Result<ConstantFill> {
    let constant = match method {
        Method::Blank => Constant::Blank,
        Method::Min => Constant::Min,
        Method::Max => Constant::Max,
        Method::Mean => Constant::Mean,
        other => anyhow::bail!("fill: expected a constant, found {other}"),
    };
    ConstantFill::new(constant, study.image.view(), study.brain.view()).with_context(|| crop_of(study))
}

/// A case with what is seen of it, for messages.
fn crop_of(study: &Study) -> String {
    let [z, y, x] = study.frame.crop();
    format!("case {}, centre crop of {x} x {y} x {z} voxels (x, y, z)", study.case)
}

/// Scores as CSV, floats in their shortest form that reads back the same.
///
/// # Errors
/// None that scores cause.
pub fn to_csv(scores: &RegionScores) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(COLUMNS)?;
    for row in &scores.rows {
        let floats = [row.p_original, row.p_perturbed, row.delta_p, row.delta_logit, row.relevance];
        let whole = [row.id.to_string(), row.voxels.to_string()];
        table.write_record(whole.into_iter().chain(floats.map(|value| value.to_string())))?;
    }
    Ok(table.into_inner()?)
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
        replace(&path, &to_csv(&scores).unwrap()).unwrap();
        assert_eq!(read_csv(&path).unwrap(), scores);
    }
}
