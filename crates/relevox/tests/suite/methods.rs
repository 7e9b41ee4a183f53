//! `explain` by several methods: maps, masks, tables and `explanation.json`.

use std::fs;
use std::path::PathBuf;

use crate::harness::untrained::{SHAPE, Untrained, image};
use crate::harness::{files, refuse, relevox, stderr};
use ndarray::{Array3, Axis};
use relevox::models::checkpoint::{self, WeightsHints};
use relevox::relevance::gradcam::{Class, LastStage};
use relevox::relevance::{Classifier, NetworkClassifier, Target};
use relevox::slic3d::Supervoxels;
use relevox::volume::npy::ArrayFile;
use relevox::volume::{Geometry, Volume, nifti};
use relevox_models::candle_core::Device;
use relevox_models::engine::Engine;
use serde_json::Value;

const METHODS: [&str; 9] = [
    "diffused",
    "perturb",
    "lime",
    "kernel-shap",
    "hierarchical",
    "rise",
    "occlusion",
    "gradcam",
    "gradcam-pp",
];

fn document(folder: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(folder.join("explanation.json")).unwrap()).unwrap()
}

/// Columns of a table, by name.
fn column(path: PathBuf, name: &str) -> Vec<f64> {
    let mut table = csv::Reader::from_path(path).unwrap();
    let at = table.headers().unwrap().iter().position(|header| header == name).unwrap();
    table.records().map(|row| row.unwrap()[at].parse().unwrap()).collect()
}

#[test]
fn every_method_writes_a_map_a_mask_and_a_table() {
    let untrained = Untrained::new(2);
    let (result, said) = untrained.explained(
        "x.npy",
        &["--method", &METHODS.join(","), "--samples", "40", "--regions", "8", "--target", "1"],
    );
    assert!(!said.contains("methods: diffused"), "the default is not announced: {said}");
    let document = document(untrained.path("out"));
    let regions = document["regions"].as_array().unwrap();
    assert_eq!(regions.len() as u64, result["regions"].as_u64().unwrap());
    for method in METHODS {
        let of = |suffix: &str| untrained.path(&format!("out/{method}{suffix}"));
        let map = nifti::read(&of(".nii.gz")).unwrap().voxels;
        let largest = map.iter().copied().fold(0.0, f32::max);
        assert_eq!((map.shape(), largest), (&SHAPE[1..], 100.0), "{method}");
        assert_eq!(
            ArrayFile::parse(of(".npy").to_str().unwrap()).read().unwrap().values,
            map.clone().into_dyn()
        );
        let described = &result["methods"][method];
        let threshold = described["threshold"].as_f64().unwrap() as f32;
        let mask = nifti::read_labels(&of("-mask.nii.gz")).unwrap().voxels;
        // Only small components may be missing.
        assert!(mask.iter().zip(&map).all(|(&inside, &value)| inside == 0 || value >= threshold), "{method}");
        let marked = mask.iter().filter(|inside| **inside == 1).count() as u64;
        assert!(marked > 0 && marked == described["mask_voxels"].as_u64().unwrap(), "{method}");
        assert_eq!(described["threshold_rule"], "otsu_volume");
        let relevance = column(of(".csv"), "relevance");
        for region in regions {
            let id = region["region"].as_u64().unwrap() as f64;
            let row = column(of(".csv"), "region").iter().position(|found| *found == id).unwrap();
            let stated = region["relevance"][method].as_f64().unwrap();
            assert!((stated - relevance[row]).abs() < 1e-9, "{method}");
        }
    }
    // By the main method, which is the first.
    let relevance = |region: &Value| region["relevance"]["diffused"].as_f64().unwrap();
    assert!(regions.windows(2).all(|pair| relevance(&pair[0]) >= relevance(&pair[1])));
    assert_eq!(regions[0]["rank"], 1);
    let volume: f64 = regions.iter().map(|region| region["volume_ml"].as_f64().unwrap()).sum();
    let brain = image().map_axis(Axis(0), |values| values.iter().any(|value| *value != 0.0));
    let inside = brain.iter().filter(|inside| **inside).count();
    assert!((volume - inside as f64 / 1000.0).abs() < 1e-9, "regions cover the brain alone: {volume}");
}

