//! The input contract: scans that are not stored as the network expects them give the same answer, or are refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{refuse, relevox, stderr, succeed};
use ndarray::{Array3, Axis};
use relevox::Model;
use relevox::relevance::Classifier;
use relevox_models::candle_core::Device;
use relevox_models::checkpoint::{self, Metadata, Network, WeightsHints};
use relevox_models::{Parameters, ResNet3d, ResNetConfig};
use relevox_volume::{Geometry, Intensity, Preprocess, Volume, ZScoreOver, nifti};
use serde_json::Value;

const SHAPE: [usize; 3] = [20, 24, 28];
const CONTRACT: &str = r#"
channels = ["t1", "t2"]
orientation = "LPS"
axes = "zyx"
intensity = { kind = "minmax" }
crop = [20, 24, 28]
"#;

/// An untrained network without a contract, and a case.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let setup = Self { folder: tempfile::tempdir().unwrap() };
        let network = ResNetConfig { depth: 10, in_channels: 2, width: 4, ..ResNetConfig::default() };
        let parameters = Parameters::seeded(7, &Device::Cpu);
        ResNet3d::new(&network, parameters.builder()).unwrap();
        let metadata = Metadata::new(Network::Resnet(network), Value::Null);
        checkpoint::save_parameters(&setup.weights(), &parameters, &metadata).unwrap();
        setup.write_case("case", |volume| volume);
        setup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn weights(&self) -> PathBuf {
        self.path("model.safetensors")
    }

    fn write_case(&self, name: &str, change: impl Fn(Volume) -> Volume) {
        let folder = self.path(name);
        fs::create_dir_all(&folder).unwrap();
        for (sequence, phase) in [("t1", 0.0), ("t2", 1.0)] {
            nifti::write(&folder.join(format!("{name}_{sequence}.nii.gz")), &change(head(phase))).unwrap();
        }
    }

    fn write_contract(&self, text: &str) {
        fs::write(self.path("model.input.toml"), text).unwrap();
    }

    fn explain(&self, case: &str, more: &[&str]) -> Command {
        let (case, weights, out) = (self.path(case), self.weights(), self.path("out"));
        let paths = [&case, &weights, &out].map(|path| path.to_str().unwrap());
        let options = ["explain", paths[0], "--weights", paths[1], "--out", paths[2], "--regions", "6"];
        relevox(&[&options[..], more].concat())
    }

    /// The result, stderr and the map.
    fn explained(&self, case: &str, more: &[&str]) -> (Value, String, Volume) {
        let output = succeed(self.explain(case, more));
        let map = nifti::read(&self.path("out/perturb.nii.gz")).unwrap();
        (serde_json::from_slice(&output.stdout).unwrap(), stderr(&output), map)
    }
}

/// An ellipsoid of smooth, asymmetric intensities in air.
fn head(phase: f32) -> Volume {
    let geometry = Geometry::axis_aligned(SHAPE, [1.0; 3]);
    let voxels = Array3::from_shape_fn(SHAPE, |(z, y, x)| {
        let [z, y, x] =
            [(z, SHAPE[0]), (y, SHAPE[1]), (x, SHAPE[2])].map(|(i, n)| i as f32 / n as f32 - 0.48);
        let inside = z * z + y * y + x * x < 0.15;
        if inside { 100.0 + 40.0 * (9.0 * x + 5.0 * y + 3.0 * z * x + phase).sin() } else { 0.0 }
    });
    Volume { voxels, geometry }
}

/// Stores a volume with x and y pointing the other way: LPS becomes RAS.
fn flipped(volume: Volume) -> Volume {
    let mut rows = volume.geometry.world_from_voxel;
    let [_, ny, nx] = SHAPE.map(|n| (n - 1) as f64);
    for row in &mut rows {
        row[3] += row[0] * nx + row[1] * ny;
        (row[0], row[1]) = (-row[0], -row[1]);
    }
    let mut voxels = volume.voxels;
    voxels.invert_axis(Axis(1));
    voxels.invert_axis(Axis(2));
    Volume { voxels: voxels.as_standard_layout().into_owned(), geometry: Geometry::from_affine(SHAPE, rows) }
}

fn logit(result: &Value) -> f64 {
    result["logit"].as_f64().unwrap()
}

#[test]
fn weights_without_a_contract_are_refused_with_an_example() {
    let setup = Setup::new();
    refuse(setup.explain("case", &[]), &["model.safetensors", "contract", "model.input.toml", "--input"]);
    let said = stderr(&setup.explain("case", &[]).output().unwrap());
    for key in ["channels", "orientation", "axes", "spacing_mm", "intensity", "crop", "output"] {
        assert!(said.lines().any(|line| line.trim_start().starts_with(key)), "{key} is missing in {said}");
    }
    assert!(!setup.path("out").exists());
}

