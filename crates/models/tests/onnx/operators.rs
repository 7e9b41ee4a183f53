//! Single operators in forms that the exported networks do not have.

use relevox_models::graph::{Activation, Operation};
use relevox_models::onnx::{LastActivation, Onnx};

use crate::build::{Attribute, Network, SIZE, ints, shaped, tensor};
use crate::interpreter::run;
use crate::networks::read;

fn ready(network: &Network) -> Onnx {
    read(&network.bytes(), None).unwrap_or_else(|error| panic!("{error}"))
}

fn image(channels: usize) -> Vec<f32> {
    (0..channels * 120).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

/// Returns the outputs for an image of `channels`.
fn outputs(network: &Network, channels: usize) -> Vec<f64> {
    run(&ready(network).graph, &image(channels), SIZE)
}

fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "expected {expected}, found {found}");
    }
}

/// Returns elements of an image by position.
fn at(image: &[f32], [c, z, y, x]: [usize; 4]) -> f64 {
    f64::from(image[((c * 4 + z) * 5 + y) * 6 + x])
}

#[test]
fn same_padding_has_its_odd_voxel_on_the_stated_side() {
    for (side, before) in [("SAME_UPPER", 0), ("SAME_LOWER", 1)] {
        let network = Network::new(1).constant(tensor("w", &[1, 1, 2, 1, 1], &[2.0, 3.0])).node_with(
            "Conv",
            &["image", "w"],
            "logits",
            &[("auto_pad", Attribute::Text(side))],
        );
        let (found, image) = (outputs(&network, 1), image(1));
        let value = |z: i64| if (0..4).contains(&z) { at(&image, [0, z as usize, 0, 0]) } else { 0.0 };
        let expected: Vec<f64> =
            (0..4).map(|z| 2.0 * value(z - before) + 3.0 * value(z - before + 1)).collect();
        let found: Vec<f64> = (0..4).map(|z| found[z * 30]).collect();
        assert_close(&found, &expected);
    }
}

#[test]
fn zeros_around_a_map_are_padding_even_where_no_convolution_follows() {
    let pads = ints("pads", &[10], &[0, 0, 1, 0, 0, 0, 0, 0, 0, 2]);
    let network = Network::new(1).constant(pads).node("Pad", &["image", "pads"], "padded").node(
        "Neg",
        &["padded"],
        "logits",
    );
    let (found, image) = (outputs(&network, 1), image(1));
    assert_eq!(found.len(), 5 * 5 * 8);
    assert_close(&found[..40], &[0.0; 40]);
    assert_close(&found[40..42], &[-at(&image, [0, 0, 0, 0]), -at(&image, [0, 0, 0, 1])]);
    assert_close(&found[46..48], &[0.0, 0.0]);
}

#[test]
fn the_maximum_of_padded_negative_values_is_zero() {
    let pads = ints("pads", &[10], &[0, 0, 1, 1, 1, 0, 0, 0, 0, 0]);
    let pool = [("kernel_shape", Attribute::Ints(&[2, 2, 2])), ("strides", Attribute::Ints(&[2, 2, 2]))];
    let negative = Network::new(1)
        .constant(pads)
        .constant(tensor("c", &[], &[2.0]))
        .node("Sub", &["image", "c"], "negative")
        .node("Pad", &["negative", "pads"], "padded")
        .node_with("MaxPool", &["padded"], "logits", &pool);
    assert_eq!(outputs(&negative, 1)[0], 0.0);
}

#[test]
fn a_pool_of_values_that_are_not_negative_takes_their_padding() {
    let pads = ints("pads", &[10], &[0, 0, 1, 1, 1, 0, 0, 0, 0, 0]);
    let pool = [("kernel_shape", Attribute::Ints(&[2, 2, 2])), ("strides", Attribute::Ints(&[2, 2, 2]))];
    let network = Network::new(1)
        .constant(pads)
        .node("Relu", &["image"], "relu")
        .node("Pad", &["relu", "pads"], "padded")
        .node_with("MaxPool", &["padded"], "logits", &pool);
    let onnx = ready(&network);
    assert_eq!(onnx.graph.nodes().len(), 2);
    assert_close(&run(&onnx.graph, &image(1), SIZE)[..1], &[at(&image(1), [0; 4]).max(0.0)]);
}