#[test]
fn the_default_says_what_it_chose() {
    let untrained = Untrained::new(1);
    let (result, said) = untrained.explained("x.npy", &["--regions", "8"]);
    for part in ["diffused relevance", "mean over the brain", "8 regions of channel0 within the brain"] {
        assert!(said.contains(part), "{said}");
        let assumed = result["assumed"].as_array().unwrap();
        assert!(assumed.iter().any(|line| line.as_str().unwrap().contains(part)), "{assumed:?}");
    }
    assert_eq!(result["fill"], "mean");
    let written: Vec<String> =
        files(&untrained.path("out")).keys().map(|path| path.to_str().unwrap().to_owned()).collect();
    let by_method = ["diffused", "perturb"]
        .map(|method| ["-mask.nii.gz", ".csv", ".nii.gz", ".npy"].map(|suffix| format!("{method}{suffix}")));
    let mut expected = [
        by_method.concat(),
        ["explanation.json", "index.html", "overview.png", "regions.nii.gz"].map(str::to_owned).to_vec(),
    ]
    .concat();
    expected.sort();
    assert_eq!(written, expected);
}

/// The oracle: the network's own answer to the tensor with the set's voxels kept, or blanked.
#[test]
fn minimal_sets_keep_and_change_the_answer() {
    let untrained = Untrained::new(2);
    let share = 0.5;
    let (result, _) =
        untrained.explained("x.npy", &["--sets=0.5", "--fill", "blank", "--regions", "8", "--target", "1"]);
    let network =
        checkpoint::load_resnet(&untrained.path("model.safetensors"), &WeightsHints::default(), &Device::Cpu)
            .unwrap()
            .network;
    let classifier: NetworkClassifier = Engine::new(network, Device::Cpu).unwrap().into();
    let target = Target::softmax(1);
    let logit = |inside: &dyn Fn([usize; 3]) -> bool| {
        let mut kept = image();
        kept.indexed_iter_mut()
            .filter(|((_, z, y, x), _)| !inside([*z, *y, *x]))
            .for_each(|(_, value)| *value = 0.0);
        let outputs = classifier.logits(kept.view().insert_axis(Axis(0))).unwrap();
        target.logit(&outputs.into_iter().collect::<Vec<f32>>())
    };
    let (whole, none) = (logit(&|_| true), logit(&|_| false));
    let keeps = |logit: f64| (logit - none) / (whole - none) >= share;
    for (name, kept) in [("sufficient", true), ("necessary", false)] {
        let described = &result["sets"][name];
        let mask = nifti::read_labels(&untrained.path(&format!("out/{name}.nii.gz"))).unwrap().voxels;
        let found = logit(&|voxel| (mask[voxel] == 1) == kept);
        let stated = described["logit"].as_f64().unwrap();
        assert!((found - stated).abs() < 1e-4, "{name}: {found} {stated}");
        assert_eq!(keeps(found), kept, "{name}");
        let ids = described["regions"].as_array().unwrap();
        assert!(!ids.is_empty() && ids.len() < 8 && described["evaluations"].as_u64().unwrap() > 0, "{name}");
    }
    assert_eq!(result["sets"]["answer"]["share"], share);
    let page = fs::read_to_string(untrained.path("out/index.html")).unwrap();
    assert!(page.contains("Sufficient regions") && page.contains("Necessary regions"));
    refuse(
        untrained.explain("x.npy", &["--sets", "--method", "gradcam"]),
        &["sets", "a method by region", "gradcam"],
    );
    let output = untrained.explain("x.npy", &["--sets=2"]).output().unwrap();
    let said = stderr(&output);
    assert!(
        output.status.code() == Some(2) && said.contains("expected a share above 0 and at most 1"),
        "{said}"
    );
}

#[test]
fn an_explanation_replaces_an_earlier_one() {
    let untrained = Untrained::new(1);
    untrained
        .explained("x.npy", &["--regions", "8", "--method", "perturb,rise", "--samples", "8", "--sets=0.5"]);
    fs::write(untrained.path("out/own.csv"), "a file of the user").unwrap();
    assert!(untrained.path("out/rise.csv").exists() && untrained.path("out/sufficient.nii.gz").exists());
    untrained.explained("x.npy", &["--regions", "6", "--method", "perturb", "--no-pictures"]);
    let left: Vec<String> =
        files(&untrained.path("out")).keys().map(|path| path.to_str().unwrap().to_owned()).collect();
    let expected = [
        "explanation.json",
        "own.csv",
        "perturb-mask.nii.gz",
        "perturb.csv",
        "perturb.nii.gz",
        "perturb.npy",
        "regions.nii.gz",
    ];
    assert_eq!(left, expected);
}

