//! Relevance pooled over the cases of a run, and averaged over several partitions; both start from diffused scores.
//!
//! Pooled relevance comes from [`relevox_relevance::Pooling`]: a case's regions are predicted from those of other patients.
//! Its controls are pooled in the same way: diffused shuffled scores, and brightness.
//!
//! Evidence for the labels comes from [`relevox_relevance::LabelTest`], of signed diffused scores; its control has the labels shuffled
//! over the cases. With `classifier.shuffle_labels` it is about the shuffled labels, as the network is.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use anyhow::Context;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use relevox_relevance::{LabelledCase, PooledCase, RelevanceMap, scale_signed_to_100, scale_to_100};
use relevox_report::tables::{Method, MethodKind};
use relevox_volume::{CohortCase, Split, nifti};
use serde::{Deserialize, Serialize};

use super::diffuse::{self, Setting};
use super::explained::{self, Explained};
use super::labels;
use super::methods::map_file;
use super::network::Network;
use super::partition::Partition;
use super::scores::{ScoreRequest, Scorer, read_csv};
use super::session::{SCORED, Session};
use super::table;
use super::work::Work;
use crate::interrupt;
use crate::progress::{Progress, print_status};
use crate::run::{Inputs, hash_bytes, replace, stream_seed};

/// Pooled relevance of a region of a case.
#[derive(Serialize, Deserialize)]
struct Row {
    case: String,
    region: u32,
    #[serde(serialize_with = "table::plain")]
    value: f64,
}

/// Artefact with the pooled relevance of all cases.
pub fn file(partition: &Partition, method: Method) -> String {
    format!("pooled/{}-{method}.csv", partition.name())
}

/// Returns the methods that are learned over the cases.
fn learned(session: &Session) -> Vec<Method> {
    let methods = &session.config.pool.methods;
    let mut learned: Vec<Method> =
        methods.iter().copied().filter(|method| method.kind() == MethodKind::Regions).collect();
    if methods.contains(&Method::AveragedPooled) && !learned.contains(&Method::Pooled) {
        learned.push(Method::Pooled);
    }
    learned
}

/// Returns the partitions whose diffused scores are needed, the selected one first.
pub fn partitions(session: &Session, selected: &Partition) -> Vec<Partition> {
    let pool = &session.config.pool;
    let mut all = vec![selected.clone()];
    if pool.methods.iter().any(|method| method.kind() == MethodKind::Voxels) {
        let further = pool.partitions.iter().map(|further| Partition {
            sequence: further.sequence.clone(),
            regions: further.count,
            compactness: selected.compactness,
        });
        for partition in further {
            if !all.contains(&partition) {
                all.push(partition);
            }
        }
    }
    all
}

/// Returns the partitions on which a learned method is computed.
fn partitions_of(session: &Session, selected: &Partition, method: Method) -> Vec<Partition> {
    match method {
        Method::Pooled if session.config.pool.methods.contains(&Method::AveragedPooled) => {
            partitions(session, selected)
        }
        _ => vec![selected.clone()],
    }
}

/// Returns the cases that relevance is pooled over.
pub fn cases(session: &Session) -> Vec<&CohortCase> {
    let mut cases = session.scored_cases();
    if session.config.pool.training && !learned(session).is_empty() {
        cases.extend(session.scans.split(Split::Train));
    }
    cases
}

/// Returns whether the method pools evidence for labels.
fn is_for_label(method: Method) -> bool {
    matches!(method, Method::PooledLabel | Method::PooledLabelRandom)
}

/// Returns the cases that a method is pooled over.
fn cases_of(session: &Session, method: Method) -> Vec<&CohortCase> {
    // A network is right about the cases it was trained on, whatever their labels.
    if is_for_label(method) { session.scored_cases() } else { cases(session) }
}

/// Returns the labels of the scored cases, which evidence for labels is about.
fn scored_labels(session: &Session, method: Method) -> Vec<bool> {
    let of_split = |split| labels::labels(&session.scans, split, &session.config);
    let mut labels: Vec<bool> = SCORED.into_iter().flat_map(of_split).collect();
    if method == Method::PooledLabelRandom {
        labels::shuffle(&mut labels, &session.config, method.name());
    }
    labels
}

