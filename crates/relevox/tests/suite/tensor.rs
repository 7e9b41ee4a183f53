//! `explain --tensor`: what the user's own pipeline gives the network, taken as it is.

use std::fs;

use crate::harness::untrained::{SHAPE, Untrained, image};
use crate::harness::{refuse, relevox, stderr, succeed};
use ndarray::{Array3, Array5, ArrayD, Axis, concatenate};
use relevox::relevance::Classifier;
use relevox::{ModelOptions, TensorModel};
use relevox_models::candle_core::Device;
use relevox_volume::npy::{self, ArrayFile};
use relevox_volume::{Geometry, Volume, nifti};
use serde_json::Value;

/// The network's outputs for the tensor, from whole passes of the library.
fn outputs(untrained: &Untrained) -> Vec<f32> {
    let weights = [untrained.path("model.safetensors")];
    let model = TensorModel::load_with(&weights, &Device::Cpu, &ModelOptions::default()).unwrap();
    model.logits(image().view().insert_axis(Axis(0))).unwrap().into_raw_vec_and_offset().0
}

fn close(found: &Value, expected: f64) {
    assert!((found.as_f64().unwrap() - expected).abs() < 1e-5, "{found}, expected {expected}");
}

#[test]
fn a_tensor_is_explained_as_it_is() {
    let untrained = Untrained::new(1);
    let (result, said) = untrained.explained("x.npy", &["--regions", "6"]);
    close(&result["logit"], f64::from(outputs(&untrained)[0]));
    assert_eq!(result["tensor"], untrained.text("x.npy"));
    assert!(result["input"].is_null());
    assert!(said.contains("as it is") && said.contains("state no orientation"), "{said}");
    assert!(said.contains("regions of channel0") && said.contains("--output"), "{said}");
    let map = ArrayFile::parse(&untrained.text("out/perturb.npy")).read().unwrap();
    assert_eq!((map.values.shape(), map.dtype.as_str()), (&SHAPE[1..], "<f4"));
    let volume = nifti::read(&untrained.path("out/perturb.nii.gz")).unwrap();
    assert_eq!(map.values, volume.voxels.into_dyn());
    assert!(!volume.geometry.has_orientation() && volume.geometry.spacing_mm == [1.0; 3]);
    let page = fs::read_to_string(untrained.path("out/index.html")).unwrap();
    for part in ["\"oriented\":false", "does not state its orientation", "Along z", "of unknown size"] {
        assert!(page.contains(part), "{part}");
    }
    let document: Value =
        serde_json::from_slice(&fs::read(untrained.path("out/explanation.json")).unwrap()).unwrap();
    let region = &document["regions"][0];
    assert!(region["centroid_mm"].is_null(), "{region}");
    assert!(region["centre_voxel"].as_array().unwrap().len() == 3, "{region}");
    let largest = map.values.iter().copied().fold(0.0, f32::max);
    assert_eq!(largest, 100.0);
    assert_eq!(untrained.scores().lines().count() as u64, 1 + result["regions"].as_u64().unwrap());
}

/// The oracle: the same image as a scan, with a contract that changes nothing.
#[test]
fn a_tensor_and_a_scan_of_the_same_image_have_the_same_scores() {
    let untrained = Untrained::new(1);
    let case = untrained.path("case");
    fs::create_dir(&case).unwrap();
    let geometry = Geometry::axis_aligned([SHAPE[1], SHAPE[2], SHAPE[3]], [1.0; 3]);
    for (voxels, name) in image().outer_iter().zip(["t1", "t2"]) {
        let volume = Volume { voxels: voxels.to_owned(), geometry: geometry.clone() };
        nifti::write(&case.join(format!("case_{name}.nii.gz")), &volume).unwrap();
    }
    let contract = "channels = [\"t1\", \"t2\"]\norientation = \"stored\"\naxes = \"zyx\"\nintensity = \"none\"\n\
        crop = [20, 24, 28]\n[output]\nkind = \"logit\"\nclasses = [\"benign\", \"malignant\"]\n";
    fs::write(untrained.path("model.input.toml"), contract).unwrap();
    for more in [&[][..], &["--by-sequence"], &["--fill", "mean"], &["--masked", "true"]] {
        let (model, out) = (untrained.text("model.safetensors"), untrained.text("out"));
        let to = ["explain", case.to_str().unwrap(), "--model", &model, "--out", &out, "--regions", "6"];
        succeed(relevox(&[&to[..], &["--sequence", "t2"], more].concat()));
        let as_scan = untrained.scores();
        for sequence in ["t2", "1"] {
            let more = [&["--regions", "6", "--sequence", sequence][..], more].concat();
            let (result, said) = untrained.explained("x.npy", &more);
            assert_eq!(untrained.scores(), as_scan, "{more:?}");
            assert_eq!(result["target"]["class"], "malignant");
            assert!(said.contains("model.input.toml"), "{said}");
            assert_eq!(untrained.path("out/perturb-t1.npy").exists(), more.contains(&"--by-sequence"));
        }
    }
}

