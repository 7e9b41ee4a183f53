//! What each case with a tumour says of each method.
//!
//! Beside the oracle threshold, which needs the expert's outline, stand two that don't: Otsu's on the scores
//! (N. Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE SMC 9(1), 1979), and the one
//! threshold that does best on the validation split.

use std::collections::BTreeMap;

use relevox_eval::{RegionOverlap, Sweep, common_threshold, otsu, random_control};
use relevox_volume::{Split, Study};

use crate::interrupt;
use crate::progress::Progress;
use crate::run::stream_seed;
use crate::stages::maps::{self, GRADCAM};
use crate::stages::scores::read_csv;
use crate::stages::{Partition, Session};

/// The control: the same regions, shuffled scores.
pub const RANDOM: &str = "random";
/// The best Dice that any choice of the regions could reach.
pub const CEILING: &str = "ceiling";

/// The Dice of one case under one method.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MethodDice {
    /// At the best threshold of the case itself.
    pub oracle: Option<f64>,
    /// At Otsu's threshold.
    pub otsu: Option<f64>,
    /// At the threshold that the validation split fixed.
    pub validation: Option<f64>,
    /// Of the region of each rank alone; none past the last region, or for a method without regions.
    pub ranked: Vec<Option<f64>>,
    /// Of the regions up to each rank together.
    pub cumulative: Vec<Option<f64>>,
    /// No score stands out: the map is 0 everywhere.
    pub flat: bool,
}

/// One case with a tumour.
#[derive(Clone, Debug)]
pub struct CaseDice {
    /// Its name.
    pub case: String,
    /// Regions of its partition.
    pub regions: usize,
    /// By method.
    pub methods: BTreeMap<String, MethodDice>,
    /// Mean |Δp| over regions, by fill.
    pub mean_abs_delta_p: BTreeMap<String, f64>,
}

/// A case's regions and scores, and the sweeps of its maps.
struct Evidence {
    overlap: RegionOverlap,
    relevance: BTreeMap<String, Vec<f64>>,
    delta_p: BTreeMap<String, f64>,
    sweeps: BTreeMap<String, Sweep>,
    gradcam: Vec<f64>,
}

/// The Dice of the test cases that have a tumour, in the order of their names.
///
/// # Errors
/// Artefacts that can't be read.
pub fn test_cases(session: &Session, partition: &Partition) -> anyhow::Result<Vec<CaseDice>> {
    let thresholds = thresholds(session, partition)?;
    let cases: Vec<_> = session.scans.split(Split::Test).collect();
    let progress = Progress::start("evaluate", cases.len(), "test cases");
    let mut found = Vec::new();
    for case in cases {
        interrupt::check()?;
        let study = session.scans.study(&case.case)?;
        if let Some(evidence) = evidence(session, &study, partition)? {
            found.push(of_case(session, &study.case, &evidence, &thresholds)?);
        }
        progress.advance(1);
    }
    Ok(found)
}

/// The threshold of each method that does best on the validation split.
fn thresholds(session: &Session, partition: &Partition) -> anyhow::Result<BTreeMap<String, f64>> {
    let cases: Vec<_> = session.scans.split(Split::Validation).collect();
    let progress = Progress::start("evaluate", cases.len(), "validation cases");
    let mut sweeps: BTreeMap<String, Vec<Sweep>> = BTreeMap::new();
    for case in cases {
        interrupt::check()?;
        let study = session.scans.study(&case.case)?;
        for (method, sweep) in evidence(session, &study, partition)?.into_iter().flat_map(|e| e.sweeps) {
            sweeps.entry(method).or_default().push(sweep);
        }
        progress.advance(1);
    }
    let best = |(method, sweeps): (String, Vec<Sweep>)| Ok((method, common_threshold(&sweeps)?.threshold));
    sweeps.into_iter().map(best).collect()
}

fn evidence(session: &Session, study: &Study, partition: &Partition) -> anyhow::Result<Option<Evidence>> {
    let Some(tumour) = study.tumour.as_ref().filter(|tumour| tumour.iter().any(|&inside| inside)) else {
        return Ok(None);
    };
    let regions =
        partition.read(&session.run, &session.scans, &study.case, &session.config.regions, "regions")?;
    let overlap = RegionOverlap::count(regions.labels(), regions.ids(), regions.background(), tumour.view())?;
    let map = maps::read(session, study, GRADCAM)?;
    let mut sweeps = BTreeMap::from([(GRADCAM.to_owned(), Sweep::of_map(map.view(), tumour.view())?)]);
    let (mut relevance, mut delta_p) = (BTreeMap::new(), BTreeMap::new());
    for fill in &session.config.evaluate.fills {
        let scores = read_csv(&session.run.path(&partition.scores_file(&study.case, fill)))?;
        let moved: f64 = scores.rows.iter().map(|row| row.delta_p.abs()).sum();
        delta_p.insert(fill.clone(), moved / scores.rows.len().max(1) as f64);
        sweeps.insert(fill.clone(), overlap.sweep(&scores.relevance())?);
        relevance.insert(fill.clone(), scores.relevance());
    }
    let gradcam = map.iter().map(|&value| f64::from(value)).collect();
    Ok(Some(Evidence { overlap, relevance, delta_p, sweeps, gradcam }))
}

