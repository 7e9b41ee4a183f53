//! Whether maps say what the classifier does: deletion and insertion areas and infidelity of every method, on the test cases
//! that further explainers explain. A CSV for each case.
//!
//! V. Petsiuk, A. Das and K. Saenko, "RISE", BMVC 2018; C.-K. Yeh et al., "On the (In)fidelity and Sensitivity of
//! Explanations", NeurIPS 2019. Curves are of the probability of the class that the network predicts, by regions of the
//! selected partition: a map of voxels is ranked by its mean over each region.

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

use super::methods::{self, of_case};
use super::network::Network;
use super::scores::constant;
use super::{Partition, Session, Work, explain, grid, maps};
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, hash_bytes, replace, stream_seed};

/// Columns after the method.
const COLUMNS: [Measure; 3] = [Measure::Deletion, Measure::Insertion, Measure::Infidelity];

/// Measures by method.
pub type Measures = BTreeMap<Method, BTreeMap<Measure, f64>>;

/// Where a case's numbers lie.
pub fn file(partition: &Partition, case: &str) -> String {
    format!("faithfulness/{case}/{}.csv", partition.name())
}

/// The cases that have them.
///
/// # Errors
/// A scan that can't be read.
pub fn cases(session: &Session) -> anyhow::Result<Vec<String>> {
    if session.config.explain.curve_points == 0 || explain::cases(session)?.is_empty() {
        return Ok(Vec::new());
    }
    grid::cases(session, Split::Test, session.config.explain.cases)
}

/// What a case's numbers are made from.
///
/// # Errors
/// Labels or maps that are not there.
pub fn inputs(
    session: &Session,
    partition: &Partition,
    case: &str,
    classifier: &str,
) -> anyhow::Result<Inputs> {
    let config = &session.config.explain;
    let mut found = Vec::new();
    for method in of_case(session, true) {
        let file = methods::table(method, partition, case).unwrap_or_else(|| maps::file(case, method));
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

/// Measures.
///
/// # Errors
/// Labels or maps that are not there, and what the network meets.
pub fn run(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Work> {
    let cases = cases(session)?;
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
    let regions = partition.read(&session.run, &session.scans, case, &session.config.regions, "regions")?;
    let fill = constant(config.fill, &study)?;
    let baseline = classifier.baseline(study.image.view())?;
    let coalitions = Coalitions::new(&*baseline, &regions, &fill, &Target::default())?;
    let seed = |what: &str| stream_seed(session.config.seed, &format!("faithfulness/{what}/{case}"));
    let drops = match config.infidelity_samples {
        0 => Vec::new(),
        samples => random_ablations(&coalitions, samples, seed("drops"))?,
    };
    let mut all = Measures::new();
    for method in of_case(session, true) {
        interrupt::check()?;
        let relevance = match methods::relevance(method, session, partition, case)? {
            Some(relevance) => relevance,
            None => mean_by_region(&regions, maps::read(session, &study, method)?.view())?,
        };
        all.insert(method, of_map(&coalitions, &relevance, config.curve_points, &drops)?);
    }
    let mut ranks: Vec<f64> = (0..regions.len()).map(|rank| rank as f64).collect();
    ranks.shuffle(&mut ChaCha8Rng::seed_from_u64(seed(Method::Random.name())));
    all.insert(Method::Random, of_map(&coalitions, &ranks, config.curve_points, &drops)?);
    Ok(all)
}

/// The measures of one map, given its relevance by region.
fn of_map(
    coalitions: &Coalitions<'_>,
    relevance: &[f64],
    points: usize,
    drops: &[Ablation],
) -> anyhow::Result<BTreeMap<Measure, f64>> {
    let mut ranking: Vec<usize> = (0..relevance.len()).collect();
    // The sort is stable: equals keep the order of their ids.
    ranking.sort_by(|&a, &b| relevance[b].total_cmp(&relevance[a]));
    let gone = deletion(coalitions, &ranking, points)?;
    let positive = gone.logits.first().is_some_and(|&whole| whole >= 0.0);
    let mut measures = BTreeMap::new();
    let back = insertion(coalitions, &ranking, points)?;
    for (measure, curve) in [(Measure::Deletion, &gone), (Measure::Insertion, &back)] {
        // A fill that changes nothing leaves nothing to measure.
        if curve.shares.len() > 1 {
            measures.insert(measure, area(curve, positive)?);
        }
    }
    if !drops.is_empty() {
        let sign = if positive { 1.0 } else { -1.0 };
        let foretold: Vec<f64> =
            drops.iter().map(|drop| drop.removed.iter().map(|&region| relevance[region]).sum()).collect();
        let happened: Vec<f64> = drops.iter().map(|drop| sign * drop.drop).collect();
        measures.insert(Measure::Infidelity, infidelity(&foretold, &happened)?.relative);
    }
    Ok(measures)
}

/// The area under a curve of the probability of the class that the whole scan was given.
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

/// Reads a case's numbers back.
///
/// # Errors
/// A file that can't be read or is no such table.
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

    /// Of four slabs, one carries all: its map's deletion falls at once, the reverse map's at last.
    #[test]
    fn a_map_of_what_the_classifier_does_is_the_most_faithful() {
        let image = Array4::from_elem((1, 4, 4, 4), 1.0_f32);
        let slabs = Array3::from_shape_fn((4, 4, 4), |(z, _, _)| z as u32);
        let slabs = Supervoxels::from_labels(slabs, None).unwrap();
        let classifier = |batch: ArrayView5<'_, f32>| -> Result<Vec<f32>, _> {
            Ok(batch.outer_iter().map(|image| image.slice(ndarray::s![0, 2, .., ..]).sum() - 8.0).collect())
        };
        let blank = ConstantFill::from_values("blank", vec![0.0]).unwrap();
        let baseline = classifier.baseline(image.view()).unwrap();
        let coalitions = Coalitions::new(&*baseline, &slabs, &blank, &Target::default()).unwrap();
        let drops = random_ablations(&coalitions, 20, 5).unwrap();
        let of = |relevance: &[f64]| of_map(&coalitions, relevance, 4, &drops).unwrap();
        let (right, wrong) = (of(&[0.0, 0.0, 100.0, 0.0]), of(&[100.0, 60.0, 0.0, 80.0]));
        let [high, low] = [sigmoid(8.0), sigmoid(-8.0)];
        let close =
            |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
        close(right[&Measure::Deletion], (high + 7.0 * low) / 8.0);
        close(wrong[&Measure::Deletion], (7.0 * high + low) / 8.0);
        close(right[&Measure::Insertion], (7.0 * high + low) / 8.0);
        close(wrong[&Measure::Insertion], (high + 7.0 * low) / 8.0);
        close(right[&Measure::Infidelity], 0.0);
        assert!(wrong[&Measure::Infidelity] > 0.1);
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
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
