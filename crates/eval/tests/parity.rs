//! Parity with scikit-learn, scikit-image, SciPy and MONAI on the results computed by `fixtures/peers.py` and
//! `fixtures/segmentation.py`.

#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

use ndarray::{Array3, ArrayView1};
use relevox_eval::{
    Bootstrap, Error, accuracy, area_under_curve, dice, gaussian_mixture, hausdorff95, mixture_threshold,
    otsu, otsu_weighted, paired_permutation_test, roc_auc, roc_curve, spearman,
};
use serde_json::Value;

fn peers(key: &str) -> Vec<Value> {
    cases(include_str!("fixtures/peers.json"), key)
}

fn segmentation(key: &str) -> Vec<Value> {
    cases(include_str!("fixtures/segmentation.json"), key)
}

fn cases(text: &str, key: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(text).unwrap();
    let cases = all[key].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn flags(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect()
}

fn close(ours: f64, peer: &Value) {
    let peer = peer.as_f64().unwrap();
    assert!((ours - peer).abs() < 1e-12, "expected {peer}, found {ours}");
}

#[test]
fn dice_as_scipy() {
    for case in peers("dice") {
        let (a, b) = (flags(&case["a"]), flags(&case["b"]));
        close(dice(ArrayView1::from(&a), ArrayView1::from(&b)).unwrap(), &case["dice"]);
    }
}

#[test]
fn roc_as_scikit_learn() {
    for case in peers("roc") {
        let (scores, labels) = (numbers(&case["scores"]), flags(&case["labels"]));
        close(roc_auc(&scores, &labels).unwrap(), &case["auc"]);
        close(accuracy(&scores, &labels, 0.5).unwrap(), &case["accuracy"]);
        let curve = roc_curve(&scores, &labels).unwrap();
        assert_eq!(curve.len(), case["fpr"].as_array().unwrap().len());
        for (index, point) in curve.iter().enumerate() {
            close(point.false_positive_rate, &case["fpr"][index]);
            close(point.true_positive_rate, &case["tpr"][index]);
        }
    }
}

/// Asserts that a threshold marks the values of a case that scikit-image marks.
fn assert_marked(case: &Value, threshold: impl Fn(&[f64]) -> Result<Option<f64>, Error>) {
    let values = numbers(&case["values"]);
    let threshold = threshold(&values).unwrap().unwrap();
    let marked: Vec<bool> = values.iter().map(|value| *value >= threshold).collect();
    assert_eq!(marked, flags(&case["marked"]));
}

#[test]
fn otsu_marks_as_scikit_image() {
    peers("otsu").iter().for_each(|case| assert_marked(case, otsu));
}

#[test]
fn spearman_as_scipy() {
    for case in peers("spearman") {
        close(spearman(&numbers(&case["x"]), &numbers(&case["y"])).unwrap(), &case["rho"]);
    }
}

#[test]
fn bootstrap_as_scipy() {
    for case in peers("bootstrap") {
        let values = numbers(&case["values"]);
        let interval = Bootstrap { resamples: 20_000, seed: 3 }.mean(&values).unwrap();
        let bounds = [case["low"].as_f64().unwrap(), case["high"].as_f64().unwrap()];
        // The standard error of a 2.5 % quantile of 20,000 normal draws is 0.019 standard deviations, and the interval
        // is four standard deviations wide: four standard errors are less than 2 % of its width.
        let allowed = 0.02 * (bounds[1] - bounds[0]);
        for (ours, peer) in interval.ci95.iter().zip(bounds) {
            assert!((ours - peer).abs() < allowed, "expected {peer}, found {ours}");
        }
    }
}

#[test]
fn hausdorff95_as_monai() {
    for case in segmentation("hausdorff95") {
        let shape: Vec<usize> = numbers(&case["shape"]).iter().map(|n| *n as usize).collect();
        let mask = |key: &str| {
            let mut mask = vec![false; shape.iter().product()];
            numbers(&case[key]).iter().for_each(|voxel| mask[*voxel as usize] = true);
            Array3::from_shape_vec((shape[0], shape[1], shape[2]), mask).unwrap()
        };
        let spacing: [f64; 3] = numbers(&case["spacing"]).try_into().unwrap();
        let found = hausdorff95(mask("a").view(), mask("b").view(), spacing).unwrap().unwrap();
        // MONAI computes the quantile in single precision.
        let expected = case["distance"].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-5, "expected {expected}, found {found}");
    }
}

#[test]
fn mixtures_as_scikit_learn() {
    for case in segmentation("mixture") {
        let (values, weights) = (numbers(&case["values"]), numbers(&case["weights"]));
        let found = gaussian_mixture(&values, &weights).unwrap().unwrap();
        for (index, part) in found.iter().enumerate() {
            for (ours, key) in [(part.share, "share"), (part.mean, "mean"), (part.variance, "variance")] {
                let peer = case[key][index].as_f64().unwrap();
                assert!((ours - peer).abs() < 1e-4 * peer.abs(), "{key}: expected {peer}, found {ours}");
            }
        }
        close(mixture_threshold(&values, &weights).unwrap().unwrap(), &case["threshold"]);
    }
}

#[test]
fn weighted_otsu_marks_as_scikit_image() {
    for case in segmentation("otsu_weighted") {
        assert_marked(&case, |values| otsu_weighted(values, &numbers(&case["weights"])));
    }
}

#[test]
fn permutation_tests_as_scipy() {
    for case in segmentation("paired_permutation_test") {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        close(paired_permutation_test(&a, &b, 1, 0).unwrap(), &case["p"]);
    }
}

#[test]
fn areas_as_scikit_learn() {
    for case in segmentation("auc") {
        close(area_under_curve(&numbers(&case["x"]), &numbers(&case["y"])).unwrap(), &case["mean"]);
    }
}
