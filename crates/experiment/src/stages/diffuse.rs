//! Diffused relevance of the selected partition, with settings selected on the validation split; and its intensity
//! control, which ranks regions by their mean intensity.

use anyhow::Context;
use relevox_eval::{RegionOverlap, otsu};
use relevox_relevance::{
    Border, Diffused, Diffusion as Smoothing, RegionGraph, RegionScores, ScoreKind, ValidDiffusion,
    scale_to_100,
};
use relevox_report::tables::Method;
use relevox_volume::{Split, Study};
use serde::{Deserialize, Serialize};
use slic3d::Supervoxels;

use super::explained::{self, Explained};
use super::partition::Partition;
use super::scores::read_csv;
use super::session::Session;
use super::work::Work;
use crate::config::{Config, Reading};
use crate::interrupt;
use crate::progress::{Progress, print_status};
use crate::run::{Inputs, hash_bytes, replace};

/// Artefact with the selected settings.
pub const DIFFUSION: &str = "diffusion.json";

/// Settings of diffused relevance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Fill whose scores are diffused.
    pub fill: Method,
    /// Score that is diffused.
    pub scores: ScoreKind,
    /// Conversion of the diffused score to relevance.
    pub reading: Reading,
    /// Strength of the diffusion.
    pub lambda: f64,
    /// Width of the similarity kernel, in units of the median distance between neighbours.
    pub scale: f64,
    /// Weighting of edges by the area of the common border.
    pub border: bool,
}

/// Selected settings, and all candidates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diffusion {
    /// Selected settings.
    pub chosen: Setting,
    /// Number of validation cases with a tumour.
    pub cases: usize,
    /// Every candidate with its mean of oracle and Otsu Dice over these cases; `None` if there are none.
    pub tried: Vec<(Setting, Option<f64>)>,
}

impl Setting {
    /// Returns the settings of the graph and of the diffusion.
    ///
    /// # Errors
    /// Returns an error if a value is out of range.
    pub fn smoothing(&self) -> Result<ValidDiffusion, relevox_relevance::Error> {
        let border = if self.border { Border::Length } else { Border::Ignored };
        Smoothing { score: self.scores, lambda: self.lambda, scale: self.scale, border }.check()
    }

    /// Converts diffused scores to relevance.
    pub fn relevance(&self, diffused: &Diffused) -> Vec<f64> {
        self.reading.relevance(diffused)
    }

    /// Builds the graph of neighbouring regions.
    ///
    /// # Errors
    /// Returns an error if the partition does not have the scan's shape.
    pub fn graph(&self, study: &Study, regions: &Supervoxels) -> anyhow::Result<RegionGraph> {
        RegionGraph::new(study.image.view(), regions, &self.smoothing()?)
            .with_context(|| format!("{}: the graph of its regions", study.case))
    }

    /// Returns the scores before diffusion.
    pub fn raw(&self, scores: &RegionScores) -> Vec<f64> {
        scores.values(self.scores)
    }
}

/// Returns all combinations of the configuration; none if its fills are not scored.
fn candidates(config: &Config) -> Vec<Setting> {
    let diffuse = &config.diffuse;
    let mut all = Vec::new();
    for &fill in config.evaluate.fills.iter().filter(|fill| diffuse.fills.contains(fill)) {
        for &scores in &diffuse.scores {
            for &reading in &diffuse.readings {
                for &scale in &diffuse.scales {
                    for &border in &diffuse.borders {
                        for &lambda in &diffuse.lambdas {
                            all.push(Setting { fill, scores, reading, lambda, scale, border });
                        }
                    }
                }
            }
        }
    }
    all
}

/// Returns true if the configuration includes diffused scores.
pub fn is_enabled(config: &Config) -> bool {
    !candidates(config).is_empty()
}

/// Returns the inputs of the selection.
///
/// # Errors
/// Returns an error if scores or labels are missing.
pub fn selection_inputs(session: &Session, partition: &Partition) -> anyhow::Result<Inputs> {
    let mut cases = Vec::new();
    for case in session.scans.split(Split::Validation) {
        let case = case.id();
        let mut row = vec![session.run.hash(&partition.regions_file(case))?];
        row.extend(session.scans.seg_hash(case).map(str::to_owned));
        for &fill in &session.config.evaluate.fills {
            row.push(session.run.hash(&partition.scores_file(case, fill))?);
        }
        cases.push(serde_json::json!([case, session.scans.inputs(case)?.to_value(), row]));
    }
    Ok(Inputs::new()
        .setting("candidates", &candidates(&session.config))
        .setting("partition", partition)
        .file("validation", &hash_bytes(serde_json::to_string(&cases)?.as_bytes())))
}