/// Returns the table with a case's relevance before pooling.
fn own_file(partition: &Partition, case: &str, method: Method, chosen: &Setting) -> String {
    match method {
        Method::PooledIntensity => explained::file(partition, case, Method::Intensity),
        Method::PooledRandom => partition.scores_file(case, chosen.fill),
        _ => explained::file(partition, case, Method::Diffused),
    }
}

/// Returns the inputs of the pooled relevance of all cases.
///
/// # Errors
/// Returns an error if labels or diffused scores are missing.
pub fn pooled_inputs(
    session: &Session,
    partition: &Partition,
    method: Method,
    chosen: &Setting,
) -> anyhow::Result<Inputs> {
    let mut rows = Vec::new();
    let cases = cases_of(session, method);
    for case in &cases {
        let id = case.id();
        rows.push(serde_json::json!([
            id,
            case.group,
            session.scans.inputs(id)?.to_value(),
            session.run.hash(&partition.regions_file(id))?,
            session.run.hash(&own_file(partition, id, method, chosen))?,
        ]));
    }
    let inputs = Inputs::new()
        .setting("method", &method)
        .setting("seed", &session.config.seed)
        .file("cases", &hash_bytes(serde_json::to_string(&rows)?.as_bytes()));
    Ok(match method {
        _ if is_for_label(method) => inputs
            .setting("label_test", &session.config.pool.label_test())
            .setting("labels", &scored_labels(session, method)),
        Method::PooledRandom => {
            inputs.setting("pooling", &session.config.pool.pooling(0)).setting("diffusion", chosen)
        }
        _ => inputs.setting("pooling", &session.config.pool.pooling(0)),
    })
}

/// Returns the inputs of a case's table of pooled relevance.
///
/// # Errors
/// Returns an error if the pooled relevance of all cases is missing.
pub fn inputs(
    session: &Session,
    partition: &Partition,
    case: &str,
    method: Method,
    tables: &mut Tables,
) -> anyhow::Result<Inputs> {
    Ok(session
        .scans
        .inputs(case)?
        .file("labels", &session.run.hash(&partition.regions_file(case))?)
        .file("pooled", &tables.hash(session, file(partition, method))?))
}

/// Returns the inputs of a case's averaged map.
///
/// # Errors
/// Returns an error if a partition's labels or relevance are missing.
pub fn map_inputs(
    session: &Session,
    selected: &Partition,
    case: &str,
    method: Method,
) -> anyhow::Result<Inputs> {
    let mut files = Vec::new();
    for partition in partitions(session, selected) {
        files.push(session.run.hash(&partition.regions_file(case))?);
        for of in averaged(method) {
            files.push(session.run.hash(&explained::file(&partition, case, *of))?);
        }
    }
    Ok(session
        .scans
        .inputs(case)?
        .setting("method", &method)
        .file("relevance", &hash_bytes(files.join(" ").as_bytes())))
}

/// Returns the methods whose maps are averaged.
fn averaged(method: Method) -> &'static [Method] {
    match method {
        Method::AveragedPooled => &[Method::Diffused, Method::Pooled],
        _ => &[Method::Diffused],
    }
}

/// Returns all artefacts of the stage, with the maps of the scored cases left out.
pub fn artefacts(session: &Session, selected: &Partition, chosen: &Setting) -> Vec<String> {
    let mut all = Vec::new();
    if session.config.pool.methods.is_empty() {
        return all;
    }
    for case in cases(session) {
        for partition in partitions(session, selected) {
            all.push(partition.regions_file(case.id()));
            all.push(partition.scores_file(case.id(), chosen.fill));
            all.push(explained::file(&partition, case.id(), Method::Diffused));
        }
        if learned(session).contains(&Method::PooledIntensity) {
            all.push(explained::file(selected, case.id(), Method::Intensity));
        }
    }
    for method in learned(session) {
        for partition in partitions_of(session, selected, method) {
            all.push(file(&partition, method));
            let scored = session.scored_cases();
            all.extend(scored.iter().map(|case| explained::file(&partition, case.id(), method)));
        }
    }
    all
}

