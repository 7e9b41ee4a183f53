//! The numbers of a run, computed once more from its scores, maps, regions and segmentations: plainly, voxel by voxel, and without
//! the crate that evaluates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::harness::{succeed, tiny};
use relevox_volume::nifti;
use serde_json::Value;

/// Fills that have scores.
const FILLS: [&str; 5] = ["learned", "blank", "min", "max", "mean"];
/// Methods whose maps are compared.
const MAPS: [&str; 4] = ["blank", "learned", "diffused", "gradcam"];
const CLOSE: f64 = 1e-9;

/// A case of the cohort.
struct Case {
    id: String,
    split: String,
    positive: bool,
    /// True where a voxel is tumour.
    tumour: Vec<bool>,
    /// Region of each voxel.
    region: Vec<u32>,
}

fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(|row| row.unwrap()).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn cases(run: &Path, partition: &str) -> Vec<Case> {
    let rows = table(&run.join("cohort.csv")).into_iter().filter(|row| row["split"] != "train");
    rows.map(|row| {
        let seg = nifti::read_labels(&run.join(&row["seg"])).unwrap();
        let regions = run.join(format!("regions/{}/{partition}.nii.gz", row["case"]));
        let regions = nifti::read_labels(&regions).unwrap();
        assert_eq!(
            seg.voxels.shape(),
            regions.voxels.shape(),
            "the tiny cohort is neither cropped nor resampled"
        );
        Case {
            id: row["case"].clone(),
            split: row["split"].clone(),
            positive: row["label"] == "1",
            tumour: seg.voxels.iter().map(|&label| label > 0).collect(),
            region: regions.voxels.iter().copied().collect(),
        }
    })
    .collect()
}

/// Relevance of each region as the paper has it: the absolute change of the probability, scaled to 0..100 within the case.
fn relevance(run: &Path, partition: &str, case: &str, fill: &str) -> BTreeMap<u32, f64> {
    let rows = table(&run.join(format!("scores/{case}/{partition}-{fill}.csv")));
    let change: BTreeMap<u32, f64> = rows
        .iter()
        .map(|row| (row["region"].parse().unwrap(), row["delta_p"].parse::<f64>().unwrap().abs()))
        .collect();
    let least = change.values().copied().fold(f64::INFINITY, f64::min);
    let most = change.values().copied().fold(0.0, f64::max);
    let scale = |value: f64| if most > least { 100.0 * (value - least) / (most - least) } else { 0.0 };
    change.into_iter().map(|(region, value)| (region, scale(value))).collect()
}

fn dice(mask: impl Iterator<Item = bool>, tumour: &[bool]) -> f64 {
    let (mut both, mut sum) = (0_u64, 0_u64);
    for (inside, &truth) in mask.zip(tumour) {
        both += u64::from(inside && truth);
        sum += u64::from(inside) + u64::from(truth);
    }
    2.0 * both as f64 / sum as f64
}

/// Dice of the voxels of at least this value.
fn at(values: &[f64], threshold: f64, tumour: &[bool]) -> f64 {
    dice(values.iter().map(|value| *value >= threshold), tumour)
}

fn distinct(values: &[f64]) -> Vec<f64> {
    let bits: BTreeSet<u64> = values.iter().map(|value| value.to_bits()).collect();
    bits.into_iter().map(f64::from_bits).collect()
}

fn oracle(values: &[f64], tumour: &[bool]) -> f64 {
    distinct(values).into_iter().map(|threshold| at(values, threshold, tumour)).fold(0.0, f64::max)
}

/// Otsu's threshold by its definition: the cut with the largest variance between the classes.
fn otsu(scores: &[f64]) -> Option<f64> {
    let mut best: Option<(f64, f64)> = None;
    for threshold in distinct(scores) {
        let (above, below): (Vec<f64>, Vec<f64>) = scores.iter().partition(|score| **score >= threshold);
        if below.is_empty() {
            continue;
        }
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
        let between = (mean(&above) - mean(&below)).powi(2) * (above.len() * below.len()) as f64;
        if best.is_none_or(|(most, _)| between > most * (1.0 + 1e-12)) {
            best = Some((between, threshold));
        }
    }
    best.map(|(_, threshold)| threshold)
}

