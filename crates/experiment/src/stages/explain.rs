//! Further explainers of the selected partition, on some cases: LIME, RISE, occlusion, an untrained network's scores,
//! Grad-CAM++, and the mean map of several partitions.

use std::collections::BTreeSet;

use anyhow::Context;
use relevox_models::{Parameters, ResNet3d};
use relevox_perturb::ConstantFill;
use relevox_relevance::{
    Attribution, Classifier, Explainer, Lime, Masks, NetworkClassifier, Occlusion, Perturbation,
    RelevanceMap, Rise, ScoreKind, Sign, Target,
};
use relevox_report::tables::{Method, MethodKind};
use relevox_volume::{Split, Study, nifti};
use slic3d::Supervoxels;

use super::explained::{self, Explained};
use super::network::{Cam, Network};
use super::scores::{Question, Scorer, constant, read_csv};
use super::{Partition, Session, Work, grid, maps, train};
use crate::interrupt;
use crate::place::say_smaller_batches;
use crate::progress::Progress;
use crate::run::{Inputs, hash_bytes, stream_seed};

/// The cases that are explained, of both splits.
///
/// # Errors
/// A scan that can't be read.
pub fn cases(session: &Session) -> anyhow::Result<BTreeSet<String>> {
    if session.config.explain.methods.is_empty() {
        return Ok(BTreeSet::new());
    }
    let wanted = session.config.explain.cases;
    let mut cases = BTreeSet::new();
    for split in [Split::Validation, Split::Test] {
        cases.extend(grid::cases(session, split, wanted)?);
    }
    Ok(cases)
}

/// What an explainer's answer for a case is made from.
///
/// # Errors
/// Labels or scores that are not there.
pub fn inputs(
    session: &Session,
    partition: &Partition,
    case: &str,
    method: Method,
    classifier: &str,
) -> anyhow::Result<Inputs> {
    let config = &session.config.explain;
    let base = session.scans.inputs(case)?.file("classifier", classifier).setting("method", &method);
    let labels = || session.run.hash(&partition.regions_file(case));
    let seed = &session.config.seed;
    Ok(match method {
        Method::Lime => {
            base.file("labels", &labels()?).setting("seed", seed).setting("fill", &config.fill).setting(
                "lime",
                &serde_json::json!([config.lime_samples, config.lime_weights, config.lime_ridge]),
            )
        }
        Method::Rise => base
            .file("labels", &labels()?)
            .setting("seed", seed)
            .setting("fill", &config.fill)
            .setting("rise", &serde_json::json!([config.rise_samples, config.rise_keep, config.rise_cells])),
        Method::Occlusion => base
            .file("labels", &labels()?)
            .setting("fill", &config.fill)
            .setting("occlusion", &[config.occlusion_size, config.occlusion_overlap]),
        Method::Partitions => {
            let mut scores = Vec::new();
            for partition in grid::partitions(&session.config) {
                scores.push(session.run.hash(&partition.regions_file(case))?);
                scores.push(session.run.hash(&partition.scores_file(case, config.fill))?);
            }
            base.setting("fill", &config.fill).file("scores", &hash_bytes(scores.join(" ").as_bytes()))
        }
        Method::GradCamPlusPlus => base,
        _ => base
            .file("labels", &labels()?)
            .setting("seed", seed)
            .setting("fill", &config.fill)
            .setting("network", &session.config.classifier),
    })
}