/// Reads the selected settings.
///
/// # Errors
/// Returns an error that names the file if it can't be read.
pub fn read(session: &Session) -> anyhow::Result<Diffusion> {
    let path = session.run.path(DIFFUSION);
    let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))
}

/// Returns the selected settings, which must be current; `None` if the configuration does not include diffused scores.
///
/// # Errors
/// Returns an error if the settings are not selected, or scores or labels are missing.
pub fn selected(session: &Session, partition: &Partition) -> anyhow::Result<Option<Setting>> {
    if !is_enabled(&session.config) {
        return Ok(None);
    }
    let inputs = selection_inputs(session, partition)?;
    session.run.require(DIFFUSION, &inputs, "reproduce --stage select")?;
    Ok(Some(read(session)?.chosen))
}

/// Returns the inputs of a case's diffused scores.
///
/// # Errors
/// Returns an error if scores or labels are missing.
pub fn inputs(
    session: &Session,
    partition: &Partition,
    case: &str,
    chosen: &Setting,
) -> anyhow::Result<Inputs> {
    Ok(session
        .scans
        .inputs(case)?
        .file("labels", &session.run.hash(&partition.regions_file(case))?)
        .file("scores", &session.run.hash(&partition.scores_file(case, chosen.fill))?)
        .setting("diffused", chosen))
}

/// Returns the inputs of a case's intensity control.
///
/// # Errors
/// Returns an error if labels are missing.
pub fn intensity_inputs(session: &Session, partition: &Partition, case: &str) -> anyhow::Result<Inputs> {
    Ok(session
        .scans
        .inputs(case)?
        .file("labels", &session.run.hash(&partition.regions_file(case))?)
        .setting("intensity", &session.config.evaluate.intensity))
}

/// Selects the settings.
///
/// # Errors
/// Returns an error if scores or labels can't be read.
pub fn select_settings(session: &Session, partition: &Partition) -> anyhow::Result<Work> {
    let mut work = Work::default();
    let chosen = if is_enabled(&session.config) {
        let inputs = selection_inputs(session, partition)?;
        work.count(session.run.make(DIFFUSION, &inputs, |path| {
            let text = serde_json::to_string_pretty(&select(session, partition)?)?;
            replace(path, text.as_bytes())
        })?);
        Some(read(session)?.chosen)
    } else {
        session.run.discard(DIFFUSION)?;
        None
    };
    if let Some(chosen) = &chosen {
        print_status(format!(
            "select: {} of {}, {}, lambda {}, scale {}{}",
            chosen.scores,
            chosen.fill,
            chosen.reading,
            chosen.lambda,
            chosen.scale,
            if chosen.border { ", weighted by border" } else { "" }
        ));
    }
    Ok(work)
}

/// Diffuses the scores of the share's cases, and computes their intensity control.
///
/// # Errors
/// Returns an error if the settings are not selected, or scores or labels can't be read.
pub fn run(session: &Session, partition: &Partition) -> anyhow::Result<Work> {
    let mut work = Work::default();
    let chosen = selected(session, partition)?;
    let cases = session.owned_scored_cases();
    let progress = Progress::start("diffuse", cases.len(), "cases");
    for case in cases {
        interrupt::check()?;
        let case = case.id();
        if let Some(chosen) = &chosen {
            work.count(diffuse(session, partition, case, chosen)?);
        }
        if !session.config.evaluate.intensity.is_empty() {
            work.count(intensity(session, partition, case)?);
        }
        progress.advance(1);
    }
    Ok(work)
}