#[test]
fn zeros_among_the_channels_may_stand_anywhere() {
    let zeros =
        |name, channels: i64| tensor(name, &[1, channels, 4, 5, 6], &vec![0.0; channels as usize * 120]);
    let network = Network::new(1)
        .constant(zeros("a", 1))
        .constant(zeros("b", 2))
        .node("Neg", &["image"], "n")
        .node_with("Concat", &["a", "image", "b", "n", "a"], "logits", &[("axis", Attribute::Int(1))]);
    let (found, image) = (outputs(&network, 1), image(1));
    let firsts: Vec<f64> = found.chunks(120).map(|channel| channel[7]).collect();
    let value = f64::from(image[7]);
    assert_close(&firsts, &[0.0, value, 0.0, 0.0, -value, 0.0]);
}

#[test]
fn weights_may_be_stored_in_any_way_and_any_precision() {
    let values = [0.5, -2.0];
    let floats = values
        .iter()
        .fold(shaped("w", &[2, 1, 1, 1, 1], 1), |t, value: &f32| t.bytes(4, &value.to_le_bytes()));
    let doubles: Vec<u8> = values.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect();
    let stored = [
        tensor("w", &[2, 1, 1, 1, 1], &values),
        floats,
        shaped("w", &[2, 1, 1, 1, 1], 11).bytes(9, &doubles),
        shaped("w", &[2, 1, 1, 1, 1], 11).bytes(10, &doubles),
        shaped("w", &[2, 1, 1, 1, 1], 10).bytes(9, &[0x00, 0x38, 0x00, 0xc0]),
        shaped("w", &[2, 1, 1, 1, 1], 10).int(5, 0x3800).int(5, 0xc000),
        shaped("w", &[2, 1, 1, 1, 1], 16).bytes(9, &[0x00, 0x3f, 0x00, 0xc0]),
        shaped("w", &[2, 1, 1, 1, 1], 16).int(5, 0x3f00).int(5, 0xc000),
    ];
    for weights in stored {
        let network = Network::new(1).constant(weights).node("Conv", &["image", "w"], "logits");
        let found = outputs(&network, 1);
        let value = f64::from(image(1)[3]);
        assert_close(&[found[3], found[123]], &[0.5 * value, -2.0 * value]);
    }
}

#[test]
fn layers_take_weights_in_either_order_with_their_factors() {
    let weights: Vec<f32> = (0..6).map(|at| at as f32 - 2.0).collect();
    let transposed: Vec<f32> = (0..6).map(|at| weights[at % 3 * 2 + at / 3]).collect();
    let head = |network: Network| {
        let network =
            network.node("GlobalAveragePool", &["image"], "mean").node("Flatten", &["mean"], "flat");
        network.constant(tensor("b", &[3], &[1.0, 2.0, 3.0]))
    };
    let gemm = head(Network::new(2)).constant(tensor("w", &[3, 2], &weights)).node_with(
        "Gemm",
        &["flat", "w", "b"],
        "logits",
        &[("transB", Attribute::Int(1)), ("alpha", Attribute::Float(2.0)), ("beta", Attribute::Float(0.5))],
    );
    let doubled: Vec<f32> = transposed.iter().map(|weight| 2.0 * weight).collect();
    let matmul = head(Network::new(2))
        .constant(tensor("w", &[2, 3], &doubled))
        .constant(tensor("half", &[1], &[0.5]))
        .node("MatMul", &["flat", "w"], "product")
        .node("Mul", &["b", "half"], "bias")
        .node("Add", &["bias", "product"], "logits");
    let turned = head(Network::new(2))
        .constant(tensor("w", &[3, 2], &weights))
        .constant(tensor("half", &[1], &[0.5]))
        .constant(tensor("two", &[], &[2.0]))
        .node_with("Transpose", &["w"], "t", &[("perm", Attribute::Ints(&[1, 0]))])
        .node("Mul", &["t", "two"], "t2")
        .node("MatMul", &["flat", "t2"], "product")
        .node("Mul", &["b", "half"], "bias")
        .node("Add", &["product", "bias"], "logits");
    let expected = outputs(&gemm, 2);
    for network in [matmul, turned] {
        assert_eq!(ready(&network).graph.nodes().len(), 2, "the bias is a part of the layer");
        assert_close(&outputs(&network, 2), &expected);
    }
}