#[track_caller]
fn assert_close(found: &Value, expected: f64, what: &str) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{what}: no number"));
    assert!((found - expected).abs() < CLOSE, "{what}: {found} in the run, {expected} recomputed");
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

struct Run {
    _folder: tempfile::TempDir,
    root: PathBuf,
    partition: String,
    cases: Vec<Case>,
    summary: Value,
    by_case: BTreeMap<String, Value>,
}

fn run() -> Run {
    run_with(&[])
}

fn run_with(settings: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("run");
    succeed(tiny("reproduce", &root, settings));
    let summary = json(&root.join("summary.json"));
    let selected = &summary["selected"];
    let (sequence, regions) = (selected["sequence"].as_str().unwrap(), selected["regions"].as_u64().unwrap());
    let partition = format!("{sequence}-{regions}-c{}", selected["compactness"].as_f64().unwrap());
    let cases = cases(&root, &partition);
    let all = json(&root.join("cases.json"));
    let by_case =
        all.as_array().unwrap().iter().map(|case| (case["case"].as_str().unwrap().to_owned(), case.clone()));
    let by_case = by_case.collect();
    Run { _folder: folder, root, partition, cases, summary, by_case }
}

impl Run {
    /// The cases of a split, of which there are some.
    fn of_split(&self, split: &str) -> impl Iterator<Item = &Case> {
        assert!(self.cases.iter().any(|case| case.split == split), "no {split} cases");
        self.cases.iter().filter(move |case| case.split == split)
    }

    /// The scores of a case's regions, and the relevance of its voxels.
    fn scored(&self, case: &Case, fill: &str) -> (BTreeMap<u32, f64>, Vec<f64>) {
        let by_region = relevance(&self.root, &self.partition, &case.id, fill);
        let voxels = case.region.iter().map(|region| by_region[region]).collect();
        (by_region, voxels)
    }
}

#[test]
fn dice_ranks_and_thresholds_of_fills_follow_from_scores() {
    let run = run();
    for fill in FILLS {
        // One threshold for all cases: the best on the validation split.
        let validation: Vec<(&Case, Vec<f64>)> =
            run.of_split("validation").map(|case| (case, run.scored(case, fill).1)).collect();
        let candidates =
            distinct(&validation.iter().flat_map(|(_, values)| values.clone()).collect::<Vec<_>>());
        let of = |threshold: f64| {
            mean(
                &validation
                    .iter()
                    .map(|(case, values)| at(values, threshold, &case.tumour))
                    .collect::<Vec<_>>(),
            )
        };
        let best = candidates.iter().map(|&threshold| of(threshold)).fold(0.0, f64::max);
        let equally_good: Vec<f64> =
            candidates.into_iter().filter(|&threshold| of(threshold) > best - 1e-12).collect();

        let mut means: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for case in run.of_split("test") {
            let found = &run.by_case[&case.id]["methods"][fill];
            let (by_region, voxels) = run.scored(case, fill);
            let scores: Vec<f64> = by_region.values().copied().collect();
            let what = |name: &str| format!("{}, {fill}, {name}", case.id);

            let expected = oracle(&voxels, &case.tumour);
            assert_close(&found["dice"]["oracle"], expected, &what("oracle"));
            means.entry("oracle").or_default().push(expected);
            let expected = otsu(&scores).map_or(0.0, |threshold| at(&voxels, threshold, &case.tumour));
            assert_close(&found["dice"]["otsu"], expected, &what("Otsu"));
            means.entry("otsu").or_default().push(expected);
            let common = found["dice"]["validation_threshold"].as_f64().unwrap();
            let possible = equally_good.iter().map(|&threshold| at(&voxels, threshold, &case.tumour));
            assert!(
                possible.into_iter().any(|dice| (dice - common).abs() < CLOSE),
                "{}",
                what("validation threshold")
            );
            means.entry("validation_threshold").or_default().push(common);

            // Ranks: the most relevant region first, equal ones by their id.
            let mut ranked: Vec<(u32, f64)> =
                by_region.iter().map(|(&region, &value)| (region, value)).collect();
            ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            for (rank, (region, _)) in ranked.iter().take(3).enumerate() {
                let alone = dice(case.region.iter().map(|other| other == region), &case.tumour);
                assert_close(&found["ranked"][rank], alone, &what("rank"));
            }
            for rank in 0..ranked.len().min(5) {
                let top: BTreeSet<u32> = ranked[..=rank].iter().map(|(region, _)| *region).collect();
                let together = dice(case.region.iter().map(|region| top.contains(region)), &case.tumour);
                assert_close(&found["cumulative"][rank], together, &what("cumulative rank"));
            }
        }
        for (threshold, values) in means {
            let entry = &run.summary["dice"][fill][threshold];
            assert_eq!(entry["n"], values.len());
            assert_close(&entry["mean"], mean(&values), &format!("{fill}, {threshold}, mean"));
        }
    }
}