/// Diffuses the scores of a case unless they are current, and returns true if they were made.
///
/// # Errors
/// Returns an error if scores or labels can't be read.
pub fn diffuse(
    session: &Session,
    partition: &Partition,
    case: &str,
    chosen: &Setting,
) -> anyhow::Result<bool> {
    let made = inputs(session, partition, case, chosen)?;
    session.run.make(&explained::file(partition, case, Method::Diffused), &made, |path| {
        let (study, regions) = load(session, partition, case)?;
        let scores = read_csv(&session.run.path(&partition.scores_file(case, chosen.fill)))?;
        let graph = chosen.graph(&study, &regions)?;
        let diffused = graph.diffuse(&chosen.raw(&scores), &chosen.smoothing()?)?;
        let relevance = chosen.relevance(&diffused);
        explained::write(path, &regions, &Explained { values: diffused.values, relevance })
    })
}

/// Computes the intensity control of a case unless it is current, and returns true if it was made.
///
/// # Errors
/// Returns an error if the scan or the labels can't be read.
pub fn intensity(session: &Session, partition: &Partition, case: &str) -> anyhow::Result<bool> {
    let made = intensity_inputs(session, partition, case)?;
    session.run.make(&explained::file(partition, case, Method::Intensity), &made, |path| {
        let (study, regions) = load(session, partition, case)?;
        let channel = study.channel_index(&session.config.evaluate.intensity)?;
        let values = regions.mean_features(study.image.view())?.column(channel).to_vec();
        // Of z-scored sequences, negative means are the darkest, not the brightest after the highest.
        let relevance = scale_to_100(&values).unwrap_or_else(|| vec![0.0; values.len()]);
        explained::write(path, &regions, &Explained { values, relevance })
    })
}

fn load(
    session: &Session,
    partition: &Partition,
    case: &str,
) -> anyhow::Result<(std::sync::Arc<Study>, Supervoxels)> {
    let regions = partition.regions(session, case)?;
    Ok((session.scans.study(case)?, regions))
}

/// Evaluates all candidates on the validation split, and selects the best.
fn select(session: &Session, partition: &Partition) -> anyhow::Result<Diffusion> {
    let candidates = candidates(&session.config);
    let mut sums = vec![0.0; candidates.len()];
    let mut cases = 0;
    let all: Vec<_> = session.scans.split(Split::Validation).collect();
    let progress = Progress::start("diffuse: select", all.len(), "validation cases");
    for case in all {
        interrupt::check()?;
        let (study, regions) = load(session, partition, case.id())?;
        if let Some(tumour) = study.tumour.as_ref().filter(|tumour| tumour.iter().any(|&inside| inside)) {
            cases += 1;
            let overlap =
                RegionOverlap::count(regions.labels(), regions.ids(), regions.background(), tumour.view())?;
            let mut graph: Option<(f64, bool, RegionGraph)> = None;
            for (setting, sum) in candidates.iter().zip(&mut sums) {
                // Candidates that differ only in λ are consecutive and share a graph.
                let previous =
                    graph.take_if(|(scale, border, _)| *scale == setting.scale && *border == setting.border);
                let current = match previous {
                    Some((.., same)) => same,
                    None => setting.graph(&study, &regions)?,
                };
                let scores = read_csv(&session.run.path(&partition.scores_file(case.id(), setting.fill)))?;
                let diffused = current.diffuse(&setting.raw(&scores), &setting.smoothing()?)?;
                *sum += mean_dice(&overlap, &setting.relevance(&diffused))?;
                graph = Some((setting.scale, setting.border, current));
            }
        }
        progress.advance(1);
    }
    let mean = |sum: f64| (cases > 0).then(|| sum / cases as f64);
    let mut best = 0;
    for (index, sum) in sums.iter().enumerate() {
        if *sum > sums[best] {
            best = index;
        }
    }
    let chosen = candidates.get(best).cloned().context("selecting one of no settings")?;
    let tried = candidates.into_iter().zip(sums).map(|(setting, sum)| (setting, mean(sum))).collect();
    Ok(Diffusion { chosen, cases, tried })
}

/// Computes the mean of oracle and Otsu Dice.
fn mean_dice(overlap: &RegionOverlap, relevance: &[f64]) -> anyhow::Result<f64> {
    let sweep = overlap.sweep(relevance)?;
    let otsu = otsu(relevance)?.map_or(0.0, |threshold| sweep.at(threshold));
    Ok((sweep.oracle().dice + otsu) / 2.0)
}