#[test]
fn the_contract_is_read_from_the_options_or_beside_the_weights() {
    let setup = Setup::new();
    let file = setup.path("elsewhere.toml");
    fs::write(&file, CONTRACT).unwrap();
    let (by_option, said, _) = setup.explained("case", &["--input", file.to_str().unwrap()]);
    assert!(said.contains("elsewhere.toml"), "{said}");
    setup.write_contract(CONTRACT);
    let (beside, said, _) = setup.explained("case", &[]);
    assert!(said.contains("model.input.toml"), "{said}");
    assert_eq!(logit(&by_option), logit(&beside));
    let keys =
        ["channels=[\"t1\", \"t2\"]", "orientation=LPS", "axes=zyx", "intensity=minmax", "crop=[20, 24, 28]"];
    fs::remove_file(setup.path("model.input.toml")).unwrap();
    fs::write(setup.path("empty.toml"), "").unwrap();
    let empty = setup.path("empty.toml");
    let mut options = vec!["--input", empty.to_str().unwrap()];
    options.extend(keys.iter().flat_map(|key| ["--input-set", key]));
    assert_eq!(logit(&setup.explained("case", &options).0), logit(&beside));
    refuse(setup.explain("case", &options[..options.len() - 2]), &["crop"]);
}

#[test]
fn a_contract_that_differs_from_the_network_s_own_is_said() {
    let setup = Setup::new();
    let network = ResNetConfig { depth: 10, in_channels: 2, width: 4, ..ResNetConfig::default() };
    let parameters = Parameters::seeded(7, &Device::Cpu);
    ResNet3d::new(&network, parameters.builder()).unwrap();
    let preprocess = Preprocess {
        sequences: vec!["t1".to_owned(), "t2".to_owned()],
        crop: SHAPE,
        intensity: Intensity::ZScore { over: ZScoreOver::NonZero },
        ..Preprocess::default()
    };
    let metadata = Metadata::new(Network::Resnet(network), serde_json::to_value(&preprocess).unwrap());
    checkpoint::save_parameters(&setup.weights(), &parameters, &metadata).unwrap();
    let (_, own, _) = setup.explained("case", &[]);
    assert!(!own.contains("contract of the input from"), "{own}");
    setup.write_contract(CONTRACT);
    let (_, given, _) = setup.explained("case", &[]);
    let line = given.lines().find(|line| line.starts_with("contract of the input from")).unwrap();
    assert!(line.contains("its intensity is not that of ") && line.ends_with("model.safetensors"), "{line}");
}

#[test]
fn options_that_break_the_contract_are_named_with_the_choices() {
    let setup = Setup::new();
    setup.write_contract(CONTRACT);
    let refused = |sets: &[&str], parts: &[&str]| {
        let options: Vec<&str> = sets.iter().flat_map(|set| ["--input-set", set]).collect();
        refuse(setup.explain("case", &options), parts);
    };
    refused(&["axes=zxy"], &["--input-set axes=zxy: expected `zyx` or `xyz`, found `zxy`"]);
    refused(&["orientation=LPX"], &["--input-set orientation=LPX: expected one of stored, LPS"]);
    refused(&["crop=8,8,8"], &["lists are written crop=[8,8,8]"]);
    refused(&["crop=wide"], &["--input-set crop=wide: expected an array of length 3, found string \"wide\""]);
    refused(
        &["output=soft"],
        &["--input-set output=soft: expected one of `logit`, `sigmoid`", "found `soft`"],
    );
    refused(
        &["axis=zyx"],
        &["--input-set axis=zyx: expected a key, one of `channels`", "`axes`", "found `axis`"],
    );
    // The one that is wrong, whatever the order; keys that belong together are valid together.
    let window = ["intensity=window", "intensity.low=0", "intensity.high=80"];
    refused(&[&window[..], &["axes=zxy"]].concat(), &["--input-set axes=zxy: "]);
    refused(&[&["axes=zxy"], &window[..]].concat(), &["--input-set axes=zxy: "]);
    let options: Vec<&str> = window.iter().flat_map(|set| ["--input-set", set]).collect();
    setup.explained("case", &options);
    // A contract that is wrong itself is named.
    setup.write_contract(&CONTRACT.replace("zyx", "zxy"));
    refused(&["orientation=LPS"], &["model.input.toml: ", "`zxy`"]);
}