/// Explains.
///
/// # Errors
/// What labels, scores and the network meet.
pub fn run(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Work> {
    let (cases, methods) = (cases(session)?, &session.config.explain.methods);
    let mut work = Work::default();
    if methods.contains(&Method::Partitions) {
        work = work + partitions(session, network, &cases)?;
    }
    let untrained = methods.contains(&Method::RandomWeights).then(|| random(session)).transpose()?;
    let progress = Progress::start("explain", cases.len() * methods.len(), "maps");
    for case in &cases {
        for &method in methods {
            interrupt::check()?;
            let made = inputs(session, partition, case, method, &network.hash)?;
            work.count(match method.kind() {
                MethodKind::Voxels => session.run.make(&maps::file(case, method), &made, |path| {
                    let study = session.scans.study(case)?;
                    let map = match method {
                        Method::Partitions => average(session, case)?,
                        _ => network.grad_cam(study.image.view(), Cam::PlusPlus)?,
                    };
                    Ok(nifti::write(path, &study.frame.to_scan(map.voxels.view())?)?)
                })?,
                _ => session.run.make_with(&explained::file(partition, case, method), &made, |path| {
                    let study = session.scans.study(case)?;
                    let regions = partition.read(
                        &session.run,
                        &session.scans,
                        case,
                        &session.config.regions,
                        "regions",
                    )?;
                    let asked: &dyn Classifier = match &untrained {
                        Some(untrained) if method == Method::RandomWeights => untrained,
                        _ => network.classifier(),
                    };
                    let found = attribute(session, asked, &study, &regions, method)
                        .with_context(|| format!("{case}: {method}"))?;
                    let relevance = found.relevance(Sign::Magnitude);
                    explained::write(path, &regions, &Explained { values: found.values, relevance })?;
                    let mut left = Vec::new();
                    if !found.convergence.is_empty() {
                        let file = explained::settling_file(partition, case, method);
                        explained::write_settling(&session.run.path(&file), &found.convergence)?;
                        left.push(file);
                    }
                    Ok(left)
                })?,
            });
            progress.advance(1);
        }
    }
    Ok(work)
}

fn attribute(
    session: &Session,
    classifier: &dyn Classifier,
    study: &Study,
    regions: &Supervoxels,
    method: Method,
) -> anyhow::Result<Attribution> {
    let config = &session.config.explain;
    let fill: ConstantFill = constant(config.fill, study)?;
    let seed = stream_seed(session.config.seed, &format!("{method}/{}", study.case));
    let explainer: Box<dyn Explainer> = match method {
        Method::Lime => {
            let (samples, ridge, weighting) = (config.lime_samples, config.lime_ridge, config.lime_weights);
            Box::new(Lime { samples, seed, ridge, weighting, ..Lime::default() })
        }
        Method::Rise => {
            let masks = match config.rise_cells {
                0 => Masks::Regions,
                cells => Masks::Cells([cells; 3]),
            };
            Box::new(Rise { samples: config.rise_samples, seed, keep: config.rise_keep, masks })
        }
        Method::Occlusion => {
            let shape = study.frame.shape();
            let size = shape.map(|length| config.occlusion_size.min(length));
            let overlap = config.occlusion_overlap.min(size.into_iter().min().unwrap_or(1));
            Box::new(Occlusion { size, overlap })
        }
        _ => Box::new(Perturbation { score: ScoreKind::DeltaLogit, channel: None }),
    };
    let baseline = classifier.baseline(study.image.view())?;
    Ok(explainer.explain(&*baseline, regions, &fill, &Target::default(), &|_| interrupt::flow())?)
}

/// The run's network before any training.
fn random(session: &Session) -> anyhow::Result<NetworkClassifier> {
    let seed = stream_seed(session.config.seed, Method::RandomWeights.name());
    let parameters = Parameters::seeded(seed, &session.device);
    let network = ResNet3d::new(&train::network(&session.config), parameters.builder())?;
    let classifier = NetworkClassifier::new(network, session.device.clone())?;
    Ok(classifier.on_smaller_batches(say_smaller_batches("random weights")))
}

/// Makes and scores the grid's partitions of the cases that the grid did not look at.
fn partitions(session: &Session, network: &Network, cases: &BTreeSet<String>) -> anyhow::Result<Work> {
    let all = grid::partitions(&session.config);
    let fill = session.config.explain.fill;
    let scorer = Scorer { classifier: network.classifier(), hash: &network.hash, learned: None };
    let progress = Progress::start("explain: partitions", cases.len() * all.len(), "tables");
    let mut work = Work::default();
    for case in cases {
        for partition in &all {
            work.count(partition.make(&session.run, &session.scans, case, &session.config.regions)?);
            let file = partition.scores_file(case, fill);
            work.count(scorer.make(session, &file, Question { case, partition, fill })?);
            progress.advance(1);
        }
    }
    Ok(work)
}

fn average(session: &Session, case: &str) -> anyhow::Result<RelevanceMap> {
    let fill = session.config.explain.fill;
    let map = |partition: Partition| -> anyhow::Result<RelevanceMap> {
        let regions =
            partition.read(&session.run, &session.scans, case, &session.config.regions, "regions")?;
        let scores = read_csv(&session.run.path(&partition.scores_file(case, fill)))?;
        Ok(scores.map(&regions)?)
    };
    let maps: Vec<RelevanceMap> =
        grid::partitions(&session.config).into_iter().map(map).collect::<anyhow::Result<_>>()?;
    Ok(RelevanceMap::average(&maps)?)
}