#[test]
fn means_over_voxels_may_be_taken_in_parts() {
    let whole = Network::new(2).node("GlobalAveragePool", &["image"], "logits");
    let parts = Network::new(2)
        .node_with(
            "ReduceMean",
            &["image"],
            "plane",
            &[("axes", Attribute::Ints(&[3, -1])), ("keepdims", Attribute::Int(0))],
        )
        .node_with(
            "ReduceMean",
            &["plane"],
            "logits",
            &[("axes", Attribute::Ints(&[2])), ("keepdims", Attribute::Int(0))],
        );
    let flat = Network::new(2)
        .constant(ints("shape", &[3], &[0, 0, -1]))
        .constant(ints("axis", &[1], &[-1]))
        .node("Reshape", &["image", "shape"], "flat")
        .node_with("ReduceMean", &["flat", "axis"], "logits", &[("keepdims", Attribute::Int(0))]);
    for network in [parts, flat] {
        assert_close(&outputs(&network, 2), &outputs(&whole, 2));
    }
}

#[test]
fn a_pool_of_all_voxels_is_a_map_for_convolutions_and_a_mean_for_layers() {
    let pool = [("kernel_shape", Attribute::Ints(&[4, 5, 6]))];
    let pooled = Network::new(2).node_with("AveragePool", &["image"], "pooled", &pool);
    let conv = pooled.clone().constant(tensor("w", &[1, 2, 3, 3, 3], &[0.5; 54])).node_with(
        "Conv",
        &["pooled", "w"],
        "logits",
        &[("pads", Attribute::Ints(&[1; 6]))],
    );
    let layer = pooled.constant(tensor("w", &[2, 1], &[0.5; 2])).node("Flatten", &["pooled"], "flat").node(
        "MatMul",
        &["flat", "w"],
        "logits",
    );
    assert_close(&outputs(&layer, 2), &outputs(&conv, 2));
    let graph = ready(&layer).graph;
    let operations: Vec<&str> = graph.nodes().iter().map(|node| node.operation.name()).collect();
    assert_eq!(operations, ["global mean", "linear"]);
}

#[test]
fn group_norms_have_factors_by_group_or_channel() {
    let by_group = Network::new(4)
        .constant(tensor("s", &[2], &[2.0, 3.0]))
        .constant(tensor("b", &[2], &[0.5, -0.5]))
        .node_with(
            "GroupNormalization",
            &["image", "s", "b"],
            "logits",
            &[("num_groups", Attribute::Int(2))],
        );
    let by_channel = Network::new(4)
        .constant(tensor("s", &[4], &[2.0, 2.0, 3.0, 3.0]))
        .constant(tensor("b", &[4], &[0.5, 0.5, -0.5, -0.5]))
        .node_with(
            "GroupNormalization",
            &["image", "s", "b"],
            "logits",
            &[("num_groups", Attribute::Int(2))],
        );
    let reshaped = Network::new(4)
        .constant(tensor("s", &[2], &[2.0, 3.0]))
        .constant(tensor("b", &[2], &[0.5, -0.5]))
        .constant(ints("groups", &[3], &[0, 2, -1]))
        .node("Reshape", &["image", "groups"], "grouped")
        .node("InstanceNormalization", &["grouped", "s", "b"], "norm")
        .node("Shape", &["image"], "shape")
        .node("Reshape", &["norm", "shape"], "logits");
    let found = outputs(&by_group, 4);
    let mean = found[..240].iter().sum::<f64>() / 240.0;
    let variance = found[..240].iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 240.0;
    assert!((mean - 0.5).abs() < 1e-6 && (variance - 4.0).abs() < 1e-3, "{mean} {variance}");
    assert_close(&outputs(&by_channel, 4), &found);
    assert_close(&outputs(&reshaped, 4), &found);
}

