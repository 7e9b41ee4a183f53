//! Measurements of each case with a tumour and each method.
//!
//! In addition to the oracle threshold, which requires the ground truth, there are label-free thresholds: Otsu's on the
//! scores (N. Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE SMC 9(1), 1979), and Otsu's and a
//! Gaussian mixture with regions weighted by their brain volume. Two more are fixed on the validation split: the best
//! common threshold, and the mean volume of its tumours.

use std::collections::BTreeMap;

use rayon::prelude::*;
use relevox_eval::{
    LabelFree, MapValues, Mass, RegionOverlap, Sweep, common_threshold, dice, hausdorff95, mass, otsu,
    random_control, top_by_volume,
};
use relevox_report::tables::{Measure, Method, MethodKind, Threshold};
use relevox_volume::{CohortCase, Split, Study};
use serde::{Deserialize, Serialize};
use slic3d::Supervoxels;

use super::controls::RandomDiffused;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::stream_seed;
use crate::stages::maps;
use crate::stages::methods::of_case;
use crate::stages::partition::Partition;
use crate::stages::scores::read_csv;
use crate::stages::session::Session;
use crate::stages::threshold::{brain_voxels, values_of};
use crate::stages::{explain, faithfulness};

/// Measurements of one case and method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodDice {
    /// Dice by threshold.
    pub dice: BTreeMap<Threshold, f64>,
    /// Dice of the region of each rank; `None` beyond the last region, or for a method without regions.
    pub ranked: Vec<Option<f64>>,
    /// Dice of all regions up to each rank.
    pub cumulative: Vec<Option<f64>>,
    /// Further measures of the map and its mask.
    pub measures: BTreeMap<Measure, f64>,
    /// True if the map is 0 everywhere.
    pub flat: bool,
}

/// Measurements of a case with a tumour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseDice {
    /// Name of the case.
    pub case: String,
    /// Number of regions.
    pub regions: usize,
    /// Measurements by method.
    pub methods: BTreeMap<Method, MethodDice>,
    /// Mean |Δp| over regions, by fill.
    pub mean_abs_delta_p: BTreeMap<Method, f64>,
}

/// A method's map, reduced to the values that thresholds need.
struct Evidence {
    sweep: Sweep,
    values: MapValues,
    relevance: Option<Vec<f64>>,
    mass: Mass,
}

/// Regions and maps of a case.
struct Case {
    study: std::sync::Arc<Study>,
    regions: Supervoxels,
    overlap: RegionOverlap,
    maps: BTreeMap<Method, Evidence>,
    delta_p: BTreeMap<Method, f64>,
}

/// Thresholds fixed on the validation split.
#[derive(Default)]
struct Fixed {
    /// Best common threshold by method.
    thresholds: BTreeMap<Method, f64>,
    /// Mean number of tumour voxels.
    volume: Option<f64>,
}

/// Measures the test cases with a tumour, in the order of their names.
///
/// # Errors
/// Returns an error if an artefact can't be read.
pub fn test_cases(session: &Session, partition: &Partition) -> anyhow::Result<Vec<CaseDice>> {
    let explained = explain::cases(session)?;
    let mut fixed = Fixed::default();
    let mut sweeps: BTreeMap<Method, Vec<Sweep>> = BTreeMap::new();
    let mut volumes = Vec::new();
    let validated = each(session, Split::Validation, |name| {
        let case = load(session, partition, name, explained.contains(name))?;
        Ok(case.map(|case| (case.overlap.truth() as f64, case.maps)))
    })?;
    for (volume, maps) in validated {
        volumes.push(volume);
        for (method, evidence) in maps {
            sweeps.entry(method).or_default().push(evidence.sweep);
        }
    }
    for (method, sweeps) in sweeps {
        fixed.thresholds.insert(method, common_threshold(&sweeps)?.threshold);
    }
    if !volumes.is_empty() {
        fixed.volume = Some(volumes.iter().sum::<f64>() / volumes.len() as f64);
    }
    let control = RandomDiffused::read(session)?;
    let faithful = faithfulness::cases(session)?;
    each(session, Split::Test, |name| {
        let Some(case) = load(session, partition, name, explained.contains(name))? else { return Ok(None) };
        let of = [explained.contains(name), faithful.iter().any(|case| case == name)];
        Ok(Some(measure(session, partition, &case, &fixed, control.as_ref(), of)?))
    })
}