#[test]
fn dice_of_maps_and_masks_follows_from_the_files() {
    let run = run();
    for method in MAPS {
        for case in run.of_split("test") {
            let found = &run.by_case[&case.id]["methods"][method]["dice"];
            let read = |name: &str| {
                nifti::read(&run.root.join(format!("maps/{}/{name}.nii.gz", case.id))).unwrap().voxels
            };
            let map: Vec<f64> = read(method).iter().map(|&value| f64::from(value)).collect();
            assert!(map.iter().all(|value| (0.0..=100.0).contains(value)), "{method}");
            let what = |name: &str| format!("{}, {method}, {name}", case.id);
            assert_close(&found["oracle"], oracle(&map, &case.tumour), &what("oracle"));
            let mask = read(&format!("{method}-mask"));
            assert_close(
                &found["mask"],
                dice(mask.iter().map(|&value| value > 0.0), &case.tumour),
                &what("mask"),
            );
        }
    }
}

#[test]
fn auc_and_accuracy_follow_from_predictions() {
    let run = run();
    let rows = table(&run.root.join("classifier/predictions.csv"));
    let by_case: BTreeMap<&str, f64> =
        rows.iter().map(|row| (row["case"].as_str(), row["logit"].parse().unwrap())).collect();
    let logits = |positive: bool| -> Vec<f64> {
        run.of_split("test")
            .filter(|case| case.positive == positive)
            .map(|case| by_case[case.id.as_str()])
            .collect()
    };
    let (positive, negative) = (logits(true), logits(false));
    let mut above = 0.0;
    for p in &positive {
        for n in &negative {
            above += if p > n {
                1.0
            } else if p == n {
                0.5
            } else {
                0.0
            };
        }
    }
    let pairs = (positive.len() * negative.len()) as f64;
    assert!(pairs > 0.0);
    assert_close(&run.summary["classifier"]["test_auc"]["mean"], above / pairs, "AUC");
    let right = positive.iter().filter(|logit| **logit > 0.0).count()
        + negative.iter().filter(|logit| **logit <= 0.0).count();
    let accuracy = right as f64 / (positive.len() + negative.len()) as f64;
    assert_close(&run.summary["classifier"]["test_accuracy"]["mean"], accuracy, "accuracy");
}

/// A region as evidence for the labels sees it.
struct Region {
    case: String,
    id: u32,
    label: bool,
    /// Mean and standard deviation of each sequence, z-scored by the brain.
    features: Vec<f64>,
    /// Voxels of brain.
    weight: f64,
    /// Signed diffused score, over the largest magnitude of the case.
    score: f64,
}

fn moments(values: &[f64]) -> [f64; 2] {
    let mean = mean(values);
    [mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()]
}

