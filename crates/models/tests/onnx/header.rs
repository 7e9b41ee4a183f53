//! What files state about their networks, and files with another output: what another runtime needs.

use relevox_models::onnx::{self, LastActivation, with_output};
use relevox_models::{Error, checkpoint};

use crate::build::{Attribute, Message, Network, shaped, tensor};
use crate::networks::{bytes, files, folder, header, read};

fn of_runtime(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("runtime/{name}.onnx"))).unwrap()
}

/// The oracle: the networks that graphs describe.
#[test]
fn headers_agree_with_the_networks() {
    for (network, way) in files() {
        let what = format!("{network}-{way}");
        let bytes = bytes(&what);
        let header = header(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        let size = if way.starts_with("dynamic") { Some([16; 3]) } else { None };
        let onnx = read(&bytes, size).unwrap();
        assert_eq!((&header.input, &header.output), (&onnx.input, &onnx.output), "{what}");
        assert_eq!((header.channels, header.last), (onnx.graph.channels(), onnx.last), "{what}");
        assert_eq!(header.size, onnx.shape[1..], "{what}");
        assert_eq!(header.metadata, onnx.metadata, "{what}");
        if let Some(outputs) = header.outputs {
            assert_eq!(outputs, onnx.graph.form(onnx.graph.output()).channels(), "{what}");
        }
        assert!(header.is_single, "{what}");
        assert_eq!(header.logits == header.output, header.last.is_none(), "{what}");
    }
}

#[test]
fn a_file_with_the_logits_as_output_has_no_last_activation() {
    for name in ["softmax-legacy11", "softmax-dynamo20", "decoder-legacy17", "densenet-legacy17"] {
        let bytes = bytes(name);
        let whole = read(&bytes, None).unwrap();
        let changed = with_output(&bytes, &header(&bytes).unwrap().logits).unwrap();
        let logits = read(&changed, None).unwrap();
        assert_eq!(logits.last, None, "{name}");
        assert_eq!(logits.graph.nodes().len(), whole.graph.nodes().len(), "{name}");
        assert_eq!(header(&changed).unwrap().logits, logits.output, "{name}");
    }
}

#[test]
fn networks_beyond_graphs_have_headers() {
    for (name, batch) in [("transformer-legacy17", Some(1)), ("transformer-batch17", None)] {
        let bytes = of_runtime(name);
        assert!(matches!(read(&bytes, None), Err(Error::UnsupportedOperator { .. })), "{name}");
        let header = header(&bytes).unwrap();
        assert_eq!((header.batch, header.channels, header.outputs), (batch, 1, Some(3)), "{name}");
        assert_eq!((header.size, header.opset), ([Some(12); 3], 17), "{name}");
        assert_eq!(header.last, Some(LastActivation::Softmax), "{name}");
        assert_ne!(header.logits, header.output, "{name}");
    }
}

#[test]
fn the_activation_before_changes_of_shape_is_the_last_one() {
    let last = |operator: &str, axis: i64, shape_of_last: bool| {
        let network = Network::new(2).node("LayerNormalization", &["image"], "x");
        let attributes = [("axis", Attribute::Int(axis))];
        let attributes = if operator == "Sigmoid" { &[][..] } else { &attributes };
        let network = network.node_with(operator, &["x"], "y", attributes);
        let operator = if shape_of_last { "Flatten" } else { "Identity" };
        let header = header(&network.node(operator, &["y"], "logits").bytes()).unwrap();
        (header.logits, header.last)
    };
    let softmax = ("x".to_owned(), Some(LastActivation::Softmax));
    assert_eq!(last("Softmax", 1, true), softmax);
    assert_eq!(last("LogSoftmax", 1, false), softmax);
    assert_eq!(last("Sigmoid", 0, true), ("x".to_owned(), Some(LastActivation::Sigmoid)));
    // Of an unknown number of axes, the last need not be the classes.
    assert_eq!(last("Softmax", -1, false), ("logits".to_owned(), None));
    assert_eq!(last("Softmax", 2, true), ("logits".to_owned(), None));
    assert_eq!(last("Relu", 1, false), ("logits".to_owned(), None));
}

/// Returns the message of a file that neither a graph nor another runtime may take.
#[track_caller]
fn refused(bytes: &[u8]) -> String {
    let error = read(bytes, None).map(|_| ()).unwrap_err();
    assert!(error.unsupported_operator().is_none(), "{error}");
    let message = header(bytes).unwrap_err().to_string();
    assert_eq!(message, error.to_string());
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn files_that_do_not_compute_the_exported_network_are_refused() {
    for name in ["shortcut-legacy17", "shortcut-dynamic17"] {
        let message = refused(&of_runtime(name));
        assert!(message.contains("example image") && message.contains("layer2.0"), "{message}");
    }
    let message = refused(&of_runtime("dropout-legacy17"));
    assert!(message.contains("evaluation mode") && message.contains("Dropout"), "{message}");
    let training = Network::new(2).node_with(
        "BatchNormalization",
        &["image", "s", "s", "s", "s"],
        "logits",
        &[("training_mode", Attribute::Int(1))],
    );
    assert!(refused(&training.constant(tensor("s", &[2], &[1.0; 2])).bytes()).contains("evaluation mode"));
    let random = Network::new(2).node("RandomNormalLike", &["image"], "noise").node(
        "Add",
        &["image", "noise"],
        "logits",
    );
    assert!(refused(&random.bytes()).contains("evaluation mode"));
}

#[test]
fn maps_that_are_parameters_are_left_to_another_runtime() {
    let add = |values: &[f32]| {
        let network = Network::new(2).constant(tensor("v", &[1, 2, 4, 5, 6], values));
        network.node("Add", &["image", "v"], "logits").bytes()
    };
    let position: Vec<f32> = (0..240).map(|at| at as f32).collect();
    let error = read(&add(&position), None).map(|_| ()).unwrap_err();
    assert!(error.unsupported_operator().is_some(), "{error}");
    header(&add(&position)).unwrap();
    let traced: Vec<f32> = (0..240).map(|at| if at < 120 { 1.0 + at as f32 } else { 0.0 }).collect();
    assert!(refused(&add(&traced)).contains("(Add)"));
}

#[test]
fn damaged_files_have_no_header() {
    let whole = of_runtime("transformer-legacy17");
    for length in (0..whole.len()).step_by(7) {
        let error = header(&whole[..length]).map(|_| ()).unwrap_err();
        assert!(error.unsupported_operator().is_none() && !error.to_string().contains('\n'), "{error}");
    }
    for at in (0..whole.len()).step_by(5) {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        if let Err(error) = header(&changed) {
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
    let unsupported = || Network::new(2).node("LayerNormalization", &["image"], "x");
    let cycle = unsupported().node("Add", &["x", "b"], "a").node("Relu", &["a"], "b");
    assert!(header(&cycle.node("Relu", &["b"], "logits").bytes()).is_err());
    assert!(header(&unsupported().bytes()).is_err(), "no node computes the output");
    let mut two = unsupported().node("Relu", &["x"], "logits");
    two.inputs = vec!["image", "other"];
    assert!(header(&two.bytes()).is_err());
}

/// A tensor in another file.
fn external(location: &str) -> Message {
    let entry =
        |key: &str, value: &str| Message::default().bytes(1, key.as_bytes()).bytes(2, value.as_bytes());
    let weights = shaped("w", &[1, 2, 1, 1, 1], 1).int(14, 1);
    weights.message(13, entry("location", location))
}

#[test]
fn files_with_weights_are_named_wherever_they_are() {
    let named = |bytes: &[u8]| onnx::external_files(bytes).map(|files| files.into_iter().collect::<Vec<_>>());
    let network = |tensor| Network::new(2).constant(tensor).node("Conv", &["image", "w"], "logits").bytes();
    assert_eq!(named(&network(external("a/w.data"))).unwrap(), ["a/w.data"]);
    // In the graph of a branch.
    let branch = Message::default().message(5, external("branch.data"));
    let attribute = Message::default().bytes(1, b"then_branch").message(6, branch);
    let node = |attribute| Message::default().bytes(2, b"logits").bytes(4, b"If").message(5, attribute);
    let mut inside = Network::new(2);
    inside.nodes.push(node(attribute));
    assert_eq!(named(&inside.bytes()).unwrap(), ["branch.data"]);
    let mut nested = Message::default().message(5, external("deep.data"));
    for _ in 0..1000 {
        let attribute = Message::default().bytes(1, b"body").message(6, nested);
        nested = Message::default().message(1, node(attribute));
    }
    let mut deep = Network::new(2);
    deep.nodes.push(node(Message::default().message(6, nested)));
    assert!(named(&deep.bytes()).unwrap_err().to_string().contains("levels"));
    for location in ["../w", "/etc/passwd", ""] {
        let message = named(&network(external(location))).unwrap_err().to_string();
        assert!(message.contains("a file in the folder"), "{message}");
    }
    assert!(named(&of_runtime("transformer-legacy17")).unwrap().is_empty());
}

#[test]
fn files_with_weights_are_read_from_the_folder() {
    let path = folder().join("runtime/transformer-dynamo20.onnx");
    let files = checkpoint::OnnxFiles::read(&path).unwrap();
    let names: Vec<&String> = files.external.keys().collect();
    assert_eq!(names, ["transformer-dynamo20.onnx.data"]);
    assert_eq!(checkpoint::read_onnx_header(&files).unwrap().outputs, Some(3));
    assert!(checkpoint::read_onnx(&files, None).unwrap_err().unsupported_operator().is_some());

    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("net.onnx");
    std::fs::copy(&path, &copy).unwrap();
    let absent = checkpoint::OnnxFiles::read(&copy).unwrap_err();
    assert!(matches!(absent, Error::Io { .. }), "{absent}");
    #[cfg(unix)]
    {
        let data = path.with_extension("onnx.data");
        std::os::unix::fs::symlink(data, folder.path().join("transformer-dynamo20.onnx.data")).unwrap();
        let link = checkpoint::OnnxFiles::read(&copy).unwrap_err().to_string();
        assert!(link.contains("a link") && link.contains("net.onnx"), "{link}");
    }
}
