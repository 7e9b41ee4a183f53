//! Networks as PyTorch's exporters write them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use relevox_models::Error;
use relevox_models::graph::Operation;
use relevox_models::onnx::{self, Header, LastActivation, Onnx};

use crate::interpreter::run;
use crate::peers::Fixture;

/// Largest difference of an output, relative to it where it is above 1.
const TOLERANCE: f64 = 1e-4;

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx")
}

pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.onnx"))).unwrap()
}

pub fn read(bytes: &[u8], size: Option<[usize; 3]>) -> Result<Onnx, Error> {
    onnx::read(bytes, size, &mut |location| panic!("{location} is not needed"))
}

pub fn header(bytes: &[u8]) -> Result<Header, Error> {
    onnx::read_header(bytes, &mut |location| panic!("{location} is not needed"))
}

/// The image that `make_onnx.py` makes.
pub fn image(channels: usize, size: usize) -> Vec<f32> {
    (0..(channels * size.pow(3)) as u64)
        .map(|index| ((index * 1_103_515_245 + 12_345) >> 8 & 0xFFFF) as f32 / 65536.0 - 0.5)
        .collect()
}

/// The fixtures, `(network, exporter and operator set)`.
pub fn files() -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let (network, way) = name.strip_suffix(".onnx")?.rsplit_once('-')?;
            Some((network.to_owned(), way.to_owned()))
        })
        .collect();
    files.sort();
    files
}

fn expected() -> Fixture {
    Fixture::read(&folder().join("expected.safetensors"), &["torch", "monai", "onnx"])
}

pub fn assert_outputs(what: &str, onnx: &Onnx, size: usize, expected: &candle_core::Tensor) {
    let found = run(&onnx.graph, &image(onnx.graph.channels(), size), [size; 3]);
    let expected = expected.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.into_iter().zip(expected).enumerate() {
        let expected = f64::from(expected);
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(error <= TOLERANCE, "{what}, output {at}: expected {expected}, found {found}");
    }
}

#[test]
fn outputs_are_pytorch_s() {
    let expected = expected();
    let files = files();
    assert!(files.len() >= 45, "{} fixtures", files.len());
    for (network, way) in files {
        let what = format!("{network}-{way}");
        let bytes = bytes(&what);
        let size: usize = expected.metadata(&format!("{network}.size"));
        if way.starts_with("dynamic") {
            let header = header(&bytes).unwrap();
            // One exporter only leaves the batch open where it is asked to.
            let batch = if way == "dynamic17" { None } else { Some(1) };
            assert_eq!((header.batch, header.channels, header.size), (batch, 1, [None; 3]), "{what}");
            for (size, name) in [(size, network.clone()), (size + 4, format!("{network}-larger"))] {
                let onnx = read(&bytes, Some([size; 3])).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_outputs(&what, &onnx, size, expected.get(&name));
            }
        } else {
            let onnx = read(&bytes, None).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(onnx.shape[1..], [Some(size); 3], "{what}");
            assert_eq!((&onnx.input[..], &onnx.output[..]), ("image", "logits"), "{what}");
            assert_outputs(&what, &onnx, size, expected.get(&network));
        }
    }
}

#[test]
fn the_last_activation_is_left_out() {
    for (network, way) in files() {
        let onnx = read(&bytes(&format!("{network}-{way}")), None);
        let Ok(onnx) = onnx else { continue };
        let last = match &network[..] {
            "softmax" => Some(LastActivation::Softmax),
            "decoder" => Some(LastActivation::Sigmoid),
            _ => None,
        };
        assert_eq!(onnx.last, last, "{network}-{way}");
    }
}

/// Returns how often each operation and activation occurs.
fn operations(name: &str) -> BTreeMap<String, usize> {
    let onnx = read(&bytes(name), None).unwrap();
    let mut counts = BTreeMap::new();
    for node in onnx.graph.nodes() {
        let name = match &node.operation {
            Operation::Activation(activation) => format!("{activation:?}"),
            operation => operation.name().to_owned(),
        };
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[test]
fn both_exporters_give_the_same_operations() {
    let names: std::collections::BTreeSet<String> = files().into_iter().map(|(network, _)| network).collect();
    for network in names {
        let [one, other] = ["legacy17", "dynamo20"].map(|way| {
            let mut counts = operations(&format!("{network}-{way}"));
            // One exporter only makes the normalisation a part of a transposed convolution.
            if network == "unet" {
                counts.remove("affine");
            }
            counts
        });
        assert_eq!(one, other, "{network}");
    }
}

#[test]
fn activations_are_recognised_and_nothing_else_is_left_of_them() {
    let counts = operations("mednext-legacy11");
    assert_eq!(counts.get("Gelu"), Some(&2), "{counts:?}");
    assert_eq!(counts.get("affine"), None, "{counts:?}");
    assert_eq!(operations("mednext-tanh-legacy11").get("GeluTanh"), Some(&1));
    let counts = operations("activations-legacy11");
    for name in ["Mish", "HardSwish", "Silu", "Gelu", "GeluTanh"] {
        assert_eq!(counts.get(name), Some(&1), "{name}: {counts:?}");
    }
    let counts = operations("seresnext-legacy17");
    assert_eq!(counts.get("product"), None);
    assert_eq!(operations("highresnet-legacy11").get("channel padding"), Some(&1));
}

#[test]
fn a_size_on_which_nothing_depends_may_differ_from_the_stated_one() {
    let expected = expected();
    let bytes = bytes("resnet-dynamo20");
    let onnx = read(&bytes, Some([20; 3])).unwrap();
    assert_outputs("resnet", &onnx, 20, expected.get("resnet-larger"));
}

#[test]
fn a_size_on_which_a_node_depends_is_refused() {
    for name in ["mednext-dynamo20", "pools-legacy17", "classifier-legacy11"] {
        let message = read(&bytes(name), Some([24; 3])).map(|_| ()).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        assert!(message.contains("expected"), "{message}");
    }
}

/// Networks of usual size, exported by both exporters: `RELEVOX_ONNX_NETWORKS` names their folder.
#[test]
fn networks_of_usual_size_are_read() {
    let Some(folder) = std::env::var_os("RELEVOX_ONNX_NETWORKS") else {
        println!("skipped: RELEVOX_ONNX_NETWORKS is not set");
        return;
    };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    paths.sort();
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(&path).unwrap();
        let begun = std::time::Instant::now();
        match read(&bytes, None) {
            Ok(onnx) => {
                let (nodes, seconds) = (onnx.graph.nodes().len(), begun.elapsed().as_secs_f64());
                println!("{name}: {nodes} nodes, {seconds:.2} s");
            }
            Err(error) => {
                println!("{name}: {error}");
                let is_transformer = name.starts_with("vit") || name.starts_with("swin");
                assert!(
                    is_transformer && matches!(error, Error::UnsupportedOperator { .. }),
                    "{name}: {error}"
                );
            }
        }
    }
}