fn regions(run: &Run, case: &Case) -> Vec<Region> {
    let row = table(&run.root.join("cohort.csv")).into_iter().find(|row| row["case"] == case.id).unwrap();
    let scans: Vec<Vec<f64>> = ["t1", "t1ce", "t2", "flair"]
        .iter()
        .map(|sequence| {
            nifti::read(&run.root.join(&row[*sequence])).unwrap().voxels.iter().map(|&v| v.into()).collect()
        })
        .collect();
    let brain: Vec<bool> =
        (0..case.region.len()).map(|voxel| scans.iter().any(|scan| scan[voxel] != 0.0)).collect();
    let rows = table(&run.root.join(format!("explained/{}/{}-diffused.csv", case.id, run.partition)));
    let scores: Vec<(u32, f64)> =
        rows.iter().map(|row| (row["region"].parse().unwrap(), row["value"].parse().unwrap())).collect();
    let largest = scores.iter().fold(0.0_f64, |largest, (_, score)| largest.max(score.abs()));
    let of = |id: u32, score: f64| {
        let mut features = Vec::new();
        for scan in &scans {
            let part = |inside: &dyn Fn(usize) -> bool| -> Vec<f64> {
                (0..scan.len()).filter(|&voxel| inside(voxel)).map(|voxel| scan[voxel]).collect()
            };
            let [centre, scale] = moments(&part(&|voxel| brain[voxel]));
            let [mean, deviation] = moments(&part(&|voxel| case.region[voxel] == id));
            features.extend([(mean - centre) / scale, deviation / scale]);
        }
        let weight =
            (0..brain.len()).filter(|&voxel| brain[voxel] && case.region[voxel] == id).count() as f64;
        Region { case: case.id.clone(), id, label: case.positive, features, weight, score: score / largest }
    };
    scores.iter().map(|&(id, score)| of(id, score)).collect()
}

#[test]
fn evidence_for_the_labels_follows_from_diffused_scores_of_other_cases() {
    const NEIGHBOURS: usize = 9;
    const ERRORS: f64 = 0.5;
    let run = run_with(&["--set", "pool.label_neighbours=9", "--set", "pool.label_errors=0.5"]);
    let all: Vec<Region> = run.cases.iter().flat_map(|case| regions(&run, case)).collect();
    let share = mean(&run.cases.iter().map(|case| f64::from(u8::from(case.positive))).collect::<Vec<_>>());
    let rows = table(&run.root.join(format!("pooled/{}-pooled_label.csv", run.partition)));
    // Cases of training have no part in it.
    assert_eq!(rows.len(), all.len());
    let found: BTreeMap<(&str, u32), f64> = rows
        .iter()
        .map(|row| ((row["case"].as_str(), row["region"].parse().unwrap()), row["value"].parse().unwrap()))
        .collect();
    let mut kept = 0;
    for region in &all {
        let distance = |other: &Region| -> f64 {
            other.features.iter().zip(&region.features).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let mut others: Vec<&Region> =
            all.iter().filter(|other| other.case != region.case && other.weight > 0.0).collect();
        others.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
        let mut total = 0.0;
        let mut by_case: BTreeMap<&str, f64> = BTreeMap::new();
        for other in &others[..NEIGHBOURS] {
            let (weight, sign) =
                if other.label { (other.weight / share, 1.0) } else { (other.weight / (1.0 - share), -1.0) };
            total += weight;
            *by_case.entry(&other.case).or_default() += weight * sign * other.score;
        }
        let evidence = 100.0 * by_case.values().sum::<f64>() / total;
        let error = 100.0 * by_case.values().map(|sum| sum * sum).sum::<f64>().sqrt() / total;
        let expected = if evidence > 0.0 && evidence >= ERRORS * error { evidence } else { 0.0 };
        kept += usize::from(expected > 0.0);
        let found = found[&(region.case.as_str(), region.id)];
        assert!((found - expected).abs() < 1e-6, "{}, {}: {found} is not {expected}", region.case, region.id);
    }
    assert!(kept > 0 && kept < all.len(), "{kept} of {}", all.len());
}