#[test]
fn the_orientation_of_the_stored_axes_does_not_matter() {
    let setup = Setup::new();
    setup.write_contract(CONTRACT);
    setup.write_case("ras", flipped);
    let (stored, _, map) = setup.explained("case", &[]);
    let (turned, said, turned_map) = setup.explained("ras", &[]);
    assert_eq!(logit(&stored), logit(&turned));
    assert!(said.contains("turned from RAS to LPS"), "{said}");
    assert!(turned["assumed"].to_string().contains("turned from RAS to LPS"));
    let scan = nifti::read(&setup.path("ras/ras_t1.nii.gz")).unwrap();
    assert_eq!(turned_map.geometry, scan.geometry);
    assert_eq!(flipped(map).voxels, turned_map.voxels);
    let (as_stored, ..) = setup.explained("ras", &["--input-set", "orientation=stored"]);
    assert_ne!(logit(&stored), logit(&as_stored), "the network must depend on the orientation");
}

#[test]
fn axes_in_the_other_order_are_transposed_at_the_door() {
    let setup = Setup::new();
    setup.write_contract(&CONTRACT.replace("zyx", "xyz").replace("[20, 24, 28]", "[28, 24, 20]"));
    let (result, _, map) = setup.explained("case", &[]);
    let model = Model::load(&[setup.weights()], &Device::Cpu).unwrap();
    let study = model.read_case(&setup.path("case")).unwrap();
    // The oracle: the network itself on the transposed image.
    let trained = checkpoint::load_resnet(&setup.weights(), &WeightsHints::default(), &Device::Cpu).unwrap();
    let network = relevox::relevance::NetworkClassifier::new(trained.network, Device::Cpu).unwrap();
    let reversed = study.image.view().permuted_axes([0, 3, 2, 1]).as_standard_layout().into_owned();
    let expected = network.logits(reversed.view().insert_axis(Axis(0))).unwrap()[[0, 0]];
    let found = model.logits(study.image.view().insert_axis(Axis(0))).unwrap()[[0, 0]];
    assert_eq!(found, expected);
    assert!((logit(&result) - f64::from(expected)).abs() < 1e-4);
    let straight = network.logits(study.image.view().insert_axis(Axis(0))).unwrap()[[0, 0]];
    assert_ne!(expected, straight, "the network must depend on the order of the axes");
    let (dense, _, dense_map) = setup.explained("case", &["--dense"]);
    assert!((logit(&dense) - logit(&result)).abs() < 1e-4);
    let difference = map.voxels.iter().zip(&dense_map.voxels).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference < 1.0, "{difference}");
}

#[test]
fn clipped_intensities_air_and_crops_are_said() {
    let setup = Setup::new();
    setup.write_contract(CONTRACT);
    let (result, said, _) = setup.explained("case", &[]);
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(result["warnings"], serde_json::json!([]));
    setup.write_case("scored", |mut volume| {
        volume.voxels.mapv_inplace(|v| if v == 0.0 { 0.0 } else { (v - 100.0) / 25.0 });
        volume
    });
    let (result, said, _) = setup.explained("scored", &[]);
    assert!(said.contains("non-zero voxels are clipped"), "{said}");
    assert!(result["warnings"].to_string().contains("clipped"));
    setup.write_case("noisy", |mut volume| {
        let mut next = 1_u32;
        volume.voxels.mapv_inplace(|v| {
            next = next.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            v + (next >> 29) as f32 + 1.0
        });
        volume
    });
    assert!(setup.explained("noisy", &[]).1.contains("air counts as brain"));
    let small = ["--input-set", "crop=[12, 12, 12]"];
    assert!(setup.explained("case", &small).1.contains("of the brain lies outside the crop"));
}

#[test]
fn single_files_may_lie_anywhere() {
    let setup = Setup::new();
    setup.write_contract(CONTRACT);
    let (whole, ..) = setup.explained("case", &[]);
    let elsewhere = setup.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for (from, to) in [("case_t1.nii.gz", "a.nii.gz"), ("case_t2.nii.gz", "b.nii.gz")] {
        fs::copy(setup.path("case").join(from), elsewhere.join(to)).unwrap();
    }
    let scan = |name: &str, file: &str| format!("{name}={}", elsewhere.join(file).display());
    let (weights, out) = (setup.weights(), setup.path("out"));
    let run = |scans: &[String]| {
        let mut arguments =
            vec!["explain", "--weights", weights.to_str().unwrap(), "--out", out.to_str().unwrap()];
        arguments.extend(["--regions", "6"]);
        arguments.extend(scans.iter().flat_map(|scan| ["--scan", scan.as_str()]));
        relevox(&arguments)
    };
    let output = succeed(run(&[scan("t2", "b.nii.gz"), scan("t1", "a.nii.gz")]));
    assert_eq!(logit(&serde_json::from_slice(&output.stdout).unwrap()), logit(&whole));
    refuse(run(&[scan("t1", "a.nii.gz")]), &["--scan", "t2"]);
    refuse(run(&[scan("t1", "a.nii.gz"), scan("t3", "b.nii.gz")]), &["--scan", "t3", "t1, t2"]);
}

