//! The operations of graphs against PyTorch's; `tests/fixtures/operations.py` made the values.

use crate::fixture::{Fixture, assert_close, path};
use candle_core::{Device, Tensor};
use relevox_models::graph::{
    Activation, Builder, Conv, ConvTranspose, Linear, Norm, Operation, Padding, Pool, tensor::TensorGraph,
};
use serde::Deserialize;

const TOLERANCE: f32 = 2e-6;

/// Settings of a case; those that its kind does not have are 0.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Case {
    name: String,
    kind: String,
    activation: String,
    kernel: [usize; 3],
    stride: [usize; 3],
    dilation: [usize; 3],
    before: [usize; 3],
    after: [usize; 3],
    output_padding: [usize; 3],
    factors: [usize; 3],
    groups: usize,
    epsilon: f64,
    count_padding: bool,
}

fn operation(case: &Case, fixture: &Fixture) -> Operation {
    let values = |key: &str| {
        let tensor = fixture.get(&format!("{}.{key}", case.name));
        tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let Case { kernel, stride, dilation, before, after, output_padding, groups, .. } = *case;
    let padding = Padding { before, after };
    let pool = Pool { kernel, stride, padding };
    match case.kind.as_str() {
        "conv" => {
            let conv = Conv::new(values("weight"), values("bias"), kernel);
            Operation::Conv(Conv { stride, dilation, padding, groups, ..conv })
        }
        "conv_transpose" => Operation::ConvTranspose(ConvTranspose {
            weights: values("weight"),
            bias: values("bias"),
            kernel,
            stride,
            padding,
            output_padding,
        }),
        "max_pool" => Operation::MaxPool(pool),
        "mean_pool" => Operation::MeanPool { pool, count_padding: case.count_padding },
        "activation" => Operation::Activation(match case.activation.as_str() {
            "relu" => Activation::Relu,
            "leaky_relu" => Activation::LeakyRelu(0.1),
            "prelu" => Activation::PRelu(values("slopes")),
            "elu" => Activation::Elu(0.5),
            "sigmoid" => Activation::Sigmoid,
            "hard_sigmoid" => Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 },
            "silu" => Activation::Silu,
            "hard_swish" => Activation::HardSwish,
            "mish" => Activation::Mish,
            "gelu" => Activation::Gelu,
            "gelu_tanh" => Activation::GeluTanh,
            "tanh" => Activation::Tanh,
            "softplus" => Activation::Softplus,
            "relu6" => Activation::Clip { low: 0.0, high: 6.0 },
            other => panic!("no activation {other}"),
        }),
        "norm" => Operation::Norm(Norm {
            groups,
            epsilon: case.epsilon,
            scale: values("scale"),
            shift: values("shift"),
        }),
        "affine" => Operation::Affine { scale: values("scale"), shift: values("shift") },
        "linear" => Operation::Linear(Linear::new(values("weight"), values("bias"))),
        "global_mean" => Operation::GlobalMean,
        "repeat" => Operation::Repeat(case.factors),
        other => panic!("no operation {other}"),
    }
}

#[test]
fn operations_give_pytorch_s_values() {
    let fixture = Fixture::read(&path("operations"), &["torch"]);
    let cases: Vec<Case> = fixture.metadata("cases");
    assert_eq!(cases.len(), 36);
    for case in cases {
        let [x, y] = ["x", "y"].map(|key| fixture.get(&format!("{}.{key}", case.name)));
        let operation = operation(&case, &fixture);
        if let Operation::Activation(activation) = &operation {
            let length = x.elem_count() / x.dim(0).unwrap() / x.dim(1).unwrap();
            let channels = x.dim(1).unwrap();
            let values = x.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().enumerate();
            let found = values.map(|(at, value)| activation.apply(at / length % channels, value)).collect();
            let found = Tensor::from_vec::<_, f32>(found, x.dims(), &Device::Cpu).unwrap();
            assert_close(&format!("{case:?}, by value"), &found, y, TOLERANCE);
        }
        let mut builder = Builder::new(x.dim(1).unwrap());
        let at = builder.add(case.name.as_str(), operation, &[builder.image()]).unwrap();
        let network = TensorGraph::new(builder.finish(at), &Device::Cpu).unwrap();
        assert_close(&format!("{case:?}"), &network.forward(x).unwrap(), y, TOLERANCE);
    }
}