#[test]
fn a_softmax_over_the_classes_at_the_end_is_left_out() {
    for (opset, operator, axis, is_read) in [
        (17, "Softmax", 1, true),
        (17, "LogSoftmax", -1, true),
        (11, "Softmax", 1, true),
        (17, "Softmax", 0, false),
    ] {
        let mut network = Network::new(2)
            .node("GlobalAveragePool", &["image"], "mean")
            .node("Flatten", &["mean"], "flat")
            .node_with(operator, &["flat"], "logits", &[("axis", Attribute::Int(axis))]);
        network.opset = opset;
        match read(&network.bytes(), None) {
            Ok(onnx) => assert_eq!((onnx.last, onnx.graph.nodes().len()), (Some(LastActivation::Softmax), 1)),
            Err(error) => assert!(!is_read, "{error}"),
        }
    }
    let middle = Network::new(2)
        .node("GlobalAveragePool", &["image"], "mean")
        .node("Flatten", &["mean"], "flat")
        .node("Softmax", &["flat"], "p")
        .node("Relu", &["p"], "logits");
    let message = read(&middle.bytes(), None).unwrap_err().to_string();
    assert!(message.contains("softmax that is not the network's last operation"), "{message}");
}

#[test]
fn nodes_may_be_stored_in_any_order() {
    let network = Network::new(1).node("Relu", &["b"], "logits").node("Neg", &["image"], "b");
    assert_eq!(ready(&network).graph.nodes().len(), 2);
}

#[test]
fn upsampling_by_sizes_repeats_voxels() {
    let network = Network::new(1).constant(ints("sizes", &[5], &[1, 1, 8, 5, 18])).node_with(
        "Resize",
        &["image", "", "", "sizes"],
        "logits",
        &[
            ("mode", Attribute::Text("nearest")),
            ("coordinate_transformation_mode", Attribute::Text("asymmetric")),
            ("nearest_mode", Attribute::Text("floor")),
        ],
    );
    let onnx = ready(&network);
    assert_eq!(onnx.graph.nodes()[0].operation, Operation::Repeat([2, 1, 3]));
}

#[test]
fn hard_swish_is_recognised_however_it_is_divided() {
    let constants = |network: Network| {
        network.constant(tensor("three", &[], &[3.0])).constant(tensor("six", &[], &[6.0])).constant(tensor(
            "zero",
            &[],
            &[0.0],
        ))
    };
    let after = constants(Network::new(1))
        .node("Add", &["three", "image"], "sum")
        .node("Clip", &["sum", "zero", "six"], "clip")
        .node("Mul", &["clip", "image"], "product")
        .node("Div", &["product", "six"], "logits");
    let before = constants(Network::new(1))
        .node("Add", &["image", "three"], "sum")
        .node("Clip", &["sum", "zero", "six"], "clip")
        .node("Div", &["clip", "six"], "gate")
        .node("Mul", &["image", "gate"], "logits");
    for network in [after, before] {
        let onnx = ready(&network);
        let operations: Vec<&Operation> = onnx.graph.nodes().iter().map(|node| &node.operation).collect();
        assert_eq!(operations, [&Operation::Activation(Activation::HardSwish)]);
    }
}

#[test]
fn metadata_are_returned() {
    let mut network = Network::new(1).node("Relu", &["image"], "logits");
    network.metadata = vec![("relevox.input", "channels = [\"t1\"]")];
    let onnx = ready(&network);
    assert_eq!(onnx.metadata["relevox.input"], "channels = [\"t1\"]");
    assert_eq!(onnx.shape, [Some(1), Some(4), Some(5), Some(6)]);
}

#[test]
fn the_channels_may_be_those_of_the_first_convolution() {
    let mut network = Network::new(-1).constant(tensor("w", &[1, 2, 1, 1, 1], &[1.0, 2.0])).node(
        "Conv",
        &["image", "w"],
        "logits",
    );
    assert_eq!(ready(&network).graph.channels(), 2);
    network.nodes.clear();
    let message = read(&network.node("Relu", &["image"], "logits").bytes(), None).unwrap_err().to_string();
    assert!(message.contains("channels"), "{message}");
}
