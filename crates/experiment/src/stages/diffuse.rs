//! Diffused relevance of the selected partition, its settings chosen on the validation split; and the control that it
//! must pass: regions ranked by their brightness.

use anyhow::Context;
use relevox_eval::{RegionOverlap, otsu};
use relevox_relevance::{
    Border, Diffusion as Smoothing, RegionGraph, RegionScores, ScoreKind, Sign, ValidDiffusion, relevance,
};
use relevox_report::tables::Method;
use relevox_volume::{Split, Study};
use serde::{Deserialize, Serialize};
use slic3d::Supervoxels;

use super::explained::{self, Explained};
use super::scores::read_csv;
use super::{Partition, Session, Work};
use crate::config::Config;
use crate::interrupt;
use crate::progress::{Progress, say};
use crate::run::{Inputs, hash_bytes, replace};

/// The settings that were chosen.
pub const DIFFUSION: &str = "diffusion.json";

/// How scores are diffused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// The fill whose scores they are.
    pub fill: Method,
    /// What is smoothed.
    pub scores: ScoreKind,
    /// What of it is relevance.
    pub reading: Sign,
    /// How strongly.
    pub lambda: f64,
    /// The deviation of likeness, in units of the median distance between neighbours.
    pub scale: f64,
    /// Whether an edge weighs by the length of the border.
    pub border: bool,
}

/// What was chosen, and what else was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diffusion {
    /// The setting.
    pub chosen: Setting,
    /// The validation cases with a tumour that chose it.
    pub cases: usize,
    /// Every setting with its mean of oracle and Otsu Dice over them; none without such a case.
    pub tried: Vec<(Setting, Option<f64>)>,
}

impl Setting {
    /// The settings of the graph and of the smoothing over it.
    ///
    /// # Errors
    /// A value out of range.
    pub fn smoothing(&self) -> Result<ValidDiffusion, relevox_relevance::Error> {
        let border = if self.border { Border::Length } else { Border::Ignored };
        Smoothing { score: self.scores, lambda: self.lambda, scale: self.scale, border }.check()
    }

    /// Smoothed scores as relevance.
    pub fn relevance(&self, smoothed: &[f64]) -> Vec<f64> {
        relevance(smoothed, self.reading)
    }

    /// The graph that its scores are smoothed over.
    ///
    /// # Errors
    /// A partition of another scan.
    pub fn graph(&self, study: &Study, regions: &Supervoxels) -> anyhow::Result<RegionGraph> {
        RegionGraph::new(study.image.view(), regions, &self.smoothing()?)
            .with_context(|| format!("{}: the graph of its regions", study.case))
    }

    /// The scores that it smooths.
    pub fn raw(&self, scores: &RegionScores) -> Vec<f64> {
        scores.values(self.scores)
    }
}

/// Every setting that the config asks for; none where none of its fills scores.
fn settings(config: &Config) -> Vec<Setting> {
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

/// Whether the run has diffused scores.
pub fn wanted(config: &Config) -> bool {
    !settings(config).is_empty()
}

/// What the choice is made from.
///
/// # Errors
/// Scores or labels that are not there.
pub fn choice_inputs(session: &Session, partition: &Partition) -> anyhow::Result<Inputs> {
    let mut seen = Vec::new();
    for case in session.scans.split(Split::Validation) {
        let case = case.id();
        let mut row = vec![session.run.hash(&partition.regions_file(case))?];
        row.extend(session.scans.seg_hash(case).map(str::to_owned));
        for &fill in &session.config.evaluate.fills {
            row.push(session.run.hash(&partition.scores_file(case, fill))?);
        }
        seen.push(serde_json::json!([case, session.scans.inputs(case)?.to_value(), row]));
    }
    Ok(Inputs::new()
        .setting("settings", &settings(&session.config))
        .setting("partition", partition)
        .file("validation", &hash_bytes(serde_json::to_string(&seen)?.as_bytes())))
}

/// The chosen setting.
///
/// # Errors
/// A choice that was not made.
pub fn read(session: &Session) -> anyhow::Result<Diffusion> {
    let path = session.run.path(DIFFUSION);
    let text = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("reading {}", path.display()))
}

/// What a case's diffused scores are made from.
///
/// # Errors
/// A choice, scores or labels that are not there.
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
        .setting("diffusion", chosen))
}

/// What a case's brightness is made from.
///
/// # Errors
/// Labels that are not there.
pub fn intensity_inputs(session: &Session, partition: &Partition, case: &str) -> anyhow::Result<Inputs> {
    Ok(session
        .scans
        .inputs(case)?
        .file("labels", &session.run.hash(&partition.regions_file(case))?)
        .setting("intensity", &session.config.evaluate.intensity))
}