/// Scores and diffuses what the pool lacks of the share's cases; without a shard, then pools all cases.
///
/// # Errors
/// Returns an error if an artefact can't be read or written, or the network fails.
pub fn run(session: &Session, network: &Network, selected: &Partition) -> anyhow::Result<Work> {
    let mut work = Work::default();
    let methods = &session.config.pool.methods;
    if methods.is_empty() {
        return Ok(work);
    }
    let chosen = diffuse::selected(session, selected)?.context("pooling without diffused scores")?;
    work = work + score(session, network, selected, &chosen)?;
    if !session.run.share.is_whole() {
        return Ok(work);
    }
    for method in learned(session) {
        for partition in partitions_of(session, selected, method) {
            let made = pooled_inputs(session, &partition, method, &chosen)?;
            work.count(session.run.make(&file(&partition, method), &made, |path| {
                replace(path, &pool(session, &partition, method, &chosen)?)
            })?);
        }
    }
    Ok(work)
}

/// Pooled relevance by artefact and case, read when it is first needed, and content hashes of the artefacts. Both hold all cases, and
/// are used for each.
#[derive(Debug, Default)]
pub struct Tables {
    read: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
    hashes: BTreeMap<String, String>,
}

impl Tables {
    fn hash(&mut self, session: &Session, artefact: String) -> anyhow::Result<String> {
        Ok(match self.hashes.entry(artefact) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(unknown) => {
                let hash = session.run.hash(unknown.key())?;
                unknown.insert(hash).clone()
            }
        })
    }
}

/// Makes the tables of a case's pooled relevance, and its averaged maps.
///
/// # Errors
/// Returns an error if the pooled relevance of all cases is missing, or an artefact can't be read or written.
pub fn of_case(
    session: &Session,
    selected: &Partition,
    case: &str,
    tables: &mut Tables,
) -> anyhow::Result<Work> {
    let mut work = Work::default();
    for method in learned(session) {
        for partition in partitions_of(session, selected, method) {
            let made = inputs(session, &partition, case, method, tables)?;
            work.count(session.run.make(&explained::file(&partition, case, method), &made, |path| {
                let all = file(&partition, method);
                let by_case = match tables.read.entry(all.clone()) {
                    Entry::Occupied(read) => read.into_mut(),
                    Entry::Vacant(unread) => unread.insert(read(session, &partition, method)?),
                };
                let values = by_case.remove(case).with_context(|| format!("{all}: {case}"))?;
                let relevance = scale_to_100(&values).unwrap_or_else(|| vec![0.0; values.len()]);
                let regions = partition.regions(session, case)?;
                explained::write(path, &regions, &Explained { values, relevance })
            })?);
        }
    }
    let methods = session.config.pool.methods.iter();
    for &method in methods.filter(|method| method.kind() == MethodKind::Voxels) {
        interrupt::check()?;
        let made = map_inputs(session, selected, case, method)?;
        work.count(session.run.make(&map_file(case, method), &made, |path| {
            let map = average(session, selected, case, method)?;
            let study = session.scans.study(case)?;
            let description = nifti::Description::relevance(method.name());
            Ok(nifti::write_map(path, &study.frame.to_scan(map.voxels.view())?, &description)?)
        })?);
    }
    Ok(work)
}

/// Makes the partitions, scores and diffused scores of the pool's cases in the command's share.
fn score(
    session: &Session,
    network: &Network,
    selected: &Partition,
    chosen: &Setting,
) -> anyhow::Result<Work> {
    let scorer = Scorer { classifier: network.classifier(), hash: &network.hash, learned: None };
    let (mut cases, partitions) = (cases(session), partitions(session, selected));
    cases.retain(|case| session.owns(case.id()));
    let progress = Progress::start("pool", cases.len() * partitions.len(), "tables");
    let mut work = Work::default();
    for case in cases {
        let case = case.id();
        for partition in &partitions {
            interrupt::check()?;
            work.count(partition.make(session, case)?);
            let (file, fill) = (partition.scores_file(case, chosen.fill), chosen.fill);
            work.count(scorer.make(session, &file, ScoreRequest { case, partition, fill })?);
            work.count(diffuse::diffuse(session, partition, case, chosen)?);
            progress.advance(1);
        }
        if learned(session).contains(&Method::PooledIntensity) {
            work.count(diffuse::intensity(session, selected, case)?);
        }
    }
    Ok(work)
}

