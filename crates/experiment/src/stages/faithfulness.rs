//! Faithfulness of maps to the classifier: areas under the deletion and insertion curves and infidelity of every
//! method, on the explained test cases. A CSV for each case.
//!
//! V. Petsiuk, A. Das and K. Saenko, "RISE", BMVC 2018; C.-K. Yeh et al., "On the (In)fidelity and Sensitivity of
//! Explanations", NeurIPS 2019. Curves show the probability of the predicted class as regions of the selected partition
//! are removed or inserted; a map by voxel is averaged over each region.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use relevox_eval::{area_under_curve, infidelity};
use relevox_relevance::{
    Ablation, Classifier, Coalitions, Curve, Target, deletion, insertion, mean_by_region, random_ablations,
    sigmoid,
};
use relevox_report::tables::{Measure, Method};
use relevox_volume::Split;

use super::methods::{map_file, of_case, table_file};
use super::network::Network;
use super::partition::Partition;
use super::scores::constant_fill;
use super::session::Session;
use super::work::Work;
use super::{explain, grid, maps};
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, hash_bytes, replace, stream_seed};

/// Columns after `method`.
const COLUMNS: [Measure; 3] = [Measure::Deletion, Measure::Insertion, Measure::Infidelity];

/// Measures by method.
pub type Measures = BTreeMap<Method, BTreeMap<Measure, f64>>;

/// Artefact with the measures of a case.
pub fn file(partition: &Partition, case: &str) -> String {
    format!("faithfulness/{case}/{}.csv", partition.name())
}

/// Returns the cases whose measures are computed.
///
/// # Errors
/// Returns an error if a scan can't be read.
pub fn cases(session: &Session) -> anyhow::Result<Vec<String>> {
    if session.config.explain.curve_points == 0 || explain::cases(session)?.is_empty() {
        return Ok(Vec::new());
    }
    grid::cases(session, Split::Test, session.config.explain.cases)
}

/// Returns the inputs of a case's measures. `classifier` is the hash of its weights.
///
/// # Errors
/// Returns an error if labels or maps are missing.
pub fn inputs(
    session: &Session,
    partition: &Partition,
    case: &str,
    classifier: &str,
) -> anyhow::Result<Inputs> {
    let config = &session.config.explain;
    let mut found = Vec::new();
    for method in of_case(session, true) {
        let file = table_file(method, partition, case).unwrap_or_else(|| map_file(case, method));
        found.push((method, session.run.hash(&file)?));
    }
    let settings = serde_json::json!([config.fill, config.curve_points, config.infidelity_samples]);
    Ok(session
        .scans
        .inputs(case)?
        .file("classifier", classifier)
        .file("labels", &session.run.hash(&partition.regions_file(case))?)
        .file("methods", &hash_bytes(serde_json::to_string(&found)?.as_bytes()))
        .setting("seed", &session.config.seed)
        .setting("faithfulness", &settings))
}

/// Measures the faithfulness of every method on the explained test cases of the command's share.
///
/// # Errors
/// Returns an error if an artefact can't be read or written, or the network fails.
pub fn run(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Work> {
    let mut cases = cases(session)?;
    cases.retain(|case| session.owns(case));
    let progress = Progress::start("faithfulness", cases.len(), "cases");
    let mut work = Work::default();
    for case in &cases {
        interrupt::check()?;
        let made = inputs(session, partition, case, &network.hash)?;
        work.count(session.run.make(&file(partition, case), &made, |path| {
            let measures = measure(session, network.classifier(), partition, case)
                .with_context(|| format!("{case}: faithfulness"))?;
            replace(path, &to_csv(&measures)?)
        })?);
        progress.advance(1);
    }
    Ok(work)
}

fn measure(
    session: &Session,
    classifier: &dyn Classifier,
    partition: &Partition,
    case: &str,
) -> anyhow::Result<Measures> {
    let config = &session.config.explain;
    let study = session.scans.study(case)?;
    let regions = partition.regions(session, case)?;
    let fill = constant_fill(config.fill, &study)?;
    let baseline = classifier.baseline(study.image.view())?;
    let coalitions = Coalitions::new(&*baseline, &regions, &fill, &Target::default())?;
    let seed = |what: &str| stream_seed(session.config.seed, &format!("faithfulness/{what}/{case}"));
    let ablations = match config.infidelity_samples {
        0 => Vec::new(),
        samples => random_ablations(&coalitions, samples, seed("drops"))?,
    };
    let mut all = Measures::new();
    for method in of_case(session, true) {
        interrupt::check()?;
        let map = maps::load(session, &study, &regions, partition, method)?;
        let relevance = match map.relevance {
            Some(relevance) => relevance,
            None => mean_by_region(&regions, map.voxels.view())?,
        };
        all.insert(method, of_map(&coalitions, &relevance, config.curve_points, &ablations)?);
    }
    let mut ranks: Vec<f64> = (0..regions.len()).map(|rank| rank as f64).collect();
    ranks.shuffle(&mut ChaCha8Rng::seed_from_u64(seed(Method::Random.name())));
    all.insert(Method::Random, of_map(&coalitions, &ranks, config.curve_points, &ablations)?);
    Ok(all)
}

/// Computes the measures of a map from its relevance by region.
fn of_map(
    coalitions: &Coalitions<'_>,
    relevance: &[f64],
    points: usize,
    ablations: &[Ablation],
) -> anyhow::Result<BTreeMap<Measure, f64>> {
    let mut ranking: Vec<usize> = (0..relevance.len()).collect();
    // The sort is stable: regions of equal relevance are in the order of their ids.
    ranking.sort_by(|&a, &b| relevance[b].total_cmp(&relevance[a]));
    let deleted = deletion(coalitions, &ranking, points)?;
    let positive = deleted.logits.first().is_some_and(|&whole| whole >= 0.0);
    let mut measures = BTreeMap::new();
    let inserted = insertion(coalitions, &ranking, points)?;
    for (measure, curve) in [(Measure::Deletion, &deleted), (Measure::Insertion, &inserted)] {
        // A fill that changes no region gives a curve of a single point, without an area.
        if curve.shares.len() > 1 {
            measures.insert(measure, area(curve, positive)?);
        }
    }
    if !ablations.is_empty() {
        let sign = if positive { 1.0 } else { -1.0 };
        let removed = |ablation: &Ablation| ablation.removed.iter().map(|&region| relevance[region]).sum();
        let predicted: Vec<f64> = ablations.iter().map(removed).collect();
        let measured: Vec<f64> = ablations.iter().map(|ablation| sign * ablation.drop).collect();
        measures.insert(Measure::Infidelity, infidelity(&predicted, &measured)?.relative);
    }
    Ok(measures)
}

/// Computes the area under the curve of the probability of the unperturbed scan's predicted class.
fn area(curve: &Curve, positive: bool) -> anyhow::Result<f64> {
    let sign = if positive { 1.0 } else { -1.0 };
    let probabilities: Vec<f64> = curve.logits.iter().map(|logit| sigmoid(sign * logit)).collect();
    Ok(area_under_curve(&curve.shares, &probabilities)?)
}

fn to_csv(measures: &Measures) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(std::iter::once("method").chain(COLUMNS.map(Measure::name)))?;
    for (method, values) in measures {
        let row = COLUMNS.map(|measure| values.get(&measure).map_or_else(String::new, f64::to_string));
        table.write_record(std::iter::once(method.to_string()).chain(row))?;
    }
    Ok(table.into_inner()?)
}