#[test]
fn batches_of_one_archives_and_other_types_are_read() {
    let untrained = Untrained::new(1);
    let (plain, _) = untrained.explained("x.npy", &["--regions", "4"]);
    let batch = image().insert_axis(Axis(0));
    npy::write(&untrained.path("batch.npy"), batch.view().into_dyn()).unwrap();
    let (batched, _) = untrained.explained("batch.npy", &["--regions", "4"]);
    assert_eq!(batched["logit"], plain["logit"]);
    let fixture = |name: &str| format!("{}/../volume/tests/fixtures/npy/{name}", env!("CARGO_MANIFEST_DIR"));
    // Arrays of other programs are those of crates/volume; here their axes do not fit.
    for name in ["fortran.npy", "one.npz", "two.npz#mask"] {
        let (tensor, out) = (fixture(name), untrained.text("out"));
        let model = untrained.text("model.safetensors");
        let command = relevox(&["explain", "--tensor", &tensor, "--model", &model, "--out", &out]);
        refuse(command, &[name, "[c, z, y, x]", "[2, 3, 4]"]);
    }
}

#[test]
fn tensors_that_cannot_be_explained_are_refused() {
    let untrained = Untrained::new(1);
    let write = |name: &str, array: ArrayD<f32>| npy::write(&untrained.path(name), array.view()).unwrap();
    let mut bad = image();
    bad[[1, 2, 3, 4]] = f32::NAN;
    write("nan.npy", bad.into_dyn());
    write("two.npy", Array5::zeros((2, 2, 4, 4, 4)).into_dyn());
    write("flat.npy", Array3::zeros((4, 4, 4)).into_dyn());
    write("empty.npy", Array5::zeros((1, 2, 0, 4, 4)).into_dyn());
    let image = image();
    let third = image.index_axis(Axis(0), 0).insert_axis(Axis(0));
    write("three.npy", concatenate(Axis(0), &[image.view(), third]).unwrap().into_dyn());
    write("last.npy", image.view().permuted_axes([1, 2, 3, 0]).as_standard_layout().into_owned().into_dyn());
    fs::write(untrained.path("cut.npy"), &fs::read(untrained.path("x.npy")).unwrap()[..5000]).unwrap();
    fs::write(untrained.path("text.npy"), "not an array").unwrap();
    for (name, parts) in [
        ("nan.npy", &["[1, 2, 3, 4]", "finite", "NaN"][..]),
        ("two.npy", &["batch of one", "[2, 2, 4, 4, 4]"]),
        ("flat.npy", &["[c, z, y, x]", "[4, 4, 4]", "x[numpy.newaxis]", "[1, 4, 4, 4]"]),
        ("last.npy", &["found 20 in [1, 20, 24, 28, 2]", "numpy.moveaxis(x, -1, -4)", "[2, 20, 24, 28]"]),
        ("empty.npy", &["at least one voxel"]),
        ("three.npy", &["2", "3", "channels"]),
        ("cut.npy", &["expected", "bytes"]),
        ("text.npy", &["numpy.save"]),
        ("absent.npy", &["cannot read"]),
    ] {
        refuse(untrained.explain(name, &[]), &[&[name][..], parts].concat());
    }
    assert!(!untrained.path("out").exists(), "something was left behind");
}

