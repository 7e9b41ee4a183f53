//! The candle operations against the compositions, values and gradients.

use crate::{Conv3dParams, ConvTranspose3dParams, compose};
use candle_core::{Device, Result, Tensor, Var};
use proptest::prelude::*;

fn ramp(shape: &[usize], factor: usize) -> Tensor {
    let n = shape.iter().product::<usize>();
    let values: Vec<f32> = (0..n).map(|i| ((i * factor) % 23) as f32 / 11.0 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn close(a: &Tensor, b: &Tensor, what: &str) {
    assert_eq!(a.dims(), b.dims(), "{what}");
    let scale = b.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap().max(1.0);
    let off =
        (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
    // A bias gradient sums thousands of terms that cancel; the bar is that of the parity tests.
    assert!(off <= 1e-4 * scale, "{what}: {off} of {scale}");
}

/// Runs both forms on the same variables and compares values and gradients.
fn both(
    shapes: [&[usize]; 3],
    with_bias: bool,
    ours: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>,
    oracle: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> Result<Tensor>,
) {
    let [x, w, b] = [(shapes[0], 7), (shapes[1], 5), (shapes[2], 3)]
        .map(|(shape, factor)| Var::from_tensor(&ramp(shape, factor)).unwrap());
    // A transposed view: kernels must cope with what is not contiguous.
    let seen = x.as_tensor().transpose(2, 4).unwrap();
    let bias = with_bias.then_some(b.as_tensor());
    let (found, want) = (ours(&seen, &w, bias).unwrap(), oracle(&seen, &w, bias).unwrap());
    close(&found, &want, "output");
    let cotangent = ramp(found.dims(), 13);
    let gradients = |y: Tensor| (y * &cotangent).unwrap().sum_all().unwrap().backward().unwrap();
    let (found, want) = (gradients(found), gradients(want));
    for (var, what) in [(&x, "input"), (&w, "weight"), (&b, "bias")] {
        match (found.get(var), want.get(var)) {
            (Some(found), Some(want)) => close(found, want, what),
            (found, want) => assert_eq!(found.is_some(), want.is_some(), "{what}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn convolution_agrees_with_its_composition(
        n in 1usize..3, i in 1usize..5, o in 1usize..19, size in [3usize..9, 3usize..9, 3usize..9], k in 1usize..4,
        stride in [1usize..3, 1usize..3, 1usize..3], padding in 0usize..3, dilation in 1usize..3, bias in any::<bool>(),
    ) {
        let params = Conv3dParams { stride, padding: [padding; 3], dilation: [dilation; 3] };
        prop_assume!(params.output_size([size[2], size[1], size[0]], [k; 3]).is_some());
        both(
            [&[n, i, size[0], size[1], size[2]], &[o, i, k, k, k], &[o]], bias,
            |x, w, b| crate::conv3d(x, w, b, params),
            |x, w, b| compose::conv3d(x, w, b, params),
        );
    }

    #[test]
    fn transposed_convolution_agrees_with_its_composition(
        n in 1usize..3, i in 1usize..5, o in 1usize..19, size in [1usize..6, 1usize..6, 1usize..6], k in 1usize..4,
        stride in 1usize..4, padding in 0usize..2, extra in 0usize..2, bias in any::<bool>(),
    ) {
        let params = ConvTranspose3dParams {
            stride: [stride; 3], padding: [padding; 3], output_padding: [extra.min(stride - 1); 3], dilation: [1; 3],
        };
        prop_assume!(params.output_size([size[2], size[1], size[0]], [k; 3]).is_some());
        both(
            [&[n, i, size[0], size[1], size[2]], &[i, o, k, k, k], &[o]], bias,
            |x, w, b| crate::conv_transpose3d(x, w, b, params),
            |x, w, b| compose::conv_transpose3d(x, w, b, params),
        );
    }
}

#[test]
fn arguments_without_variables_get_no_gradient() {
    let image = Var::from_tensor(&ramp(&[1, 2, 4, 4, 4], 7)).unwrap();
    let weight = ramp(&[3, 2, 3, 3, 3], 5);
    let y = crate::conv3d(&image, &weight, None, Conv3dParams::cubic(1, 1)).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    assert!(gradients.get(&image).is_some());
    assert!(gradients.get(&weight).is_none());
}

#[test]
fn relu_agrees_with_its_composition() {
    // The ramp has zeros, whose gradient is 0.
    let x = Var::from_tensor(&ramp(&[2, 3, 4, 2, 5], 7)).unwrap();
    let run = |relu: fn(&Tensor) -> Result<Tensor>| {
        let y = relu(&x.as_tensor().transpose(2, 4).unwrap()).unwrap();
        let gradients = (&y * ramp(y.dims(), 13)).unwrap().sum_all().unwrap().backward().unwrap();
        [y, gradients.get(&x).unwrap().clone()].map(|x| x.flatten_all().unwrap().to_vec1::<f32>().unwrap())
    };
    assert_eq!(run(crate::relu), run(compose::relu));
    let nan = Tensor::new(&[f32::NAN, -1.0, 2.0], &Device::Cpu).unwrap();
    let y = crate::relu(&nan).unwrap().to_vec1::<f32>().unwrap();
    assert!(y[0].is_nan() && y[1..] == [0.0, 2.0]);
}