/// Chooses, and diffuses the scores of every case; ranks its regions by brightness.
///
/// # Errors
/// Scores or labels that can't be read.
pub fn run(session: &Session, partition: &Partition) -> anyhow::Result<Work> {
    let mut work = Work::default();
    let chosen = if wanted(&session.config) {
        let inputs = choice_inputs(session, partition)?;
        work.count(session.run.make(DIFFUSION, &inputs, |path| {
            let text = serde_json::to_string_pretty(&choose(session, partition)?)?;
            replace(path, text.as_bytes())
        })?);
        Some(read(session)?.chosen)
    } else {
        session.run.discard(DIFFUSION)?;
        None
    };
    if let Some(chosen) = &chosen {
        say(format!(
            "diffuse: {} of {}, {}, lambda {}, scale {}{} it is",
            chosen.scores,
            chosen.fill,
            chosen.reading,
            chosen.lambda,
            chosen.scale,
            if chosen.border { ", by border" } else { "" }
        ));
    }
    let cases = session.scored_cases();
    let progress = Progress::start("diffuse", cases.len(), "cases");
    for case in cases {
        interrupt::check()?;
        let case = case.id();
        if let Some(chosen) = &chosen {
            let made = inputs(session, partition, case, chosen)?;
            work.count(session.run.make(
                &explained::file(partition, case, Method::Diffused),
                &made,
                |path| {
                    let (study, regions) = load(session, partition, case)?;
                    let scores = read_csv(&session.run.path(&partition.scores_file(case, chosen.fill)))?;
                    let graph = chosen.graph(&study, &regions)?;
                    let values = graph.diffuse(&chosen.raw(&scores), &chosen.smoothing()?)?;
                    let relevance = chosen.relevance(&values);
                    explained::write(path, &regions, &Explained { values, relevance })
                },
            )?);
        }
        if !session.config.evaluate.intensity.is_empty() {
            let made = intensity_inputs(session, partition, case)?;
            work.count(session.run.make(
                &explained::file(partition, case, Method::Intensity),
                &made,
                |path| {
                    let (study, regions) = load(session, partition, case)?;
                    let channel = study.channel_index(&session.config.evaluate.intensity)?;
                    let values = regions.mean_features(study.image.view())?.column(channel).to_vec();
                    let relevance = relevance(&values, Sign::Magnitude);
                    explained::write(path, &regions, &Explained { values, relevance })
                },
            )?);
        }
        progress.advance(1);
    }
    Ok(work)
}

fn load(
    session: &Session,
    partition: &Partition,
    case: &str,
) -> anyhow::Result<(std::sync::Arc<Study>, Supervoxels)> {
    let regions = partition.read(&session.run, &session.scans, case, &session.config.regions, "regions")?;
    Ok((session.scans.study(case)?, regions))
}

fn choose(session: &Session, partition: &Partition) -> anyhow::Result<Diffusion> {
    let settings = settings(&session.config);
    let mut sums = vec![0.0; settings.len()];
    let mut cases = 0;
    let all: Vec<_> = session.scans.split(Split::Validation).collect();
    let progress = Progress::start("diffuse: choose", all.len(), "validation cases");
    for case in all {
        interrupt::check()?;
        let (study, regions) = load(session, partition, case.id())?;
        if let Some(tumour) = study.tumour.as_ref().filter(|tumour| tumour.iter().any(|&inside| inside)) {
            cases += 1;
            let overlap =
                RegionOverlap::count(regions.labels(), regions.ids(), regions.background(), tumour.view())?;
            let mut graph: Option<(f64, bool, RegionGraph)> = None;
            for (setting, sum) in settings.iter().zip(&mut sums) {
                // Settings that differ in λ alone stand beside each other.
                let kept =
                    graph.take_if(|(scale, border, _)| *scale == setting.scale && *border == setting.border);
                let here = match kept {
                    Some((.., here)) => here,
                    None => setting.graph(&study, &regions)?,
                };
                let scores = read_csv(&session.run.path(&partition.scores_file(case.id(), setting.fill)))?;
                let values = here.diffuse(&setting.raw(&scores), &setting.smoothing()?)?;
                *sum += worth(&overlap, &setting.relevance(&values))?;
                graph = Some((setting.scale, setting.border, here));
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
    let chosen = settings.get(best).cloned().context("a setting of the diffusion")?;
    let tried = settings.into_iter().zip(sums).map(|(setting, sum)| (setting, mean(sum))).collect();
    Ok(Diffusion { chosen, cases, tried })
}

/// The mean of oracle and Otsu Dice.
fn worth(overlap: &RegionOverlap, relevance: &[f64]) -> anyhow::Result<f64> {
    let sweep = overlap.sweep(relevance)?;
    let otsu = otsu(relevance)?.map_or(0.0, |threshold| sweep.at(threshold));
    Ok((sweep.oracle().dice + otsu) / 2.0)
}