/// Pools the relevance of all cases.
fn pool(
    session: &Session,
    partition: &Partition,
    method: Method,
    chosen: &Setting,
) -> anyhow::Result<Vec<u8>> {
    let (cases, config) = (cases_of(session, method), &session.config);
    let mut pooled = Vec::new();
    let mut ids = Vec::new();
    for case in &cases {
        interrupt::check()?;
        let id = case.id();
        let study = session.scans.study(id)?;
        let regions = partition.regions(session, id)?;
        let relevance = match method {
            Method::PooledRandom => {
                let scores = read_csv(&session.run.path(&partition.scores_file(id, chosen.fill)))?;
                let mut shuffled = chosen.raw(&scores);
                let seed = stream_seed(config.seed, &format!("{method}/{id}"));
                shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
                chosen.relevance(&chosen.graph(&study, &regions)?.diffuse(&shuffled, &chosen.smoothing()?)?)
            }
            _ => {
                let own = explained::read(&session.run.path(&own_file(partition, id, method, chosen)))?;
                if is_for_label(method) { scale_signed_to_100(&own.values) } else { own.relevance }
            }
        };
        let (image, brain) = (study.image.view(), study.brain.view());
        pooled.push(PooledCase::of(case.group.clone(), image, brain, &regions, relevance)?);
        ids.push(regions.ids().to_vec());
    }
    let progress = Progress::start(format!("pool: {method}"), pooled.len(), "cases");
    let advance = |finished: usize| {
        progress.advance(finished);
        interrupt::flow()
    };
    let found = if is_for_label(method) {
        let labels = scored_labels(session, method);
        let test = config.pool.label_test().check()?;
        let positive = labels.iter().filter(|&&label| label).count();
        if positive == 0 || positive == labels.len() {
            print_status(format!(
                "pool: {method}: none, since all {} cases have the same label",
                labels.len()
            ));
            pooled.iter().map(|case| vec![0.0; case.relevance.len()]).collect()
        } else {
            let labelled = pooled.into_iter().zip(labels).map(|(case, label)| LabelledCase { case, label });
            let evidence = test.evidence(&labelled.collect::<Vec<_>>(), &advance)?;
            evidence.iter().map(|evidence| test.tested(evidence)).collect()
        }
    } else {
        let pooling = config.pool.pooling(stream_seed(config.seed, "pool")).check()?;
        pooling.cross_fitted(&pooled, &advance)?
    };
    let rows = cases.iter().zip(ids).zip(found).flat_map(|((case, ids), values)| {
        ids.into_iter().zip(values).map(|(region, value)| Row { case: case.id().to_owned(), region, value })
    });
    table::to_csv(&["case", "region", "value"], rows)
}

/// Reads the pooled relevance by case.
fn read(
    session: &Session,
    partition: &Partition,
    method: Method,
) -> anyhow::Result<BTreeMap<String, Vec<f64>>> {
    let rows: Vec<Row> = table::read(&session.run.path(&file(partition, method)))?;
    let mut by_case: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for Row { case, value, .. } in rows {
        by_case.entry(case).or_default().push(value);
    }
    Ok(by_case)
}

/// Averages the maps of all partitions.
fn average(
    session: &Session,
    selected: &Partition,
    case: &str,
    method: Method,
) -> anyhow::Result<RelevanceMap> {
    let mut maps = Vec::new();
    for partition in partitions(session, selected) {
        let regions = partition.regions(session, case)?;
        for of in averaged(method) {
            let path = session.run.path(&explained::file(&partition, case, *of));
            maps.push(RelevanceMap::paint(&regions, &explained::read(&path)?.relevance)?);
        }
    }
    Ok(RelevanceMap::average(&maps)?)
}