#[test]
fn labels_on_the_scan_s_grid_are_cropped() {
    let setup = Setup::new();
    setup.write_contract(&CONTRACT.replace("[20, 24, 28]", "[16, 16, 16]"));
    let labels = setup.path("labels.nii.gz");
    let scan = setup.path("case/case_t2.nii.gz");
    let paths = [&scan, &labels].map(|path| path.to_str().unwrap());
    succeed(relevox(&["slic", paths[0], paths[1], "--regions", "12"]));
    let (out, weights, case) = (setup.path("out"), setup.weights(), setup.path("case"));
    let explain = |labels: &Path| {
        let paths = [&case, &weights, &out].map(|path| path.to_str().unwrap());
        let labels = labels.to_str().unwrap();
        relevox(&["explain", paths[0], "--weights", paths[1], "--out", paths[2], "--labels", labels])
    };
    let output = succeed(explain(&labels));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let map = nifti::read(&out.join("perturb.nii.gz")).unwrap();
    let regions = nifti::read_labels(&labels).unwrap();
    // One relevance a region.
    let mut found = std::collections::BTreeMap::new();
    for ((at, label), value) in regions.voxels.indexed_iter().zip(&map.voxels) {
        let inside =
            [(at.0, 2), (at.1, 4), (at.2, 6)].iter().all(|(i, start)| (*start..start + 16).contains(i));
        if inside {
            assert_eq!(*found.entry(*label).or_insert(*value), *value);
        }
    }
    assert_eq!(result["regions"].as_u64().unwrap() as usize, found.len());
    let mut far = nifti::read_labels(&labels).unwrap();
    far.geometry.world_from_voxel.iter_mut().for_each(|row| row[3] += 500.0);
    let far_path = setup.path("far.nii.gz");
    nifti::write_labels(&far_path, &far).unwrap();
    refuse(explain(&far_path), &["far.nii.gz", "overlap"]);
}

