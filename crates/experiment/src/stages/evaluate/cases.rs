//! What each case with a tumour says of each method.
//!
//! Beside the oracle threshold, which needs the expert's outline, stand those that don't: Otsu's on the scores
//! (N. Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE SMC 9(1), 1979), the same and a mixture of
//! two normal distributions with regions weighted by their volume of brain; and those fixed on the validation split: the
//! one threshold that does best there, and the mean volume of its tumours.

use std::collections::BTreeMap;

use relevox_eval::{
    Mass, RegionOverlap, Sweep, common_threshold, dice, hausdorff95, mass, otsu, random_control,
    top_by_volume,
};
use relevox_report::tables::{Measure, Method, MethodKind, Threshold};
use relevox_volume::{Split, Study};
use serde::{Deserialize, Serialize};
use slic3d::Supervoxels;

use super::controls::RandomDiffused;
use crate::config::LabelFree;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::stream_seed;
use crate::stages::maps::{self, Values};
use crate::stages::methods::{self, of_case};
use crate::stages::scores::read_csv;
use crate::stages::{Partition, Session, explain, faithfulness};

/// What one case says of one method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MethodDice {
    /// Dice by threshold.
    pub dice: BTreeMap<Threshold, f64>,
    /// Of the region of each rank alone; none past the last region, or for a method without regions.
    pub ranked: Vec<Option<f64>>,
    /// Of the regions up to each rank together.
    pub cumulative: Vec<Option<f64>>,
    /// Where the map's mass lies and how far its mask is off, by name.
    pub measures: BTreeMap<Measure, f64>,
    /// No score stands out: the map is 0 everywhere.
    pub flat: bool,
}

/// One case with a tumour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseDice {
    /// Its name.
    pub case: String,
    /// Regions of its partition.
    pub regions: usize,
    /// By method.
    pub methods: BTreeMap<Method, MethodDice>,
    /// Mean |Δp| over regions, by fill.
    pub mean_abs_delta_p: BTreeMap<Method, f64>,
}

/// A method's map of a case, reduced to what thresholds need.
struct Evidence {
    sweep: Sweep,
    values: Values,
    relevance: Option<Vec<f64>>,
    mass: Mass,
}

/// A case's regions, and its maps by method.
struct Case {
    study: std::sync::Arc<Study>,
    regions: Supervoxels,
    overlap: RegionOverlap,
    maps: BTreeMap<Method, Evidence>,
    delta_p: BTreeMap<Method, f64>,
}

/// What the validation split fixes.
#[derive(Default)]
struct Fixed {
    /// The best threshold, by method.
    thresholds: BTreeMap<Method, f64>,
    /// The mean number of tumour voxels.
    volume: Option<f64>,
}

/// What the test cases that have a tumour say, in the order of their names.
///
/// # Errors
/// Artefacts that can't be read.
pub fn test_cases(session: &Session, partition: &Partition) -> anyhow::Result<Vec<CaseDice>> {
    let explained = explain::cases(session)?;
    let mut fixed = Fixed::default();
    let mut sweeps: BTreeMap<Method, Vec<Sweep>> = BTreeMap::new();
    let mut volumes = Vec::new();
    each(session, Split::Validation, |name| {
        if let Some(case) = load(session, partition, name, explained.contains(name))? {
            volumes.push(case.overlap.truth() as f64);
            for (method, evidence) in case.maps {
                sweeps.entry(method).or_default().push(evidence.sweep);
            }
        }
        Ok(())
    })?;
    for (method, sweeps) in sweeps {
        fixed.thresholds.insert(method, common_threshold(&sweeps)?.threshold);
    }
    if !volumes.is_empty() {
        fixed.volume = Some(volumes.iter().sum::<f64>() / volumes.len() as f64);
    }
    let shuffler = RandomDiffused::find(session)?;
    let faithful = faithfulness::cases(session)?;
    let mut found = Vec::new();
    each(session, Split::Test, |name| {
        if let Some(case) = load(session, partition, name, explained.contains(name))? {
            let of = [explained.contains(name), faithful.iter().any(|case| case == name)];
            found.push(measured(session, partition, &case, &fixed, shuffler.as_ref(), of)?);
        }
        Ok(())
    })?;
    Ok(found)
}