/// Calls `work` for each case of a split, on all threads, and returns what it finds in the order of the cases.
fn each<T: Send>(
    session: &Session,
    split: Split,
    work: impl Fn(&str) -> anyhow::Result<Option<T>> + Sync,
) -> anyhow::Result<Vec<T>> {
    let cases: Vec<_> = session.scans.split(split).collect();
    let what = if split == Split::Test { "test cases" } else { "validation cases" };
    let progress = Progress::start("evaluate", cases.len(), what);
    let of_case = |case: &&CohortCase| {
        interrupt::check()?;
        let found = work(case.id())?;
        progress.advance(1);
        Ok(found)
    };
    let found: Vec<Option<T>> = cases.par_iter().map(of_case).collect::<anyhow::Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// Loads a case; `None` if it has no tumour.
fn load(
    session: &Session,
    partition: &Partition,
    case: &str,
    explained: bool,
) -> anyhow::Result<Option<Case>> {
    let study = session.scans.study(case)?;
    let Some(tumour) = study.tumour.as_ref().filter(|tumour| tumour.iter().any(|&inside| inside)) else {
        return Ok(None);
    };
    let regions = partition.regions(session, case)?;
    let overlap = RegionOverlap::count(regions.labels(), regions.ids(), regions.background(), tumour.view())?;
    let (mut maps, mut delta_p) = (BTreeMap::new(), BTreeMap::new());
    for method in of_case(session, explained) {
        let map = maps::load(session, &study, &regions, partition, method)?;
        let (voxels, relevance) = (map.voxels, map.relevance);
        let (sweep, mass) = match &relevance {
            Some(relevance) => (overlap.sweep(relevance)?, overlap.mass(relevance)?),
            None => (Sweep::of_map(voxels.view(), tumour.view())?, mass(voxels.view(), tumour.view())?),
        };
        let values = values_of(&voxels, &study, &regions, relevance.as_deref())?;
        if method.kind() == MethodKind::Fill {
            let scores = read_csv(&session.run.path(&partition.scores_file(case, method)))?;
            delta_p.insert(method, scores.mean_abs_delta_p());
        }
        maps.insert(method, Evidence { sweep, values, relevance, mass });
    }
    Ok(Some(Case { study, regions, overlap, maps, delta_p }))
}

/// Measures a test case.
fn measure(
    session: &Session,
    partition: &Partition,
    case: &Case,
    fixed: &Fixed,
    control: Option<&RandomDiffused>,
    [explained, faithful]: [bool; 2],
) -> anyhow::Result<CaseDice> {
    let mut methods = BTreeMap::new();
    for method in of_case(session, explained) {
        let Some(evidence) = case.maps.get(&method) else { continue };
        let mut found = dice_of(session, case, evidence, method, fixed)?;
        let map = maps::load(session, &case.study, &case.regions, partition, method)?;
        let mask = maps::mask(&map.voxels, &evidence.values, &session.config.evaluate)?;
        if let Some(tumour) = &case.study.tumour {
            found.dice.insert(Threshold::Mask, dice(mask.view(), tumour.view())?);
            let spacing = case.study.frame.geometry().spacing_mm;
            if let Some(distance) = hausdorff95(mask.view(), tumour.view(), spacing)? {
                found.measures.insert(Measure::Hausdorff95, distance);
            }
        }
        methods.insert(method, found);
    }
    if let Some((fill, scores)) = scores_to_shuffle(&case.maps) {
        let found = random_control_of(session, case, scores, fixed.thresholds.get(&fill), &|scores| {
            Ok(scores.to_vec())
        })?;
        methods.insert(Method::Random, found);
    }
    if let Some(control) = control {
        let settings = control.smoothing()?;
        let (raw, graph) = control.of_case(session, partition, &case.study, &case.regions)?;
        let smooth = |scores: &[f64]| -> Result<Vec<f64>, relevox_eval::Error> {
            let diffused = graph.diffuse(scores, &settings);
            Ok(diffused.map_or_else(|_| vec![0.0; scores.len()], |diffused| control.relevance(&diffused)))
        };
        let threshold = fixed.thresholds.get(&Method::Diffused);
        methods.insert(Method::RandomDiffused, random_control_of(session, case, &raw, threshold, &smooth)?);
    }
    if faithful {
        for (method, measures) in faithfulness::read(session, partition, &case.study.case)? {
            if let Some(found) = methods.get_mut(&method) {
                found.measures.extend(measures);
            }
        }
    }
    let ceiling = BTreeMap::from([(Threshold::Oracle, case.overlap.ceiling())]);
    methods.insert(Method::Ceiling, MethodDice { dice: ceiling, ..MethodDice::default() });
    Ok(CaseDice {
        case: case.study.case.clone(),
        regions: case.overlap.len(),
        methods,
        mean_abs_delta_p: case.delta_p.clone(),
    })
}

fn dice_of(
    session: &Session,
    case: &Case,
    evidence: &Evidence,
    method: Method,
    fixed: &Fixed,
) -> anyhow::Result<MethodDice> {
    let Evidence { sweep, values, relevance, mass } = evidence;
    let (config, overlap) = (&session.config.evaluate, &case.overlap);
    // Without a threshold the mask is empty, which has a Dice of 0 with the tumour.
    let at = |threshold: Option<f64>| threshold.map_or(0.0, |threshold| sweep.at(threshold));
    let mut dice = BTreeMap::from([(Threshold::Oracle, sweep.oracle().dice)]);
    for threshold in LabelFree::ALL {
        dice.insert(threshold.into(), at(values.threshold(threshold)?));
    }
    if let Some(&threshold) = fixed.thresholds.get(&method) {
        dice.insert(Threshold::Validation, sweep.at(threshold));
    }
    if let Some(volume) = fixed.volume {
        let threshold = match relevance {
            Some(relevance) => top_by_volume(relevance, overlap.voxels(), volume)?,
            None => top_by_volume(&values.values, &vec![1; values.values.len()], volume)?,
        };
        dice.insert(Threshold::Volume, at(threshold));
    }
    let by_rank = |ranks: usize, dice: &dyn Fn(&[f64], usize) -> Option<f64>| {
        (1..=ranks).map(|rank| relevance.as_ref().and_then(|scores| dice(scores, rank))).collect()
    };
    let mut measures = BTreeMap::from([(Measure::Pointing, mass.pointing)]);
    if let Some(inside) = mass.inside {
        measures.insert(Measure::ActivationPrecision, inside);
    }
    Ok(MethodDice {
        dice,
        ranked: by_rank(config.ranks, &|scores, rank| overlap.ranked_dice(scores, rank).ok()),
        cumulative: by_rank(config.cumulative, &|scores, rank| overlap.cumulative_dice(scores, rank).ok()),
        measures,
        flat: values.values.iter().all(|&value| value == 0.0),
    })
}

/// Returns the scores that the random control shuffles: those of the blank fill, the paper's baseline, if they exist.
fn scores_to_shuffle(maps: &BTreeMap<Method, Evidence>) -> Option<(Method, &[f64])> {
    let first = [Method::Blank, Method::Learned, Method::Max, Method::Min, Method::Mean];
    let others = Method::of_kind(MethodKind::Fill).filter(|fill| !first.contains(fill));
    first
        .into_iter()
        .chain(others)
        .find_map(|method| Some((method, maps.get(&method)?.relevance.as_deref()?)))
}

/// Transformation of shuffled scores.
type Transform<'a> = &'a dyn Fn(&[f64]) -> Result<Vec<f64>, relevox_eval::Error>;

/// Measures shuffled and then transformed scores, averaged over shuffles.
fn random_control_of(
    session: &Session,
    case: &Case,
    scores: &[f64],
    threshold: Option<&f64>,
    transform: Transform<'_>,
) -> anyhow::Result<MethodDice> {
    let config = &session.config.evaluate;
    let overlap = &case.overlap;
    let brain = brain_voxels(&case.regions, case.study.brain.view())?;
    // All statistics use the same shuffles.
    let seed = stream_seed(session.config.seed, &format!("random/{}", case.study.case));
    let control = |statistic: &dyn Fn(&[f64]) -> Result<f64, relevox_eval::Error>| {
        random_control(scores, config.random_repeats, seed, |scores| statistic(&transform(scores)?))
    };
    let mut dice = BTreeMap::new();
    dice.insert(Threshold::Oracle, control(&|scores| Ok(overlap.sweep(scores)?.oracle().dice))?);
    for kind in LabelFree::ALL {
        let at = |scores: &[f64]| {
            let values = MapValues::by_region(scores, &brain);
            let sweep = overlap.sweep(scores)?;
            Ok(values.threshold(kind)?.map_or(0.0, |threshold| sweep.at(threshold)))
        };
        dice.insert(kind.into(), control(&at)?);
    }
    if let Some(&cut) = threshold {
        let dice_at = control(&|scores| Ok(overlap.sweep(scores)?.at(cut)))?;
        dice.insert(Threshold::Validation, dice_at);
    }
    let mut measures = BTreeMap::new();
    measures.insert(Measure::Pointing, control(&|scores| Ok(overlap.mass(scores)?.pointing))?);
    if otsu(scores)?.is_some() {
        let inside = |scores: &[f64]| Ok(overlap.mass(scores)?.inside.unwrap_or(0.0));
        measures.insert(Measure::ActivationPrecision, control(&inside)?);
    }
    Ok(MethodDice {
        dice,
        ranked: (1..=config.ranks)
            .map(|rank| control(&|scores| overlap.ranked_dice(scores, rank)).ok())
            .collect(),
        cumulative: (1..=config.cumulative)
            .map(|rank| control(&|scores| overlap.cumulative_dice(scores, rank)).ok())
            .collect(),
        measures,
        flat: otsu(scores)?.is_none(),
    })
}
