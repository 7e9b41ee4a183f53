//! Compares every operation and its gradients with its composition of candle's operations on the CPU.

use relevox_models::Precision;
use relevox_models::candle_core::backprop::GradStore;
use relevox_models::candle_core::{DType, Device, Error, Result, Tensor, Var};
use relevox_models::conv3d::{
    self, BatchNorm, Conv3dParams, ConvTranspose3dParams, Mode, Pool3dParams, compose, cudnn_runs,
};
use serde_json::json;

use super::checks::{Checks, distance};
use super::tolerance::Allowed;

/// Batch norm with the second and the third of the tensors as γ and β.
fn norm(tensors: &[Tensor], relu: bool) -> BatchNorm<'_> {
    BatchNorm { gamma: &tensors[1], beta: &tensors[2], epsilon: 1e-5, relu }
}

type Operation = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// An operation in both implementations, and the shapes of its arguments.
struct Case {
    name: String,
    shapes: Vec<Vec<usize>>,
    ours: Operation,
    plain: Operation,
    /// Number of convolutions and gradients of convolutions.
    convolutions: u64,
}

/// Smallest reference value: gradients of means are small.
const LEAST: f64 = 1e-6;

/// Compares all operations.
///
/// # Errors
/// Returns an error if stdout is closed or the user interrupts.
pub(super) fn run(checks: &Checks, device: &Device, precision: Precision) -> anyhow::Result<()> {
    for case in convolutions().into_iter().chain(others()) {
        checks.part(&case.name, compare(checks, &case, device, precision))?;
    }
    if precision == Precision::F32 {
        checks.part("13-bit integers", no_tf32(checks, device))?;
    }
    Ok(())
}

fn compare(checks: &Checks, case: &Case, device: &Device, precision: Precision) -> anyhow::Result<()> {
    let before = cudnn_runs(device)?;
    let (found, expected) = (both(case, true, device)?, both(case, false, &Device::Cpu)?);
    let as_many = found.len() == expected.len();
    checks.note(&format!("{}, gradients", case.name), json!(found.len() - 1), as_many)?;
    // Pooling and norms are float32 at every precision.
    let precision = if case.convolutions > 0 { precision } else { Precision::F32 };
    let allowed = Allowed::at(precision).operation;
    for ((what, found), (_, expected)) in found.iter().zip(&expected) {
        checks.off(&format!("{}, {what}", case.name), distance(found, expected, LEAST), allowed)?;
    }
    if let (Some(before), Some(after)) = (before, cudnn_runs(device)?) {
        let runs = after - before;
        checks.note(&format!("{}, runs of cuDNN", case.name), json!(runs), runs == case.convolutions)?;
    }
    Ok(())
}

/// Computes the output and the gradient of each argument.
fn both(case: &Case, ours: bool, device: &Device) -> Result<Vec<(String, Vec<f32>)>> {
    let vars: Vec<Var> = case
        .shapes
        .iter()
        .enumerate()
        .map(|(index, shape)| Var::from_tensor(&rough(shape, 3 + 4 * index)?.to_device(device)?))
        .collect::<Result<_>>()?;
    let arguments: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let y = if ours { (case.ours)(&arguments)? } else { (case.plain)(&arguments)? };
    let direction = rough(y.dims(), 11)?.to_device(device)?;
    let gradients = (&y * direction)?.sum_all()?.backward()?;
    let mut found = vec![("output".to_owned(), list(&y)?)];
    for (index, var) in vars.iter().enumerate() {
        if let Some(gradient) = gradients.get(var) {
            found.push((format!("gradient {index}"), list(gradient)?));
        }
    }
    Ok(found)
}

fn list(x: &Tensor) -> Result<Vec<f32>> {
    x.detach().flatten_all()?.to_vec1()
}

/// Values from −1 to 1, few of them equal.
fn rough(shape: &[usize], seed: usize) -> Result<Tensor> {
    let count = shape.iter().product();
    let values: Vec<f32> =
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// Three times as large, and rounded: many are equal. The gradient passes through.
fn stepped(x: &Tensor) -> Result<Tensor> {
    (x.detach() * 3.0)?.round()? + (x - x.detach())?
}

/// Integers of 13 bits, which TF32, with 11, would round down by 1. Their sums are exact in float32.
fn thirteen_bits(shape: &[usize], device: &Device) -> Result<Tensor> {
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|i: usize| (4097 + 4 * (i % 125)) as f32).collect();
    Tensor::from_vec(values, shape, device)
}