fn each(
    session: &Session,
    split: Split,
    mut work: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let cases: Vec<_> = session.scans.split(split).collect();
    let what = if split == Split::Test { "test cases" } else { "validation cases" };
    let progress = Progress::start("evaluate", cases.len(), what);
    for case in cases {
        interrupt::check()?;
        work(case.id())?;
        progress.advance(1);
    }
    Ok(())
}

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
    let regions = partition.read(&session.run, &session.scans, case, &session.config.regions, "regions")?;
    let overlap = RegionOverlap::count(regions.labels(), regions.ids(), regions.background(), tumour.view())?;
    let (mut maps, mut delta_p) = (BTreeMap::new(), BTreeMap::new());
    for method in of_case(session, explained) {
        let map = maps::read(session, &study, method)?;
        let relevance = methods::relevance(method, session, partition, case)?;
        let (sweep, mass) = match &relevance {
            Some(relevance) => (overlap.sweep(relevance)?, overlap.mass(relevance)?),
            None => (Sweep::of_map(map.view(), tumour.view())?, mass(map.view(), tumour.view())?),
        };
        let values = Values::of(&map, &study, &regions, relevance.clone());
        if method.kind() == MethodKind::Fill {
            let scores = read_csv(&session.run.path(&partition.scores_file(case, method)))?;
            delta_p.insert(method, scores.mean_abs_delta_p());
        }
        maps.insert(method, Evidence { sweep, values, relevance, mass });
    }
    Ok(Some(Case { study, regions, overlap, maps, delta_p }))
}

fn measured(
    session: &Session,
    partition: &Partition,
    case: &Case,
    fixed: &Fixed,
    shuffler: Option<&RandomDiffused>,
    [explained, faithful]: [bool; 2],
) -> anyhow::Result<CaseDice> {
    let mut methods = BTreeMap::new();
    for method in of_case(session, explained) {
        let Some(evidence) = case.maps.get(&method) else { continue };
        let mut found = dice_of(session, case, evidence, method, fixed)?;
        let mask = maps::mask(session, &case.study, partition, method)?;
        if let Some(tumour) = &case.study.tumour {
            found.dice.insert(Threshold::Mask, dice(mask.view(), tumour.view())?);
            let spacing = case.study.frame.geometry().spacing_mm;
            if let Some(distance) = hausdorff95(mask.view(), tumour.view(), spacing)? {
                found.measures.insert(Measure::Hausdorff95, distance);
            }
        }
        methods.insert(method, found);
    }
    if let Some((fill, scores)) = shuffled(&case.maps) {
        let found =
            random(session, case, scores, fixed.thresholds.get(&fill), &|scores| Ok(scores.to_vec()))?;
        methods.insert(Method::Random, found);
    }
    if let Some(shuffler) = shuffler {
        let settings = shuffler.smoothing()?;
        let (raw, graph) = shuffler.of_case(session, partition, &case.study, &case.regions)?;
        let smooth = |scores: &[f64]| -> Result<Vec<f64>, relevox_eval::Error> {
            let smooth = graph.diffuse(scores, &settings).unwrap_or_else(|_| vec![0.0; scores.len()]);
            Ok(shuffler.relevance(&smooth))
        };
        let threshold = fixed.thresholds.get(&Method::Diffused);
        methods.insert(Method::RandomDiffused, random(session, case, &raw, threshold, &smooth)?);
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
    // Where nothing stands out, nothing is marked, and there is a tumour.
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

/// The scores that the control shuffles: blank's, the paper's baseline, where they are there.
fn shuffled(maps: &BTreeMap<Method, Evidence>) -> Option<(Method, &[f64])> {
    [Method::Blank, Method::Learned, Method::Max, Method::Min, Method::Mean]
        .into_iter()
        .find_map(|method| Some((method, maps.get(&method)?.relevance.as_deref()?)))
}

/// What is made of shuffled scores before they are a map.
type Remap<'a> = &'a dyn Fn(&[f64]) -> Result<Vec<f64>, relevox_eval::Error>;

/// The mean over shuffles of what `map` makes of the shuffled scores.
fn random(
    session: &Session,
    case: &Case,
    scores: &[f64],
    threshold: Option<&f64>,
    map: Remap<'_>,
) -> anyhow::Result<MethodDice> {
    let config = &session.config.evaluate;
    let overlap = &case.overlap;
    let brain = crate::stages::methods::brain_voxels(&case.regions, case.study.brain.view());
    // Every statistic sees the same shuffles.
    let seed = stream_seed(session.config.seed, &format!("random/{}", case.study.case));
    let control = |statistic: &dyn Fn(&[f64]) -> Result<f64, relevox_eval::Error>| {
        random_control(scores, config.random_repeats, seed, |scores| statistic(&map(scores)?))
    };
    let mut dice = BTreeMap::new();
    dice.insert(Threshold::Oracle, control(&|scores| Ok(overlap.sweep(scores)?.oracle().dice))?);
    for kind in LabelFree::ALL {
        let at = |scores: &[f64]| {
            let values = Values { values: scores.to_vec(), brain: brain.clone() };
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
