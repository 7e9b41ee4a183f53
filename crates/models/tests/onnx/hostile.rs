//! Files that are damaged, contradict themselves or ask for more than they hold: each is refused in one line.

use relevox_models::Error;
use relevox_models::onnx;

use crate::build::{Attribute, Message, Network, ints, shaped, tensor};
use crate::networks::{bytes, read};

/// Asserts that a file is refused by a line that contains `part`.
#[track_caller]
fn assert_refused(network: &Network, part: &str) {
    let error = read(&network.bytes(), None).map(|_| ()).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(part), "expected {part:?} in: {message}");
    assert!(!message.contains('\n') && message.len() < 600, "{message}");
}

fn conv(shape: &[i64], attributes: &[(&str, Attribute<'_>)]) -> Network {
    let count = shape.iter().product::<i64>() as usize;
    Network::new(2).constant(tensor("w", shape, &vec![0.5; count])).node_with(
        "Conv",
        &["image", "w"],
        "logits",
        attributes,
    )
}

#[test]
fn every_truncation_is_refused() {
    let whole = bytes("classifier-legacy17");
    for length in 0..whole.len() {
        let error = read(&whole[..length], None).map(|_| ()).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{length}: {error}");
    }
}

#[test]
fn changed_bytes_never_panic() {
    let whole = bytes("mednext-legacy17");
    for at in (0..whole.len()).step_by(3) {
        for value in [0x00, 0x01, 0x7f, 0xff] {
            let mut changed = whole.clone();
            changed[at] = value;
            if let Err(error) = read(&changed, None) {
                assert!(!error.to_string().contains('\n'), "{error}");
            }
        }
    }
}

#[test]
fn other_files_are_refused() {
    for bytes in [&b""[..], b"PK\x03\x04", b"not a network", &[0; 64]] {
        assert!(matches!(read(bytes, None), Err(Error::Onnx { .. })), "{bytes:?}");
        assert!(onnx::read_header(bytes, &mut |_| panic!("asked for a file")).is_err());
    }
}

#[test]
fn stated_sizes_are_checked_against_the_bytes() {
    for shape in [&[i64::MAX, 2, 1, 1, 1][..], &[1 << 40, 2, 1, 1, 1], &[-1, 2, 1, 1, 1], &[4, 2, 1, 1, 1]] {
        let network = Network::new(2).constant(shaped("w", shape, 1).bytes(9, &[0; 16])).node(
            "Conv",
            &["image", "w"],
            "logits",
        );
        assert_refused(&network, "tensor: expected");
    }
}

#[test]
fn computed_constants_may_not_be_much_larger_than_the_file() {
    let huge = |network: Network| {
        network.constant(ints("shape", &[2], &[1 << 20, 1 << 20])).node("ConstantOfShape", &["shape"], "fill")
    };
    let added =
        huge(Network::new(2)).node("Add", &["fill", "fill"], "sum").node("Add", &["image", "sum"], "logits");
    assert_refused(&added, "(Add)");
    let expanded = Network::new(2)
        .constant(ints("shape", &[1], &[1 << 40]))
        .constant(tensor("one", &[1], &[1.0]))
        .node("Expand", &["one", "shape"], "many")
        .node("Add", &["image", "many"], "logits");
    assert_refused(&expanded, "(Expand)");
    let product = Network::new(2)
        .constant(ints("shape", &[1], &[1 << 40]))
        .node("ConstantOfShape", &["shape"], "fill")
        .node("ReduceProd", &["fill"], "product")
        .node("Reshape", &["image", "product"], "logits");
    assert_refused(&product, "(ReduceProd)");
    assert_refused(&huge(Network::new(2)).node("Reshape", &["image", "fill"], "logits"), "(Reshape)");
    let range = Network::new(2)
        .constant(ints("a", &[], &[0]))
        .constant(ints("b", &[], &[i64::MAX]))
        .constant(ints("c", &[], &[1]))
        .node("Range", &["a", "b", "c"], "many")
        .node("Reshape", &["image", "many"], "logits");
    assert_refused(&range, "(Range)");
    let overflow = Network::new(2)
        .constant(ints("shape", &[4], &[1 << 20; 4]))
        .node("ConstantOfShape", &["shape"], "fill")
        .node_with("Concat", &["image", "fill"], "logits", &[("axis", Attribute::Int(1))]);
    assert_refused(&overflow, "memory can hold");
}

#[test]
fn channels_and_sizes_may_not_grow_without_bound() {
    let pad = |network: Network, from: &str, to: &str| network.node("Pad", &[from, "pads"], to);
    let pads = ints("pads", &[10], &[0, 0, 0, 0, 0, 0, 60_000, 0, 0, 0]);
    let mut network = Network::new(2).constant(pads).constant(tensor("c", &[], &[0.5]));
    let names: Vec<String> =
        (0..20).map(|at| if at == 0 { "image".to_owned() } else { format!("p{at}") }).collect();
    for pair in names.windows(2) {
        network = pad(network, &pair[0], &pair[1]);
    }
    assert_refused(&network.node("Add", &["p19", "c"], "logits"), "expected");
    let mut network = Network::new(2).constant(tensor("s", &[5], &[1.0, 1.0, 1024.0, 1.0, 1.0]));
    for pair in names.windows(2) {
        let attributes = [
            ("coordinate_transformation_mode", Attribute::Text("asymmetric")),
            ("nearest_mode", Attribute::Text("floor")),
        ];
        network = network.node_with("Resize", &[&pair[0], "", "s"], &pair[1], &attributes);
    }
    assert_refused(&network.node("Relu", &["p19"], "logits"), "expected");
}

#[test]
fn shared_weights_may_not_take_much_more_memory_than_the_file() {
    let mut network = Network::new(64)
        .constant(tensor("w", &[64, 64, 3, 1, 1], &vec![0.1; 64 * 64 * 3]))
        .node("Relu", &["image"], "v0");
    for at in 0..300 {
        let (from, to) = (format!("v{at}"), format!("v{}", at + 1));
        network =
            network.node_with("Conv", &[&from, "w"], &to, &[("pads", Attribute::Ints(&[1, 0, 0, 1, 0, 0]))]);
    }
    assert_refused(&network.node("Relu", &["v300"], "logits"), "a network that takes at most");
}

#[test]
fn cycles_are_refused() {
    let network = Network::new(2).node("Add", &["image", "b"], "a").node("Relu", &["a"], "b").node(
        "Relu",
        &["b"],
        "logits",
    );
    assert_refused(&network, "cycle");
}

#[test]
fn names_that_two_values_have_are_refused() {
    let network = Network::new(2).node("Relu", &["image"], "a").node("Relu", &["a"], "image").node(
        "Relu",
        &["image"],
        "logits",
    );
    assert_refused(&network, "cycle");
    let network = Network::new(2).constant(tensor("a", &[1], &[1.0])).node("Relu", &["image"], "a").node(
        "Relu",
        &["a"],
        "logits",
    );
    assert_refused(&network, "a name that no other value has, found a");
}

#[test]
fn missing_values_are_named_with_their_node() {
    let network = Network::new(2).node("Conv", &["image", "conv1.weight"], "logits");
    assert_refused(&network, "Conv logits (Conv): expected a value conv1.weight for its input 1, found none");
    assert_refused(&Network::new(2), "output logits");
    assert_refused(&Network::new(2).node("Conv", &["image"], "logits"), "an input 1, found none");
}

#[test]
fn names_of_several_lines_are_said_on_one() {
    assert_refused(&Network::new(2).node("Relu", &["a\nb"], "logits"), "a\\nb");
    assert_refused(&Network::new(2).node("Evil\noperator", &["image"], "logits"), "Evil\\noperator");
    assert_refused(&Network::new(2).node("Relu", &[&"long ".repeat(1000)], "logits"), "…");
}

#[test]
fn several_inputs_or_outputs_are_listed() {
    let mut network = Network::new(2).node("Relu", &["image"], "logits");
    network.inputs = vec!["image", "age"];
    assert_refused(&network, "expected one input, the image, found 2: image, age");
    network.inputs = vec![];
    assert_refused(&network, "found none");
    network.inputs = vec!["image"];
    network.outputs = vec!["logits", "features"];
    assert_refused(&network, "expected one output, found 2: logits, features");
}

#[test]
fn initializers_among_the_inputs_are_no_images() {
    let mut network = conv(&[3, 2, 1, 1, 1], &[]);
    network.inputs = vec!["image", "w"];
    assert!(read(&network.bytes(), None).is_ok());
}

#[test]
fn other_inputs_are_refused() {
    let mut network = Network::new(2).node("Relu", &["image"], "logits");
    network.shape = vec![1, 3, 224, 224];
    assert_refused(&network, "expected a shape [n, c, z, y, x], found [1, 3, 224, 224]");
    network.shape = vec![1, 2, 4, 5, 6];
    network.kind = 2;
    assert_refused(&network, "expected floating-point numbers, found uint8");
    network.kind = 1;
    for opset in [6, 24] {
        network.opset = opset;
        assert_refused(&network, "operator set: expected version 7 to 23");
    }
}

#[test]
fn weights_must_fit_the_channels() {
    assert_refused(&conv(&[3, 4, 1, 1, 1], &[]), "expected an input of 4 channels, found 2");
    assert_refused(&conv(&[3, 2, 9, 1, 1], &[]), "kernel");
    assert_refused(&conv(&[3, 2, 1, 1], &[]), "three spatial axes");
    assert_refused(&conv(&[3, 1, 1, 1, 1], &[("group", Attribute::Int(2))]), "groups");
    assert_refused(&conv(&[3, 2, 1, 1, 1], &[("group", Attribute::Int(0))]), "group of at least 1");
    assert_refused(&conv(&[3, 2, 1, 1, 1], &[("strides", Attribute::Ints(&[0, 1, 1]))]), "stride");
    assert_refused(&conv(&[3, 2, 1, 1, 1], &[("strides", Attribute::Ints(&[1, 1]))]), "strides of 3 numbers");
    assert_refused(
        &conv(&[3, 2, 1, 1, 1], &[("pads", Attribute::Ints(&[0, 0, 0, 0, 0, i64::MAX]))]),
        "pads of 6",
    );
}

#[test]
fn quantised_weights_are_refused() {
    let weights = shaped("w", &[3, 2, 1, 1, 1], 3).bytes(9, &[1; 6]);
    let network = Network::new(2).constant(weights).node("Conv", &["image", "w"], "logits");
    assert_refused(&network, "expected weights of floating-point numbers, found int8");
    let quantised = Network::new(2).node("QLinearConv", &["image"], "logits");
    assert!(matches!(read(&quantised.bytes(), None), Err(Error::UnsupportedOperator { .. })));
}

#[test]
fn external_data_outside_the_folder_are_never_asked_for() {
    let external = |entries: &[(&str, &str)]| {
        let mut weights = shaped("w", &[1, 2, 1, 1, 1], 1).int(14, 1);
        for (key, value) in entries {
            weights =
                weights.message(13, Message::default().bytes(1, key.as_bytes()).bytes(2, value.as_bytes()));
        }
        Network::new(2).constant(weights).node("Conv", &["image", "w"], "logits").bytes()
    };
    for location in ["../w", "/etc/passwd", "", "a/../../w", "C:\\w"] {
        let error =
            onnx::read(&external(&[("location", location)]), None, &mut |_| panic!("asked for {location}"));
        let message = error.map(|_| ()).unwrap_err().to_string();
        assert!(message.contains("a file in the folder of the ONNX file"), "{message}");
    }
    let mut data = vec![0; 4];
    data.extend([1.0_f32, 2.0].iter().flat_map(|value| value.to_le_bytes()));
    let mut given = |location: &str| {
        assert_eq!(location, "w.data");
        Ok(data.clone())
    };
    let entries = [("location", "w.data"), ("offset", "4"), ("length", "8")];
    assert!(onnx::read(&external(&entries), None, &mut given).is_ok());
    for (key, value) in
        [("offset", "5"), ("length", "12"), ("offset", "-1"), ("offset", "99999999999999999999")]
    {
        let entries = [&entries[..], &[(key, value)]].concat();
        let message = onnx::read(&external(&entries), None, &mut given).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains("external data") || message.contains("an offset or length"), "{message}");
    }
}

#[test]
fn what_a_graph_has_no_operation_for_is_left_to_another_runtime() {
    let unsupported = |network: Network| {
        let error = read(&network.bytes(), None).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::UnsupportedOperator { .. }), "{error}");
    };
    unsupported(Network::new(2).node("LayerNormalization", &["image"], "logits"));
    unsupported(Network::new(2).node("Erf", &["image"], "logits"));
    unsupported(Network::new(2).node_with(
        "Transpose",
        &["image"],
        "logits",
        &[("perm", Attribute::Ints(&[0, 2, 1, 3, 4]))],
    ));
    unsupported(Network::new(2).node("GlobalAveragePool", &["image"], "m").node(
        "Add",
        &["image", "m"],
        "logits",
    ));
    unsupported(Network::new(2).node("Div", &["image", "image"], "logits"));
    unsupported(Network::new(2).constant(tensor("v", &[6], &[1.0; 6])).node(
        "Mul",
        &["image", "v"],
        "logits",
    ));
    let reflected = Network::new(2).constant(ints("pads", &[10], &[0, 0, 1, 1, 1, 0, 0, 1, 1, 1])).node_with(
        "Pad",
        &["image", "pads"],
        "logits",
        &[("mode", Attribute::Text("reflect"))],
    );
    unsupported(reflected);
}

#[test]
fn dynamic_axes_need_a_size_only_where_nodes_depend_on_it() {
    let mut network =
        Network::new(2).constant(ints("shape", &[2], &[1, 240])).node("Reshape", &["image", "shape"], "flat");
    network =
        network.constant(tensor("w", &[240, 2], &vec![0.1; 480])).node("MatMul", &["flat", "w"], "logits");
    network.shape = vec![1, 2, -1, -1, -1];
    assert_refused(&network, "the size of the images, on which its result depends");
    assert!(read(&network.bytes(), Some([4, 5, 6])).is_ok());
    assert!(read(&network.bytes(), Some([4, 5, 7])).is_err());
    assert!(read(&network.bytes(), Some([usize::MAX; 3])).is_err());
    let mut network = conv(&[3, 2, 1, 1, 1], &[]);
    network.shape = vec![-1, 2, -1, -1, -1];
    assert!(read(&network.bytes(), None).is_ok());
}
