//! Networks that ONNX Runtime computes. Tests that need its library print that they are skipped where it is not found.

#![cfg(feature = "onnxruntime")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::untrained::Untrained;
use crate::harness::{refuse, relevox, stderr, succeed};
use ndarray::{Array2, Array3, Array4, Array5, Axis, s};
use relevox::relevance::Classifier;
use relevox::{Error, ModelOptions, Runtime, RuntimeError, TensorModel};
use relevox_models::Error as ModelError;
use relevox_models::candle_core::{self, Device};
use relevox_volume::npy;
use serde_json::Value;

/// Largest difference of an output, relative to it where it is above 1.
const TOLERANCE: f32 = 1e-4;
/// Size of the images of the fixtures in `runtime`.
const SIZE: usize = 12;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/fixtures/onnx")
}

fn of_runtime(name: &str) -> PathBuf {
    fixtures().join(format!("runtime/{name}.onnx"))
}

#[allow(clippy::result_large_err, reason = "the library's own error")]
fn load(path: &Path, runtime: Runtime, size: usize) -> Result<TensorModel, Error> {
    let options = ModelOptions { runtime, image_size: Some([size; 3]), ..ModelOptions::default() };
    TensorModel::load_with(&[path], &Device::Cpu, &options)
}

/// Returns whether the library is found.
#[allow(clippy::print_stdout, reason = "a skipped test says so")]
fn is_found() -> bool {
    match load(&of_runtime("transformer-legacy17"), Runtime::OnnxRuntime, SIZE) {
        Ok(_) => true,
        Err(Error::Runtime(RuntimeError::NotFound { searched })) => {
            println!("skipped: no library of ONNX Runtime ({searched})");
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// The image that the fixtures' script makes.
fn image(channels: usize, size: usize) -> Array4<f32> {
    let values = (0..(channels * size.pow(3)) as u64)
        .map(|index| ((index * 1_103_515_245 + 12_345) >> 8 & 0xFFFF) as f32 / 65536.0 - 0.5);
    Array4::from_shape_vec((channels, size, size, size), values.collect()).unwrap()
}

fn outputs(model: &TensorModel, image: &Array4<f32>) -> Array2<f32> {
    model.logits(image.view().insert_axis(Axis(0))).unwrap()
}

#[track_caller]
fn assert_close(what: &str, found: &Array2<f32>, expected: &Array2<f32>) {
    assert_eq!(found.dim(), expected.dim(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(error <= TOLERANCE, "{what}: expected {expected}, found {found}");
    }
}

/// PyTorch's logits.
fn pytorch(name: &str) -> Array2<f32> {
    let file = fixtures().join("runtime/expected.safetensors");
    let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let rows = tensors[name].to_vec2::<f32>().unwrap();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

#[test]
fn both_runtimes_compute_the_same_outputs() {
    if !is_found() {
        return;
    }
    let mut compared = 0;
    for entry in fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let header =
            relevox_models::onnx::read_header(&fs::read(&path).unwrap(), &mut |_| unreachable!()).unwrap();
        let size = header.size[0].unwrap_or(16);
        let own = load(&path, Runtime::Relevox, size);
        let other = load(&path, Runtime::OnnxRuntime, size);
        let image = image(header.channels, size);
        let own = match own {
            // A map is not an output.
            Err(error) => {
                assert!(error.to_string().contains("a classifier"), "{name}: {error}");
                let message = match other {
                    Ok(model) => model.logits(image.view().insert_axis(Axis(0))).unwrap_err().to_string(),
                    Err(error) => error.to_string(),
                };
                assert!(message.contains("outputs") && message.contains(&name), "{message}");
                continue;
            }
            Ok(own) => own,
        };
        let other = other.unwrap();
        assert_eq!(own.runtimes(), ["relevox"]);
        assert!(other.runtimes()[0].starts_with("onnxruntime"), "{:?}", other.runtimes());
        assert_close(&name, &outputs(&other, &image), &outputs(&own, &image));
        compared += 1;
    }
    assert!(compared >= 50, "{compared} compared");
}

#[test]
fn a_network_with_other_operators_has_pytorch_s_logits() {
    if !is_found() {
        return;
    }
    // The second has its weights in another file.
    for name in ["transformer-legacy17", "transformer-dynamo20", "transformer-batch17"] {
        let model = load(&of_runtime(name), Runtime::Auto, SIZE).unwrap();
        assert_close(name, &outputs(&model, &image(1, SIZE)), &pytorch("transformer"));
        let said = model.assumed().join("\n");
        assert!(said.contains("is run with ONNX Runtime") && said.contains("(Transpose)"), "{said}");
        assert!(said.contains("every region is a whole pass"), "{said}");
        assert!(said.contains("left out the softmax"), "{said}");
    }
}

#[test]
fn batches_are_computed_as_their_images() {
    if !is_found() {
        return;
    }
    let first = image(1, SIZE);
    let mut images = Array5::zeros((5, 1, SIZE, SIZE, SIZE));
    for (at, mut image) in images.axis_iter_mut(Axis(0)).enumerate() {
        image.assign(&first);
        image.slice_mut(s![.., 2 * at..2 * at + 3, .., ..]).fill(at as f32 / 4.0);
    }
    // Of a fixed batch of one and of two, a dynamic one, and a dynamic one inside which images influence each other.
    let single = load(&of_runtime("transformer-legacy17"), Runtime::Auto, SIZE).unwrap();
    for (name, at_once) in [
        ("transformer-legacy17", 1),
        ("transformer-pair17", 2),
        ("transformer-batch17", 16),
        ("mixing-batch17", 1),
    ] {
        let model = load(&of_runtime(name), Runtime::Auto, SIZE).unwrap();
        let together = model.logits(images.view()).unwrap();
        for (image, together) in images.outer_iter().zip(together.outer_iter()) {
            // Attention over the patches of one image is that of the other networks.
            let alone = outputs(&single, &image.to_owned());
            assert_close(name, &together.insert_axis(Axis(0)).to_owned(), &alone);
        }
        assert_eq!(model.batch_size([1, SIZE, SIZE, SIZE]), at_once, "{name}");
    }
}

#[test]
fn images_that_do_not_fit_are_refused_before_the_runtime_sees_them() {
    if !is_found() {
        return;
    }
    let refused = |size| match load(&of_runtime("transformer-legacy17"), Runtime::Auto, size) {
        Err(Error::Unsupported { runtime, .. }) if matches!(*runtime, RuntimeError::Unfit { .. }) => {
            runtime.to_string()
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("a size was not refused"),
    };
    assert!(refused(16).contains("[12, 12, 12]") && refused(16).contains("[16, 16, 16]"));
    let model = load(&of_runtime("transformer-batch17"), Runtime::Auto, SIZE).unwrap();
    for shape in [(1, 2, SIZE, SIZE, SIZE), (2, 1, SIZE, SIZE, SIZE + 4)] {
        let message = model.logits(Array5::zeros(shape).view()).unwrap_err().to_string();
        assert!(message.contains("expected") && message.contains("transformer-batch17"), "{message}");
        assert!(!message.contains('\n') && !message.contains("ONNX Runtime"), "{message}");
    }
}

/// Only an unsupported operator is a reason to ask another runtime.
#[test]
fn files_that_are_wrong_never_reach_the_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(of_runtime("transformer-legacy17")).unwrap();
    let cut = folder.path().join("cut.onnx");
    fs::write(&cut, &whole[..whole.len() - 3]).unwrap();
    let mut wrong = vec![
        cut,
        of_runtime("shortcut-legacy17"),
        of_runtime("shortcut-dynamic17"),
        of_runtime("dropout-legacy17"),
    ];
    let escaping = folder.path().join("escaping.onnx");
    let bytes = fs::read(of_runtime("transformer-dynamo20")).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert!(text.contains("transformer-dynamo20.onnx.data"));
    // A location of the same length that leads out of the folder.
    let (from, to) = (b"transformer-dynamo20.onnx.data", b"../nsformer-dynamo20.onnx.data");
    let mut changed = bytes.clone();
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            changed[at..at + from.len()].copy_from_slice(to);
        }
    }
    fs::write(&escaping, changed).unwrap();
    fs::copy(of_runtime("transformer-dynamo20").with_extension("onnx.data"), folder.path().join("data"))
        .unwrap();
    wrong.push(escaping);
    for path in wrong {
        for runtime in Runtime::ALL {
            match load(&path, runtime, SIZE) {
                Err(Error::Model(error)) => {
                    assert!(matches!(error, ModelError::InFile { .. }), "{error}");
                    assert!(error.unsupported_operator().is_none(), "{error}");
                }
                Err(error) => panic!("{runtime}: {error}"),
                Ok(_) => panic!("{} was not refused", path.display()),
            }
        }
    }
}

#[test]
fn what_the_runtime_refuses_is_one_line_with_its_message() {
    if !is_found() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unknown.onnx");
    let mut bytes = fs::read(of_runtime("transformer-legacy17")).unwrap();
    // An operator of the same length that nobody knows.
    let stored = b"\x22\x12LayerNormalization";
    let at = bytes.windows(stored.len()).position(|text| text == stored).unwrap();
    bytes[at + stored.len() - 1] = b'x';
    fs::write(&path, bytes).unwrap();
    let message = match load(&path, Runtime::Auto, SIZE) {
        Err(error @ Error::Unsupported { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("an unknown operator was loaded"),
    };
    assert!(message.contains("(Transpose)") && message.contains("LayerNormalizatiox"), "{message}");
    assert!(!message.contains('\n'), "{message}");
}

/// A folder with the image and regions, and `explain` on it.
struct Case(tempfile::TempDir);

impl Case {
    fn new() -> Self {
        let case = Self(tempfile::tempdir().unwrap());
        let labels = Array3::from_shape_fn((SIZE, SIZE, SIZE), |(z, y, _)| (1 + z / 6 * 2 + y / 6) as f32);
        npy::write(&case.path("x.npy"), image(1, SIZE).view().into_dyn()).unwrap();
        npy::write(&case.path("labels.npy"), labels.view().into_dyn()).unwrap();
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn explain(&self, model: &Path, more: &[&str]) -> Command {
        let [x, labels, out] = ["x.npy", "labels.npy", "out"].map(|name| self.path(name));
        let arguments = [
            ["explain", "--tensor"],
            [x.to_str().unwrap(), "--labels"],
            [labels.to_str().unwrap(), "--out"],
            [out.to_str().unwrap(), "--model"],
        ];
        relevox(&[&arguments.concat()[..], &[model.to_str().unwrap()], more].concat())
    }
}

#[test]
fn explain_says_that_the_runtime_computes_the_network() {
    if !is_found() {
        return;
    }
    let case = Case::new();
    let output =
        succeed(case.explain(&of_runtime("transformer-batch17"), &["--threads", "1", "--fill", "blank"]));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(result["runtime"].as_str().unwrap().starts_with("onnxruntime"), "{result}");
    assert_eq!((&result["regions"], &result["target"]["link"]), (&4.into(), &"softmax".into()));
    let logits: Vec<f32> = serde_json::from_value(result["logits"].clone()).unwrap();
    assert_close("explain", &Array2::from_shape_vec((1, 3), logits).unwrap(), &pytorch("transformer"));
    let said = stderr(&output);
    assert!(said.contains("is run with ONNX Runtime") && said.contains("(Transpose)"), "{said}");
    let scores = fs::read_to_string(case.path("out/perturb.csv")).unwrap();
    assert_eq!(scores.lines().count(), 5);

    // The change of a region, from two passes of the library.
    let model = load(&of_runtime("transformer-batch17"), Runtime::OnnxRuntime, SIZE).unwrap();
    let mut changed = image(1, SIZE);
    changed.slice_mut(s![.., ..6, ..6, ..]).fill(0.0);
    let logit = |image: &Array4<f32>| {
        let outputs = outputs(&model, image).mapv(f64::from);
        let target = result["target"]["output"].as_u64().unwrap() as usize;
        let others = (0..3).filter(|&at| at != target).map(|at| outputs[[0, at]].exp()).sum::<f64>();
        outputs[[0, target]] - others.ln()
    };
    let expected = logit(&image(1, SIZE)) - logit(&changed);
    let found: f64 = scores.lines().nth(1).unwrap().split(',').nth(5).unwrap().parse().unwrap();
    assert!((found - expected).abs() < 1e-4, "expected {expected}, found {found}");
}

#[test]
fn the_runtime_can_be_chosen() {
    let case = Case::new();
    let own = fixtures().join("mednext-legacy17.onnx");
    let result = |command: Command| -> Value { serde_json::from_slice(&succeed(command).stdout).unwrap() };
    assert_eq!(result(case.explain(&own, &[]))["runtime"], "relevox");
    refuse(
        case.explain(&of_runtime("transformer-legacy17"), &["--runtime", "relevox"]),
        &["/Transpose (Transpose) is not supported", "transformer-legacy17.onnx"],
    );
    let untrained = Untrained::new(1);
    refuse(
        untrained.explain("x.npy", &["--runtime", "onnxruntime"]),
        &["--runtime", "onnxruntime", "model.safetensors"],
    );
    let unknown = case.explain(&own, &["--runtime", "other"]).output().unwrap();
    assert!(stderr(&unknown).contains("expected one of auto, relevox, onnxruntime"), "{}", stderr(&unknown));
    if !is_found() {
        return;
    }
    let chosen = result(case.explain(&own, &["--runtime", "onnxruntime"]));
    assert!(chosen["runtime"].as_str().unwrap().starts_with("onnxruntime"), "{chosen}");
    let assumed = chosen["assumed"].as_array().unwrap();
    assert!(assumed.iter().any(|line| line.as_str().unwrap().contains("as requested")), "{chosen}");
    refuse(
        case.explain(&own, &["--runtime", "onnxruntime", "--method", "perturb,gradcam"]),
        &["gradcam", "black box"],
    );
}

#[test]
fn without_the_library_the_operator_and_the_way_to_install_it_are_named() {
    let case = Case::new();
    let without = |model: &str, more: &[&str], path: Option<&str>| {
        let mut command = case.explain(&of_runtime(model), more);
        command.env("PATH", case.0.path()).env_remove("VIRTUAL_ENV").env_remove("ORT_DYLIB_PATH");
        if let Some(path) = path {
            command.env("ORT_DYLIB_PATH", path);
        }
        command
    };
    let install = ["pip install onnxruntime", "ORT_DYLIB_PATH"];
    let operator = ["node /Transpose (Transpose) is not supported", "transformer-legacy17.onnx"];
    refuse(without("transformer-legacy17", &[], None), &[operator, install].concat());
    refuse(without("transformer-legacy17", &["--runtime", "onnxruntime"], None), &install);
    let absent = case.path("libabsent.so");
    let absent = absent.to_str().unwrap();
    refuse(without("transformer-legacy17", &[], Some(absent)), &[&operator[..], &[absent, "1.18"]].concat());
    // A library that is another.
    fs::write(absent, "not a library").unwrap();
    refuse(without("transformer-legacy17", &[], Some(absent)), &[absent, "1.18"]);
    refuse(without("shortcut-legacy17", &[], None), &["(Add)", "example image"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The interpreter of the virtual environment is asked for the library.
        let python = case.path("venv/bin/python");
        fs::create_dir_all(python.parent().unwrap()).unwrap();
        fs::write(&python, format!("#!/bin/sh\necho {absent}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = without("transformer-legacy17", &[], None);
        command.env("VIRTUAL_ENV", case.path("venv"));
        refuse(command, &[&operator[..], &[absent, "1.18"]].concat());
    }
}

#[test]
fn images_of_another_size_or_channels_are_refused_in_one_line() {
    if !is_found() {
        return;
    }
    let case = Case::new();
    npy::write(&case.path("x.npy"), image(1, 16).view().into_dyn()).unwrap();
    refuse(case.explain(&of_runtime("transformer-legacy17"), &[]), &["[12, 12, 12]", "[16, 16, 16]"]);
    npy::write(&case.path("x.npy"), image(2, SIZE).view().into_dyn()).unwrap();
    refuse(case.explain(&of_runtime("transformer-legacy17"), &[]), &["channels", "expected 1", "found 2"]);
}
