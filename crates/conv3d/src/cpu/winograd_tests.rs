//! Winograd's algorithm of a convolution and its gradients against the definition, on every instruction set of this CPU.

use super::layer::Layer;
use super::naive::reference;
use super::shape::{Axis, Gather};
use super::{conv, weight_gradient, winograd};
use crate::ConvGeometry;
use crate::blocked::tests::values;
use crate::blocked::winograd::Shape;
use crate::simd::Isa;
use proptest::prelude::*;

fn gather(shape: Shape, batch: usize, [inputs, outputs]: [usize; 2], size: [usize; 3]) -> Gather {
    let ConvGeometry { kernel, stride, padding } = shape.geometry();
    let axes = size.map(|size| Axis::conv(size, kernel[0], stride[0], padding[0], 1).unwrap());
    Gather { batch, inputs, outputs, axes }
}

/// Output and gradients of input and weight.
fn all(layer: &Layer<'_>, shape: Shape, input: &[f32], gradient: &[f32]) -> [Vec<f32>; 3] {
    let [mut a, mut b, mut c] =
        [vec![f32::NAN; gradient.len()], vec![f32::NAN; input.len()], vec![f32::NAN; layer.weight.len()]];
    winograd::forward(layer, shape, input, &mut a);
    let without_bias = Layer { bias: None, ..*layer };
    match shape {
        Shape::Plane { .. } => winograd::input_gradient(&without_bias, gradient, &mut b),
        _ => conv::input_gradient(&without_bias, gradient, &mut b),
    }
    winograd::weight_gradient(layer.isa, shape, layer.gather, input, gradient, &mut c);
    [a, b, c]
}

fn close(found: &[f32], wanted: &[f64], what: &str) -> Result<(), TestCaseError> {
    let scale = wanted.iter().fold(1.0f64, |scale, value| scale.max(value.abs()));
    prop_assert_eq!(found.len(), wanted.len());
    for (at, (&found, wanted)) in found.iter().zip(wanted).enumerate() {
        let off = (f64::from(found) - wanted).abs();
        prop_assert!(off <= 2e-5 * scale, "{what}[{at}]: {found} is not {wanted}, of {scale}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_is_the_definition(
        batch in 1usize..3, channels in [1usize..40, 1usize..40], size in [1usize..9, 1usize..22, 1usize..22],
        stem in any::<bool>(), biased in any::<bool>(), seed in any::<u64>(),
    ) {
        let shape = if stem { Shape::STEM } else { Shape::PLANES };
        let channels = if stem { [4, channels[1]] } else { channels };
        let gather = gather(shape, batch, channels, size);
        prop_assume!(batch * channels[0] * channels[1] * gather.output_voxels() < 400_000);
        let input = values(batch * channels[0] * gather.input_voxels(), seed);
        let weight = values(channels[0] * channels[1] * gather.taps(), seed ^ 1);
        let gradient = values(batch * channels[1] * gather.output_voxels(), seed ^ 2);
        let bias = values(channels[1], seed ^ 3);
        let mut wanted = reference(&gather, &input, &weight, &gradient);
        if biased {
            let channel = |at: usize| at / gather.output_voxels() % channels[1];
            wanted.output.iter_mut().enumerate().for_each(|(at, value)| *value += f64::from(bias[channel(at)]));
        }
        for isa in Isa::available() {
            let layer = Layer { isa, gather: &gather, weight: &weight, bias: biased.then_some(&bias) };
            let [output, input_gradient, weight_gradient] =
                all(&layer, shape, &input, &gradient);
            close(&output, &wanted.output, "output")?;
            close(&input_gradient, &wanted.input_gradient, "input gradient")?;
            close(&weight_gradient, &wanted.weight_gradient, "weight gradient")?;
        }
    }
}

#[test]
fn threads_do_not_change_a_bit_of_many_pieces() {
    // More tiles than one piece takes.
    let cases = [(Shape::PLANES, [64, 20], [40, 37, 66]), (Shape::STEM, [4, 20], [71, 67, 130])];
    for (shape, channels, size) in cases {
        let gather = gather(shape, 1, channels, size);
        let input = values(channels[0] * gather.input_voxels(), 1);
        let weight = values(channels[0] * channels[1] * gather.taps(), 2);
        let gradient = values(channels[1] * gather.output_voxels(), 3);
        let layer = Layer { isa: Isa::current(), gather: &gather, weight: &weight, bias: None };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| all(&layer, shape, &input, &gradient))
        };
        let one = on(1);
        for threads in [2, 5] {
            assert!(on(threads) == one, "{threads} threads");
        }
        let mut direct = [vec![0.0; gradient.len()], vec![0.0; input.len()], vec![0.0; weight.len()]];
        let [a, b, c] = &mut direct;
        conv::forward(&layer, &input, a);
        conv::input_gradient(&layer, &gradient, b);
        weight_gradient::run(layer.isa, &gather, &input, &gradient, c);
        for (found, wanted) in one.iter().zip(&direct) {
            let wanted: Vec<f64> = wanted.iter().map(|&value| f64::from(value)).collect();
            close(found, &wanted, "against the direct algorithm").unwrap();
        }
    }
}

#[test]
fn only_what_has_the_form_and_enough_tiles_takes_it() {
    let of = |channels, size| winograd::shape(&gather(Shape::PLANES, 1, channels, size));
    assert_eq!(of([16, 16], [16; 3]), Some(Shape::PLANES));
    assert_eq!(of([16, 16], [8; 3]), None);
    assert_eq!(of([4, 16], [16; 3]), None);
    assert_eq!(winograd::shape(&gather(Shape::STEM, 1, [4, 16], [32; 3])), Some(Shape::STEM));
    let axis = |size, stride, dilation| Axis::conv(size, 3, stride, dilation, dilation).unwrap();
    for axis in [axis(64, 2, 1), axis(64, 1, 2), Axis::conv(64, 3, 1, 0, 1).unwrap()] {
        assert_eq!(winograd::shape(&Gather { batch: 1, inputs: 16, outputs: 16, axes: [axis; 3] }), None);
    }
}