/// Reads the measures of a case.
///
/// # Errors
/// Returns an error that names the file if it can't be read.
pub fn read(session: &Session, partition: &Partition, case: &str) -> anyhow::Result<Measures> {
    let path = session.run.path(&file(partition, case));
    let read = || from_csv(&fs::read(&path)?);
    read().with_context(|| format!("reading {}", path.display()))
}

fn from_csv(table: &[u8]) -> anyhow::Result<Measures> {
    let mut all = Measures::new();
    for record in csv::Reader::from_reader(table).deserialize() {
        let (method, values): (Method, [Option<f64>; COLUMNS.len()]) = record?;
        let values = COLUMNS.into_iter().zip(values);
        all.insert(method, values.filter_map(|(measure, value)| Some((measure, value?))).collect());
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
mod tests {
    use super::*;
    use ndarray::{Array3, Array4, ArrayView5};
    use relevox_perturb::ConstantFill;
    use slic3d::Supervoxels;

    /// Only one of four slabs influences the classifier.
    #[test]
    fn maps_of_the_classifiers_evidence_are_the_most_faithful() {
        let image = Array4::from_elem((1, 4, 4, 4), 1.0_f32);
        let slabs = Array3::from_shape_fn((4, 4, 4), |(z, _, _)| z as u32);
        let slabs = Supervoxels::from_labels(slabs, None).unwrap();
        let classifier = |batch: ArrayView5<'_, f32>| -> Result<Vec<f32>, _> {
            Ok(batch.outer_iter().map(|image| image.slice(ndarray::s![0, 2, .., ..]).sum() - 8.0).collect())
        };
        let blank = ConstantFill::from_values("blank", vec![0.0]).unwrap();
        let baseline = classifier.baseline(image.view()).unwrap();
        let coalitions = Coalitions::new(&*baseline, &slabs, &blank, &Target::default()).unwrap();
        let ablations = random_ablations(&coalitions, 20, 5).unwrap();
        let of = |relevance: &[f64]| of_map(&coalitions, relevance, 4, &ablations).unwrap();
        let (right, wrong) = (of(&[0.0, 0.0, 100.0, 0.0]), of(&[100.0, 60.0, 0.0, 80.0]));
        let [high, low] = [sigmoid(8.0), sigmoid(-8.0)];
        let close = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}")
        };
        close(right[&Measure::Deletion], (high + 7.0 * low) / 8.0);
        close(wrong[&Measure::Deletion], (7.0 * high + low) / 8.0);
        close(right[&Measure::Insertion], (7.0 * high + low) / 8.0);
        close(wrong[&Measure::Insertion], (high + 7.0 * low) / 8.0);
        close(right[&Measure::Infidelity], 0.0);
        assert!(wrong[&Measure::Infidelity] > 0.1);
    }

    #[test]
    fn tables_read_back() {
        let all = [(Measure::Deletion, 0.125), (Measure::Insertion, 0.5), (Measure::Infidelity, 0.75)];
        let measures = Measures::from([
            (Method::Blank, BTreeMap::from(all)),
            (Method::GradCam, BTreeMap::from([(Measure::Infidelity, 1.0)])),
        ]);
        let table = to_csv(&measures).unwrap();
        let text = String::from_utf8(table.clone()).unwrap();
        assert_eq!(text, "method,deletion,insertion,infidelity\nblank,0.125,0.5,0.75\ngradcam,,,1\n");
        assert_eq!(from_csv(&table).unwrap(), measures);
    }
}