/// Checks a convolution, its gradients and a transposed convolution on values for which TF32 has an error of 2e-4.
fn no_tf32(checks: &Checks, device: &Device) -> anyhow::Result<()> {
    // The algorithm for a shape is chosen by trial at its third use.
    for _ in 0..3 {
        integers(device, conv3d::conv3d, conv3d::conv_transpose3d)?;
    }
    let found = integers(device, conv3d::conv3d, conv3d::conv_transpose3d)?;
    let expected = integers(&Device::Cpu, compose::conv3d, compose::conv_transpose3d)?;
    for ((what, found), (_, expected)) in found.iter().zip(&expected) {
        // Transform-based algorithms have rounding errors in float32.
        checks.off(&format!("{what} of 13-bit integers, no TF32"), distance(found, expected, LEAST), 3e-5)?;
    }
    Ok(())
}

fn integers(
    device: &Device,
    convolve: fn(&Tensor, &Tensor, Option<&Tensor>, Conv3dParams) -> Result<Tensor>,
    transpose: fn(&Tensor, &Tensor, Option<&Tensor>, ConvTranspose3dParams) -> Result<Tensor>,
) -> Result<[(&'static str, Vec<f32>); 4]> {
    let x = Var::from_tensor(&thirteen_bits(&[1, 4, 6, 6, 6], device)?)?;
    let ones = |shape: [usize; 5]| Var::ones(&shape, DType::F32, device);
    let (weight, transposed) = (ones([8, 4, 3, 3, 3])?, ones([4, 8, 2, 2, 2])?);
    let gradient = |of: &GradStore, var: &Var| -> Result<Vec<f32>> {
        list(of.get(var).ok_or_else(|| Error::msg("no gradient of 13-bit integers"))?)
    };
    let y = convolve(&x, &weight, None, Conv3dParams::cubic(1, 1))?;
    // Products of two such integers are not exact: the incoming gradient has 13 bits where the weight is 1, and is 1 where
    // the input has 13 bits.
    let to_input = (&y * thirteen_bits(y.dims(), device)?)?.sum_all()?.backward()?;
    let to_weight = y.sum_all()?.backward()?;
    Ok([
        ("conv3d", list(&y)?),
        ("conv3d, gradient of the input,", gradient(&to_input, &x)?),
        ("conv3d, gradient of the weight,", gradient(&to_weight, &weight)?),
        ("conv_transpose3d", list(&transpose(&x, &transposed, None, ConvTranspose3dParams::cubic(2))?)?),
    ])
}

fn convolutions() -> Vec<Case> {
    let direct = |name: &str, x: [usize; 5], weight: [usize; 5], params: Conv3dParams, bias: bool| {
        let mut shapes = vec![x.to_vec(), weight.to_vec()];
        if bias {
            shapes.push(vec![weight[0]]);
        }
        Case {
            name: format!("conv3d {name}"),
            shapes,
            ours: Box::new(move |t| conv3d::conv3d(&t[0], &t[1], t.get(2), params)),
            plain: Box::new(move |t| compose::conv3d(&t[0], &t[1], t.get(2), params)),
            convolutions: 3,
        }
    };
    let transposed = |name: &str, x: [usize; 5], weight: [usize; 5], params: ConvTranspose3dParams| Case {
        name: format!("conv_transpose3d {name}"),
        shapes: vec![x.to_vec(), weight.to_vec(), vec![weight[1]]],
        ours: Box::new(move |t| conv3d::conv_transpose3d(&t[0], &t[1], t.get(2), params)),
        plain: Box::new(move |t| compose::conv_transpose3d(&t[0], &t[1], t.get(2), params)),
        convolutions: 3,
    };
    let uneven = Conv3dParams { stride: [2, 1, 3], padding: [1, 0, 2], dilation: [1, 2, 1] };
    let padded = ConvTranspose3dParams {
        stride: [2, 3, 1],
        padding: [1, 0, 1],
        output_padding: [1, 2, 0],
        dilation: [1, 1, 2],
    };
    vec![
        direct("3³", [2, 8, 9, 10, 11], [16, 8, 3, 3, 3], Conv3dParams::cubic(1, 1), false),
        direct("3³, stride 2", [2, 8, 9, 10, 11], [16, 8, 3, 3, 3], Conv3dParams::cubic(2, 1), false),
        direct("7³, stride 2", [1, 4, 17, 18, 19], [8, 4, 7, 7, 7], Conv3dParams::cubic(2, 3), false),
        direct("1³, stride 2, bias", [2, 8, 7, 8, 9], [16, 8, 1, 1, 1], Conv3dParams::cubic(2, 0), true),
        direct("one channel", [1, 1, 8, 8, 8], [1, 1, 3, 3, 3], Conv3dParams::cubic(1, 1), true),
        direct("uneven", [1, 3, 8, 9, 10], [5, 3, 3, 2, 3], uneven, true),
        transposed("2³, stride 2", [2, 16, 4, 5, 6], [16, 8, 2, 2, 2], ConvTranspose3dParams::cubic(2)),
        transposed("uneven", [1, 3, 4, 5, 6], [3, 4, 3, 3, 2], padded),
    ]
}

fn others() -> Vec<Case> {
    let case = |name: &str, shapes: &[&[usize]], ours: Operation, plain: Operation| Case {
        name: name.to_owned(),
        shapes: shapes.iter().map(|shape| shape.to_vec()).collect(),
        ours,
        plain,
        convolutions: 0,
    };
    let (x, c): (&[usize], &[usize]) = (&[2, 3, 9, 8, 7], &[3]);
    let (three, two) = (Pool3dParams::cubic(3, 2, 1), Pool3dParams::cubic(2, 2, 0));
    let size = [12, 11, 10];
    let mut cases = vec![
        case(
            "max_pool3d 3³, stride 2",
            &[x],
            Box::new(move |t| conv3d::max_pool3d(&t[0], three)),
            Box::new(move |t| compose::max_pool3d(&t[0], three)),
        ),
        case(
            "max_pool3d of equal values",
            &[x],
            Box::new(move |t| conv3d::max_pool3d(&stepped(&t[0])?, two)),
            Box::new(move |t| compose::max_pool3d(&stepped(&t[0])?, two)),
        ),
        case(
            "avg_pool3d",
            &[x],
            Box::new(move |t| conv3d::avg_pool3d(&t[0], three)),
            Box::new(move |t| compose::avg_pool3d(&t[0], three)),
        ),
        case(
            "global_avg_pool3d",
            &[x],
            Box::new(|t| conv3d::global_avg_pool3d(&t[0])),
            Box::new(|t| compose::global_avg_pool3d(&t[0])),
        ),
        case(
            "batch norm in training, ReLU",
            &[x, c, c],
            Box::new(|t| Ok(conv3d::batch_norm_train(&t[0], norm(t, true))?.0)),
            Box::new(|t| Ok(compose::batch_norm_train(&t[0], norm(t, true))?.0)),
        ),
        case(
            "batch norm in evaluation",
            &[x, c, c, c, c],
            Box::new(|t| conv3d::batch_norm_eval(&t[0], &t[3], &t[4].sqr()?, norm(t, false))),
            Box::new(|t| {
                let (mean, variance) = (t[3].detach(), t[4].sqr()?.detach());
                compose::batch_norm_eval(&t[0], &mean, &variance, norm(t, false))
            }),
        ),
        case(
            "add_relu",
            &[x, x],
            Box::new(|t| conv3d::add_relu(&t[0], &t[1])),
            Box::new(|t| compose::add_relu(&t[0], &t[1])),
        ),
        case("relu", &[x], Box::new(|t| conv3d::relu(&t[0])), Box::new(|t| compose::relu(&t[0]))),
    ];
    let modes = [
        ("nearest", Mode::Nearest),
        ("trilinear", Mode::Trilinear { align_corners: false }),
        ("trilinear, corners aligned", Mode::Trilinear { align_corners: true }),
    ];
    for (name, mode) in modes {
        cases.push(case(
            &format!("upsample3d {name}"),
            &[x],
            Box::new(move |t| conv3d::upsample3d(&t[0], size, mode)),
            Box::new(move |t| compose::upsample3d(&t[0], size, mode)),
        ));
    }
    cases
}