fn of_case(
    session: &Session,
    case: &str,
    evidence: &Evidence,
    thresholds: &BTreeMap<String, f64>,
) -> anyhow::Result<CaseDice> {
    let Evidence { overlap, relevance, sweeps, gradcam, .. } = evidence;
    let config = &session.config.evaluate;
    let mut methods = BTreeMap::new();
    for (method, sweep) in sweeps {
        let scores = relevance.get(method);
        let at_otsu = match otsu(scores.unwrap_or(gradcam))? {
            Some(threshold) => sweep.at(threshold),
            // Nothing stands out, nothing is marked, and there is a tumour.
            None => 0.0,
        };
        let by_rank = |ranks: usize, dice: &dyn Fn(&[f64], usize) -> Option<f64>| {
            (1..=ranks).map(|rank| scores.and_then(|scores| dice(scores, rank))).collect()
        };
        methods.insert(
            method.clone(),
            MethodDice {
                oracle: Some(sweep.oracle().dice),
                otsu: Some(at_otsu),
                validation: thresholds.get(method).map(|&threshold| sweep.at(threshold)),
                ranked: by_rank(config.ranks, &|scores, rank| overlap.ranked_dice(scores, rank).ok()),
                cumulative: by_rank(config.cumulative, &|scores, rank| {
                    overlap.cumulative_dice(scores, rank).ok()
                }),
                flat: scores.unwrap_or(gradcam).iter().all(|&value| value == 0.0),
            },
        );
    }
    if let Some((fill, scores)) = shuffled(relevance) {
        methods.insert(RANDOM.to_owned(), random(session, case, overlap, scores, thresholds.get(fill))?);
    }
    let ceiling = MethodDice { oracle: Some(overlap.ceiling()), ..MethodDice::default() };
    methods.insert(CEILING.to_owned(), ceiling);
    Ok(CaseDice {
        case: case.to_owned(),
        regions: overlap.len(),
        methods,
        mean_abs_delta_p: evidence.delta_p.clone(),
    })
}

/// The scores that the control shuffles: blank's, the paper's baseline, where they are there.
fn shuffled(relevance: &BTreeMap<String, Vec<f64>>) -> Option<(&str, &[f64])> {
    let blank = relevance.get_key_value("blank");
    blank.or_else(|| relevance.first_key_value()).map(|(fill, scores)| (fill.as_str(), scores.as_slice()))
}

fn random(
    session: &Session,
    case: &str,
    overlap: &RegionOverlap,
    scores: &[f64],
    threshold: Option<&f64>,
) -> anyhow::Result<MethodDice> {
    let config = &session.config.evaluate;
    // Every statistic sees the same shuffles.
    let seed = stream_seed(session.config.seed, &format!("random/{case}"));
    let control = |statistic: &dyn Fn(&[f64]) -> Result<f64, relevox_eval::Error>| {
        random_control(scores, config.random_repeats, seed, statistic)
    };
    // Shuffling keeps the values, so that Otsu's threshold stays too.
    let cut = otsu(scores)?;
    Ok(MethodDice {
        oracle: Some(control(&|scores| Ok(overlap.sweep(scores)?.oracle().dice))?),
        otsu: match cut {
            Some(cut) => Some(control(&|scores| Ok(overlap.sweep(scores)?.at(cut)))?),
            None => Some(0.0),
        },
        validation: threshold
            .map(|&cut| control(&|scores| Ok(overlap.sweep(scores)?.at(cut))))
            .transpose()?,
        ranked: (1..=config.ranks)
            .map(|rank| control(&|scores| overlap.ranked_dice(scores, rank)).ok())
            .collect(),
        cumulative: (1..=config.cumulative)
            .map(|rank| control(&|scores| overlap.cumulative_dice(scores, rank)).ok())
            .collect(),
        flat: cut.is_none(),
    })
}
