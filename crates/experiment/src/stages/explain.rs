//! Additional explainers of the selected partition, on a subset of the cases: LIME, hierarchical relevance, RISE, occlusion, the scores of an
//! untrained network, Grad-CAM++, and the mean map of several partitions.

use std::collections::BTreeSet;

use anyhow::Context;
use relevox_models::engine::Engine;
use relevox_models::{Parameters, ResNet3d};
use relevox_relevance::{
    Attribution, Cam, Classifier, Explainer, NetworkClassifier, Perturbation, RelevanceMap, ScoreKind, Sign,
    Target,
};
use relevox_report::tables::{Method, MethodKind};
use relevox_volume::{Split, Study, nifti};
use slic3d::Supervoxels;

use super::explained::{self, Explained};
use super::grid;
use super::methods::map_file;
use super::network::{Network, network_config};
use super::partition::Partition;
use super::scores::{ScoreRequest, Scorer, constant_fill, read_csv};
use super::session::Session;
use super::work::Work;
use crate::device::batch_size_notice;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, hash_bytes, stream_seed};

/// Returns the explained cases of the validation and test splits.
///
/// # Errors
/// Returns an error if a scan can't be read.
pub fn cases(session: &Session) -> anyhow::Result<BTreeSet<String>> {
    if session.config.explain.methods.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut cases = BTreeSet::new();
    for split in [Split::Validation, Split::Test] {
        cases.extend(grid::cases(session, split, session.config.explain.cases)?);
    }
    Ok(cases)
}

/// Returns the inputs of an explainer's result for a case. `classifier` is the hash of its weights.
///
/// # Errors
/// Returns an error if labels or scores are missing.
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
        Method::Hierarchical => base
            .file("labels", &labels()?)
            .setting("seed", seed)
            .setting("fill", &config.fill)
            .setting("hierarchical", &config.hierarchical_evaluations),
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

/// Runs every additional explainer on the explained cases of the command's share.
///
/// # Errors
/// Returns an error if an artefact can't be read or written, or the network fails.
pub fn run(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Work> {
    let (mut cases, methods) = (cases(session)?, &session.config.explain.methods);
    cases.retain(|case| session.owns(case));
    let mut work = Work::default();
    if methods.contains(&Method::Partitions) {
        work = work + score_partitions(session, network, &cases)?;
    }
    let untrained =
        methods.contains(&Method::RandomWeights).then(|| untrained_network(session)).transpose()?;
    let progress = Progress::start("explain", cases.len() * methods.len(), "maps");
    for case in &cases {
        for &method in methods {
            interrupt::check()?;
            let made = inputs(session, partition, case, method, &network.hash)?;
            work.count(match method.kind() {
                MethodKind::Voxels => session.run.make(&map_file(case, method), &made, |path| {
                    let study = session.scans.study(case)?;
                    let map = match method {
                        Method::Partitions => average_map(session, case)?,
                        _ => network.grad_cam(study.image.view(), Cam::GradCamPlusPlus)?,
                    };
                    let description = nifti::Description::relevance(method.name());
                    Ok(nifti::write_map(path, &study.frame.to_scan(map.voxels.view())?, &description)?)
                })?,
                _ => session.run.make_with(&explained::file(partition, case, method), &made, |path| {
                    let study = session.scans.study(case)?;
                    let regions = partition.regions(session, case)?;
                    let classifier: &dyn Classifier = match &untrained {
                        Some(untrained) if method == Method::RandomWeights => untrained,
                        _ => network.classifier(),
                    };
                    let found = attribute(session, classifier, &study, &regions, method)
                        .with_context(|| format!("{case}: {method}"))?;
                    let relevance = found.relevance(Sign::Magnitude);
                    explained::write(path, &regions, &Explained { values: found.values, relevance })?;
                    let mut companions = Vec::new();
                    if !found.convergence.is_empty() {
                        let file = explained::convergence_file(partition, case, method);
                        explained::write_convergence(&session.run.path(&file), &found.convergence)?;
                        companions.push(file);
                    }
                    Ok(companions)
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
    let fill = constant_fill(config.fill, study)?;
    let seed = stream_seed(session.config.seed, &format!("{method}/{}", study.case));
    let explainer: Box<dyn Explainer> = match method {
        Method::Lime => Box::new(config.lime(seed)),
        Method::Hierarchical => Box::new(config.hierarchical(seed)),
        Method::Rise => Box::new(config.rise(seed)),
        Method::Occlusion => Box::new(config.occlusion(study.frame.shape())),
        _ => Box::new(Perturbation { score: ScoreKind::DeltaLogit, channel: None }),
    };
    let baseline = classifier.baseline(study.image.view())?;
    let target = Target::default();
    let inputs = relevox_relevance::Inputs { baseline: &*baseline, regions, fill: &fill, target: &target };
    Ok(explainer.explain(&inputs, &|_| interrupt::flow())?)
}

/// Creates the run's network with random weights.
fn untrained_network(session: &Session) -> anyhow::Result<NetworkClassifier> {
    let seed = stream_seed(session.config.seed, Method::RandomWeights.name());
    let parameters = Parameters::seeded(seed, &session.device);
    let network = ResNet3d::new(&network_config(&session.config), parameters.builder())?;
    let engine = Engine::new(network, session.device.clone())?;
    Ok(engine.on_smaller_batches(batch_size_notice("random weights")).into())
}

/// Makes and scores the partitions of the grid search, for cases that the search did not include.
fn score_partitions(session: &Session, network: &Network, cases: &BTreeSet<String>) -> anyhow::Result<Work> {
    let all = grid::partitions(&session.config);
    let fill = session.config.explain.fill;
    let scorer = Scorer { classifier: network.classifier(), hash: &network.hash, learned: None };
    let progress = Progress::start("explain: partitions", cases.len() * all.len(), "tables");
    let mut work = Work::default();
    for case in cases {
        for partition in &all {
            work.count(partition.make(session, case)?);
            let file = partition.scores_file(case, fill);
            work.count(scorer.make(session, &file, ScoreRequest { case, partition, fill })?);
            progress.advance(1);
        }
    }
    Ok(work)
}

/// Averages the maps of the grid search's partitions.
fn average_map(session: &Session, case: &str) -> anyhow::Result<RelevanceMap> {
    let fill = session.config.explain.fill;
    let map = |partition: Partition| -> anyhow::Result<RelevanceMap> {
        let regions = partition.regions(session, case)?;
        let scores = read_csv(&session.run.path(&partition.scores_file(case, fill)))?;
        Ok(scores.map(&regions)?)
    };
    let maps: Vec<RelevanceMap> =
        grid::partitions(&session.config).into_iter().map(map).collect::<anyhow::Result<_>>()?;
    Ok(RelevanceMap::average(&maps)?)
}