#[test]
fn label_0_is_background_unless_it_is_said_to_be_a_region() {
    let untrained = Untrained::new(1);
    let labels = Array3::from_shape_fn((SHAPE[1], SHAPE[2], SHAPE[3]), |(z, _, _)| (z / 2) as u32);
    let regions = 1 + *labels.iter().max().unwrap() as usize;
    let geometry = Geometry::axis_aligned([SHAPE[1], SHAPE[2], SHAPE[3]], [1.0; 3]);
    nifti::write_labels(&untrained.path("l.nii.gz"), &Volume { voxels: labels.clone(), geometry }).unwrap();
    let path = untrained.text("l.nii.gz");
    let (result, said) = untrained.explained("x.npy", &["--labels", &path]);
    assert!(result["regions"] == regions - 1 && said.contains("label 0 is background"), "{said}");
    let written = nifti::read_labels(&untrained.path("out/regions.nii.gz")).unwrap().voxels;
    assert_eq!(written, labels);
    let (result, said) = untrained.explained("x.npy", &["--labels", &path, "--background", "none"]);
    assert!(result["regions"] == regions && !said.contains("label 0"), "{said}");
    assert!(!untrained.path("out/regions.nii.gz").exists());
    let (result, _) = untrained.explained("x.npy", &["--labels", &path, "--background", "1"]);
    assert_eq!(result["regions"], regions - 1);
}

/// The oracle: the library's Grad-CAM of the same network.
#[test]
fn grad_cam_is_of_the_network_itself() {
    let untrained = Untrained::new(2);
    untrained.explained("x.npy", &["--method", "gradcam", "--regions", "8", "--target", "1"]);
    let map = nifti::read(&untrained.path("out/gradcam.nii.gz")).unwrap().voxels;
    let network =
        checkpoint::load_resnet(&untrained.path("model.safetensors"), &WeightsHints::default(), &Device::Cpu)
            .unwrap()
            .network;
    let target = Target::softmax(1);
    let stage = LastStage::new(&network, image().view(), &target, Class::Predicted, &Device::Cpu).unwrap();
    let expected = stage.grad_cam().unwrap();
    let off = map.iter().zip(&expected.voxels).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < 1e-2, "{off} of 100");
    assert!(!untrained.path("out/perturb.csv").exists());
}

#[test]
fn methods_that_cannot_be_computed_are_refused() {
    let untrained = Untrained::new(1);
    let refused = |more: &[&str], parts: &[&str]| refuse(untrained.explain("x.npy", more), parts);
    refused(&["--method", "lime,perturb,lime"], &["--method", "lime twice"]);
    refused(&["--fill", "learned=absent.safetensors"], &["--fill learned=absent.safetensors"]);
    let program = format!("{} 2", env!("CARGO_BIN_EXE_relevox"));
    assert!(!untrained.path("out").exists(), "something was left behind");
    let output =
        relevox(&["explain", "--tensor", "x.npy", "--command", &program, "--method", "shap", "--out", "o"])
            .output()
            .unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("shap") && said.contains("kernel-shap"), "{said}");
}

#[test]
fn a_single_region_is_said_to_have_no_rank() {
    let untrained = Untrained::new(1);
    let [_, z, y, x] = SHAPE;
    let labels = Array3::<u32>::ones((z, y, x));
    assert_eq!(Supervoxels::from_labels(labels.clone(), None).unwrap().len(), 1);
    relevox::volume::npy::write(
        &untrained.path("one.npy"),
        labels.mapv(|label| label as f32).view().into_dyn(),
    )
    .unwrap();
    let (result, said) =
        untrained.explained("x.npy", &["--labels", &untrained.text("one.npy"), "--method", "perturb"]);
    assert!(said.contains("there is one region"), "{said}");
    assert_eq!(result["methods"]["perturb"]["flat"], true);
    assert!(result["methods"]["perturb"]["threshold"].is_null());
}