#[test]
fn options_of_scans_do_not_apply_to_tensors() {
    let untrained = Untrained::new(1);
    for more in [
        &["--scan", "t1=a.nii.gz"][..],
        &["--crop", "20,24,28"],
        &["--downsample", "2"],
        &["--bids-derivatives"],
        &["case"],
    ] {
        let output = untrained.explain("x.npy", more).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        assert!(stderr(&output).contains("cannot be used with"), "{}", stderr(&output));
    }
    refuse(
        untrained.explain("x.npy", &["--sequence", "2"]),
        &["--sequence", "0 to 1", "channel1", "found 2"],
    );
    refuse(untrained.explain("x.npy", &["--sequence", "flair"]), &["--sequence", "channel0", "flair"]);
}

#[test]
fn labels_of_the_tensor_s_shape_are_regions() {
    let untrained = Untrained::new(1);
    let labels =
        Array3::from_shape_fn((SHAPE[1], SHAPE[2], SHAPE[3]), |(z, y, _)| (1 + z / 10 * 2 + y / 12) as f32);
    npy::write(&untrained.path("labels.npy"), labels.view().into_dyn()).unwrap();
    let geometry = Geometry::axis_aligned([SHAPE[1], SHAPE[2], SHAPE[3]], [1.0; 3]);
    let volume = Volume { voxels: labels.mapv(|label| label as u32), geometry };
    nifti::write_labels(&untrained.path("labels.nii.gz"), &volume).unwrap();
    let mut tables = Vec::new();
    for name in ["labels.npy", "labels.nii.gz"] {
        let (result, _) = untrained.explained("x.npy", &["--labels", &untrained.text(name)]);
        assert_eq!(result["regions"], 4);
        tables.push(untrained.scores());
    }
    assert_eq!(tables[0], tables[1]);
    npy::write(&untrained.path("half.npy"), (&labels * 0.5).view().into_dyn()).unwrap();
    npy::write(&untrained.path("small.npy"), Array3::<f32>::ones((4, 4, 4)).view().into_dyn()).unwrap();
    let refused = |name: &str, parts: &[&str]| {
        let labels = untrained.text(name);
        refuse(untrained.explain("x.npy", &["--labels", &labels]), &[&[name][..], parts].concat());
    };
    refused("half.npy", &["whole labels", "0.5"]);
    refused("small.npy", &["[20, 24, 28]", "[4, 4, 4]"]);
    refused("x.npy", &["the axes [z, y, x]", "[2, 20, 24, 28]"]);
}

#[test]
fn outputs_do_not_replace_the_tensor() {
    let untrained = Untrained::new(1);
    fs::create_dir(untrained.path("out")).unwrap();
    fs::copy(untrained.path("x.npy"), untrained.path("out/perturb.npy")).unwrap();
    let before = fs::read(untrained.path("out/perturb.npy")).unwrap();
    refuse(untrained.explain("out/perturb.npy", &[]), &["perturb.npy", "other than the input"]);
    assert_eq!(fs::read(untrained.path("out/perturb.npy")).unwrap(), before);
}

#[test]
fn expected_outputs_are_compared() {
    let untrained = Untrained::new(2);
    let found = outputs(&untrained);
    let text = |values: &[f32]| values.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
    let largest = found.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let nearly: Vec<f32> = found.iter().map(|value| value + 0.0009 * largest).collect();
    for agreeing in [&found, &nearly] {
        untrained.explained("x.npy", &["--regions", "4", "--expect", &text(agreeing)]);
    }
    fs::remove_dir_all(untrained.path("out")).unwrap();
    let other = [found[0], found[1] + 0.01 * largest];
    let parts = ["--expect", &other[1].to_string(), &found[0].to_string()];
    refuse(untrained.explain("x.npy", &["--expect", &text(&other)]), &parts);
    let said = stderr(&untrained.explain("x.npy", &["--expect", &text(&other)]).output().unwrap());
    assert!(said.lines().any(|line| line.starts_with("help: ") && line.contains("axes")), "{said}");
    let one = text(&found[..1]);
    refuse(untrained.explain("x.npy", &["--expect", &one]), &["--expect", "2 outputs", "found 1"]);
    refuse(untrained.explain("x.npy", &["--expect", "nan,0"]), &["--expect", "finite"]);
    assert!(!untrained.path("out").exists(), "something was left behind");
}