/// Copies the model under another name, with this contract next to it.
fn copied(setup: &Setup, name: &str, contract: &str) -> String {
    let path = setup.path(&format!("{name}.safetensors"));
    fs::copy(setup.weights(), &path).unwrap();
    fs::write(setup.path(&format!("{name}.input.toml")), contract).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn networks_that_differ_in_their_partition_alone_are_averaged() {
    let setup = Setup::new();
    setup.write_contract(&format!("{CONTRACT}[regions]\nsequence = \"t2\"\ncount = 6\n"));
    let (alone, ..) = setup.explained("case", &[]);
    let other = copied(&setup, "other", &format!("{CONTRACT}[regions]\nsequence = \"t1\"\ncount = 9\n"));
    let (both, said, _) = setup.explained("case", &["--model", &other]);
    assert_eq!((logit(&both), &both["partition"]), (logit(&alone), &alone["partition"]));
    assert_eq!((&both["networks"], &both["partition"]["slic"]["sequence"]), (&2.into(), &"t2".into()));
    assert!(said.contains("the contract of") && said.contains("states others"), "{said}");
    let cropped = copied(&setup, "cropped", &CONTRACT.replace("[20, 24, 28]", "[16, 24, 28]"));
    refuse(setup.explain("case", &["--model", &cropped]), &["--model", "same input", "another `crop`"]);
}

#[test]
fn a_contract_s_partition_lies_within_the_brain_unless_it_says_otherwise() {
    let setup = Setup::new();
    setup.write_contract(CONTRACT);
    let (.., plain) = setup.explained("case", &["--sequence", "t2"]);
    let partition = |masked: &str| {
        setup.write_contract(&format!("{CONTRACT}[regions]\nsequence = \"t2\"\ncount = 6\n{masked}"));
        let (result, said, map) = setup.explained("case", &[]);
        (result["partition"]["slic"]["masked"].clone(), said.contains("within the brain"), map)
    };
    assert_eq!(partition(""), (true.into(), true, plain));
    let (masked, within, _) = partition("masked = false\n");
    assert_eq!((masked, within), (false.into(), false));
}

#[test]
fn the_first_convolution_is_that_of_the_contract() {
    let setup = Setup::new();
    let (tensors, _) = checkpoint::load(&setup.weights()).unwrap();
    relevox_models::candle_core::safetensors::save(
        &tensors.into_iter().collect::<std::collections::HashMap<_, _>>(),
        setup.weights(),
    )
    .unwrap();
    setup.write_contract(&format!("{CONTRACT}[network]\nstem_stride = 2\nmax_pool = true\n"));
    let (stated, ..) = setup.explained("case", &[]);
    assert_eq!(stated["network"], serde_json::json!({ "stem_stride": 2, "max_pool": true }));
    for (option, value) in [("--stem-stride", "1"), ("--max-pool", "false")] {
        refuse(setup.explain("case", &[option, value]), &[option, "model.input.toml states", value]);
    }
    setup.write_contract(CONTRACT);
    refuse(
        setup.explain("case", &[]),
        &["model.input.toml", "stem_stride and max_pool", "[network]", "--stem-stride"],
    );
    let (chosen, ..) = setup.explained("case", &["--stem-stride", "2", "--max-pool", "true"]);
    assert_eq!((logit(&chosen), &chosen["network"]), (logit(&stated), &stated["network"]));
}

#[test]
fn labels_that_leave_out_brain_are_a_warning() {
    let setup = Setup::new();
    setup.write_contract(CONTRACT);
    let scan = nifti::read(&setup.path("case/case_t1.nii.gz")).unwrap();
    let labels = |reach: usize| {
        let voxels = Array3::from_shape_fn(SHAPE, |(z, _, x)| if x < reach { 1 + (z / 5) as u32 } else { 0 });
        let path = setup.path("labels.nii.gz");
        nifti::write_labels(&path, &Volume { voxels, geometry: scan.geometry.clone() }).unwrap();
        let (case, weights, out) = (setup.path("case"), setup.weights(), setup.path("out"));
        let paths = [&case, &weights, &out, &path].map(|path| path.to_str().unwrap());
        relevox(&["explain", paths[0], "--model", paths[1], "--out", paths[2], "--labels", paths[3]])
    };
    let said = stderr(&succeed(labels(14)));
    assert!(said.contains("labels.nii.gz: ") && said.contains("of the brain is in no region"), "{said}");
    let whole = stderr(&succeed(labels(SHAPE[2])));
    assert!(!whole.contains("in no region") && !whole.contains("image of intensities"), "{whole}");
    refuse(labels(0), &["labels.nii.gz", "at least one region"]);
}

#[test]
fn intensities_in_place_of_labels_or_an_outline_are_noticed() {
    let setup = Setup::new();
    setup.write_contract(CONTRACT);
    let scan = nifti::read(&setup.path("case/case_t1.nii.gz")).unwrap();
    let voxels = scan.voxels.mapv(|value| value as u32);
    nifti::write_labels(&setup.path("scan.nii.gz"), &Volume { voxels, geometry: scan.geometry }).unwrap();
    let paths = ["case", "model.safetensors", "out", "scan.nii.gz"].map(|name| setup.path(name));
    let [case, weights, out, scan] = paths.each_ref().map(|path| path.to_str().unwrap());
    let said =
        stderr(&succeed(relevox(&["explain", case, "--model", weights, "--out", out, "--labels", scan])));
    assert!(said.contains("scan.nii.gz: ") && said.contains("image of intensities"), "{said}");
    refuse(
        setup.explain("case", &["--outline", scan]),
        &["scan.nii.gz", "a segmentation", "image of intensities"],
    );
}

#[test]
fn expected_probabilities_agree_too() {
    let setup = Setup::new();
    setup.write_contract(CONTRACT);
    let (result, ..) = setup.explained("case", &[]);
    let probability = result["probability"].to_string();
    let (_, said, _) = setup.explained("case", &["--expect", &probability]);
    assert!(said.contains("agrees with the probabilities"), "{said}");
    refuse(setup.explain("case", &["--expect", "0.9"]), &["--expect", "probabilities", &probability[..5]]);
}

#[test]
fn options_that_do_nothing_are_refused() {
    let setup = Setup::new();
    setup.write_contract(CONTRACT);
    refuse(
        setup.explain("case", &["--samples", "50", "--method", "diffused"]),
        &["--samples", "lime", "diffused"],
    );
    fs::write(setup.path("manifest.json"), "{}").unwrap();
    let (case, weights, out) = (setup.path("case"), setup.weights(), setup.path(""));
    let paths = [&case, &weights, &out].map(|path| path.to_str().unwrap());
    let run = relevox(&["explain", paths[0], "--model", paths[1], "--out", paths[2]]);
    refuse(run, &["--out", "that of a run"]);
}
