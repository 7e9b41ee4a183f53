//! Every operation, its output and all its gradients.

use crate::fixture::{Fixture, assert_close};
use candle_core::{Result, Tensor, Var};
use conv3d::{BatchNorm, Conv3dParams, ConvTranspose3dParams, Mode, Pool3dParams, compose};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

const TOLERANCE: f32 = 1e-5;

fn fixture() -> Fixture {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/operations.safetensors");
    Fixture::read(Path::new(path), &["torch"])
}

#[derive(Deserialize, Debug)]
struct Case {
    name: String,
    kind: String,
    #[serde(flatten)]
    parameters: serde_json::Map<String, serde_json::Value>,
}

impl Case {
    fn get<T: serde::de::DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_value(self.parameters[key].clone()).unwrap()
    }

    fn conv(&self) -> Conv3dParams {
        Conv3dParams {
            stride: self.get("stride"),
            padding: self.get("padding"),
            dilation: self.get("dilation"),
        }
    }

    fn conv_transpose(&self) -> ConvTranspose3dParams {
        ConvTranspose3dParams {
            stride: self.get("stride"),
            padding: self.get("padding"),
            output_padding: self.get("output_padding"),
            dilation: self.get("dilation"),
        }
    }

    fn pool(&self) -> Pool3dParams {
        Pool3dParams { kernel: self.get("kernel"), stride: self.get("stride"), padding: self.get("padding") }
    }
}

/// How a test hands its inputs in.
type Hand = fn(&Tensor) -> Tensor;

/// The same values, with the strides of another order of axes.
fn strided(x: &Tensor) -> Tensor {
    let last = x.rank() - 1;
    if last == 0 {
        return x.clone();
    }
    x.transpose(0, last).unwrap().contiguous().unwrap().transpose(0, last).unwrap()
}

fn check(kind: &str, op: impl Fn(&Case, &BTreeMap<String, Tensor>) -> Result<Tensor>) {
    let fixture = fixture();
    let cases: Vec<Case> = fixture.metadata("cases");
    let mut seen = 0;
    for case in cases.iter().filter(|case| case.kind == kind) {
        for hand in [Tensor::clone as Hand, strided] {
            seen += 1;
            let gradients = format!("{}.grad.", case.name);
            let vars: BTreeMap<String, Var> = fixture
                .under(&gradients)
                .map(|(key, _)| (key.to_owned(), fixture.var(&format!("{}.{key}", case.name))))
                .collect();
            let inputs = vars
                .iter()
                .map(|(key, var)| (key.clone(), hand(var.as_tensor())))
                .collect::<BTreeMap<_, _>>();
            let y = op(case, &inputs).unwrap();
            let what = format!("{kind} {case:?}");
            assert_close(&what, &y, fixture.get(&format!("{}.y", case.name)), TOLERANCE);
            let direction = fixture.get(&format!("{}.direction", case.name));
            let store = (y * direction).unwrap().sum_all().unwrap().backward().unwrap();
            for (key, expected) in fixture.under(&gradients) {
                let found = store.get(vars[key].as_tensor()).unwrap();
                assert_close(&format!("{what}, gradient of {key}"), found, expected, TOLERANCE);
            }
        }
    }
    assert!(seen > 0, "no fixture of {kind}");
}

#[test]
fn convolution() {
    check("conv3d", |case, t| conv3d::conv3d(&t["x"], &t["weight"], t.get("bias"), case.conv()));
}

#[test]
fn convolution_composed_by_planes() {
    check("conv3d", |case, t| compose::conv3d(&t["x"], &t["weight"], t.get("bias"), case.conv()));
}

#[test]
fn convolution_composed_by_taps() {
    check("conv3d", |case, t| compose::conv3d_by_taps(&t["x"], &t["weight"], t.get("bias"), case.conv()));
}

#[test]
fn transposed_convolution() {
    check("conv_transpose3d", |case, t| {
        conv3d::conv_transpose3d(&t["x"], &t["weight"], t.get("bias"), case.conv_transpose())
    });
}

#[test]
fn transposed_convolution_composed() {
    check("conv_transpose3d", |case, t| {
        compose::conv_transpose3d(&t["x"], &t["weight"], t.get("bias"), case.conv_transpose())
    });
}

#[test]
fn max_pooling() {
    check("max_pool3d", |case, t| conv3d::max_pool3d(&t["x"], case.pool()));
}

#[test]
fn max_pooling_composed() {
    check("max_pool3d", |case, t| compose::max_pool3d(&t["x"], case.pool()));
}

#[test]
fn mean_pooling() {
    check("avg_pool3d", |case, t| conv3d::avg_pool3d(&t["x"], case.pool()));
    check("global_avg_pool3d", |_, t| conv3d::global_avg_pool3d(&t["x"]));
}

#[test]
fn mean_pooling_composed() {
    check("avg_pool3d", |case, t| compose::avg_pool3d(&t["x"], case.pool()));
    check("global_avg_pool3d", |_, t| compose::global_avg_pool3d(&t["x"]));
}

#[test]
fn upsampling() {
    let trilinear = |case: &Case| Mode::Trilinear { align_corners: case.get("align_corners") };
    check("nearest", |case, t| conv3d::upsample3d(&t["x"], case.get("size"), Mode::Nearest));
    check("trilinear", |case, t| conv3d::upsample3d(&t["x"], case.get("size"), trilinear(case)));
    check("nearest", |case, t| compose::upsample3d(&t["x"], case.get("size"), Mode::Nearest));
    check("trilinear", |case, t| compose::upsample3d(&t["x"], case.get("size"), trilinear(case)));
}

type Train = fn(&Tensor, BatchNorm<'_>) -> Result<(Tensor, Tensor, Tensor)>;
type Eval = fn(&Tensor, &Tensor, &Tensor, BatchNorm<'_>) -> Result<Tensor>;

fn check_batch_norm(train: Train, eval: Eval) {
    let fixture = fixture();
    check("batch_norm", |case, t| {
        let of = |key: &str| fixture.get(&format!("{}.{key}", case.name)).clone();
        let norm = BatchNorm { gamma: &t["gamma"], beta: &t["beta"], epsilon: 1e-5, relu: case.get("relu") };
        if !case.get::<bool>("train") {
            let (mean, variance) = (of("mean"), of("variance"));
            return eval(&t["x"], &mean, &variance, norm);
        }
        let (y, mean, variance) = train(&t["x"], norm)?;
        let count = (t["x"].elem_count() / 3) as f64;
        let run = |old: Tensor, new: Tensor| (old * 0.9)? + (new * 0.1)?;
        assert_close("mean", &run(of("mean"), mean)?, &of("mean_after"), TOLERANCE);
        let unbiased = (variance * (count / (count - 1.0)))?;
        assert_close("variance", &run(of("variance"), unbiased)?, &of("variance_after"), TOLERANCE);
        Ok(y)
    });
}

#[test]
fn batch_norm() {
    check_batch_norm(conv3d::batch_norm_train, conv3d::batch_norm_eval);
}

#[test]
fn batch_norm_composed() {
    check_batch_norm(compose::batch_norm_train, compose::batch_norm_eval);
}
