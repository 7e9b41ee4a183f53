//! The kernels against the definition, over random shapes and on every instruction set of this CPU.

use super::layer::Layer;
use super::naive::reference;
use super::shape::{Axis, Gather};
use super::{conv, weight_gradient};
use crate::simd::Isa;
use proptest::prelude::*;
use std::ops::Range;

fn axis(sizes: Range<usize>) -> impl Strategy<Value = Axis> {
    (sizes, 1usize..8, 1usize..4, 0usize..4, 1usize..3)
        .prop_filter_map("kernel larger than the padded input", |(n, k, s, p, d)| Axis::conv(n, k, s, p, d))
}

fn gather() -> impl Strategy<Value = Gather> {
    // Rows of several vectors too, and few channels as often as many.
    let outputs = prop_oneof![1usize..9, 1usize..36];
    (1usize..3, 1usize..20, outputs, [axis(1..16), axis(1..16), axis(1..70)])
        .prop_map(|(batch, inputs, outputs, axes)| Gather { batch, inputs, outputs, axes })
        .prop_filter("too much work for the plain loops", |gather| {
            gather.batch * gather.inputs * gather.outputs * gather.output_voxels() * gather.taps() < 4_000_000
        })
}

/// A few small integers, so that sums are exact in `f32` whatever their order.
fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 60) as f32) - 7.5
        })
        .collect()
}

fn same(found: &[f32], want: &[f64], what: &str) {
    assert_eq!(found.len(), want.len());
    for (i, (&f, &w)) in found.iter().zip(want).enumerate() {
        assert!((f64::from(f) - w).abs() <= 1e-5 * w.abs().max(1.0), "{what}[{i}]: {f} is not {w}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn convolution_and_gradients_match_the_definition(gather in gather(), seed in any::<u64>()) {
        let input = values(gather.batch * gather.inputs * gather.input_voxels(), seed);
        let weight = values(gather.outputs * gather.inputs * gather.taps(), seed ^ 1);
        let gradient = values(gather.batch * gather.outputs * gather.output_voxels(), seed ^ 2);
        let bias = values(gather.outputs, seed ^ 3);
        let want = reference(&gather, &input, &weight, &gradient);
        for isa in Isa::available() {
            let mut output = vec![f32::NAN; gradient.len()];
            let layer = Layer { isa, gather: &gather, weight: &weight, bias: None };
            conv::forward(&layer, &input, &mut output);
            same(&output, &want.output, "output");
            let mut biased = vec![f32::NAN; gradient.len()];
            conv::forward(&Layer { bias: Some(&bias), ..layer }, &input, &mut biased);
            for (i, (a, b)) in biased.iter().zip(&output).enumerate() {
                let channel = i / gather.output_voxels() % gather.outputs;
                prop_assert!((a - b - bias[channel]).abs() <= 1e-3, "bias of {i}");
            }
            let mut found = vec![f32::NAN; input.len()];
            conv::input_gradient(&layer, &gradient, &mut found);
            same(&found, &want.input_gradient, "input gradient");
            let mut found = vec![f32::NAN; weight.len()];
            weight_gradient::run(isa, &gather, &input, &gradient, &mut found);
            same(&found, &want.weight_gradient, "weight gradient");
            let found = conv::channel_sums(gather.batch, gather.outputs, &gradient);
            for (c, &sum) in found.iter().enumerate() {
                let want: f64 = (0..gather.batch)
                    .flat_map(|n| &gradient[(n * gather.outputs + c) * gather.output_voxels()..][..gather.output_voxels()])
                    .map(|&g| f64::from(g))
                    .sum();
                prop_assert!((f64::from(sum) - want).abs() <= 1e-5 * want.abs().max(1.0));
            }
        }
    }
}

/// Few output channels are computed with voxels in the lanes, as many with channels there: the order of each sum is the same.
#[test]
fn few_output_channels_have_the_bits_that_they_have_among_many() {
    let irregular =
        |n: usize, seed| values(n, seed).into_iter().map(|value| value / 3.0).collect::<Vec<f32>>();
    // Of 100 input channels, weights are read in several passes; kernels of 9³ have more rows of taps than one call takes.
    for (inputs, taps, width) in [(5, 3, 61), (100, 3, 33), (1, 9, 40), (3, 1, 17), (2, 2, 129)] {
        let axes = [taps, taps + 1, width].map(|n| Axis::conv(n, taps, 1, taps / 2, 1).unwrap());
        let many = Gather { batch: 2, inputs, outputs: 40, axes };
        let input = irregular(many.batch * inputs * many.input_voxels(), 1);
        let weight = irregular(many.outputs * inputs * many.taps(), 2);
        let bias = irregular(many.outputs, 3);
        let voxels = many.output_voxels();
        for isa in Isa::available() {
            let run = |gather: &Gather| {
                let weight = &weight[..gather.outputs * inputs * gather.taps()];
                let layer = Layer { isa, gather, weight, bias: Some(&bias[..gather.outputs]) };
                let mut output = vec![f32::NAN; gather.batch * gather.outputs * voxels];
                conv::forward(&layer, &input, &mut output);
                output
            };
            let whole = run(&many);
            for outputs in 1..=9 {
                let found = run(&Gather { outputs, ..many });
                for image in 0..many.batch {
                    let wanted = &whole[image * many.outputs * voxels..][..outputs * voxels];
                    let found = &found[image * outputs * voxels..][..outputs * voxels];
                    let differs = found.iter().zip(wanted).position(|(a, b)| a.to_bits() != b.to_bits());
                    assert_eq!(differs, None, "{isa:?}: {outputs} of {inputs} channels, width {width}");
                }
            }
        }
    }
}

/// The definition's own gradients: the loss is linear in each input and each weight, so that a step of 1 gives its slope.
#[test]
fn the_definitions_gradients_are_finite_differences() {
    let axis =
        |size, taps, stride, padding, dilation| Axis::conv(size, taps, stride, padding, dilation).unwrap();
    let axes = [
        [axis(5, 3, 1, 1, 1), axis(6, 3, 2, 1, 1), axis(7, 3, 1, 2, 2)],
        [axis(9, 7, 2, 3, 1), axis(8, 7, 2, 3, 1), axis(7, 7, 2, 3, 1)],
        [axis(4, 1, 2, 0, 1), axis(5, 2, 3, 1, 1), axis(6, 4, 1, 0, 1)],
    ];
    for axes in axes {
        let gather = Gather { batch: 2, inputs: 3, outputs: 2, axes };
        let input = values(gather.batch * gather.inputs * gather.input_voxels(), 1);
        let weight = values(gather.outputs * gather.inputs * gather.taps(), 2);
        let direction = values(gather.batch * gather.outputs * gather.output_voxels(), 3);
        let loss = |input: &[f32], weight: &[f32]| -> f64 {
            let output = reference(&gather, input, weight, &direction).output;
            output.iter().zip(&direction).map(|(value, &along)| value * f64::from(along)).sum()
        };
        let (before, gradients) = (loss(&input, &weight), reference(&gather, &input, &weight, &direction));
        let stepped = |of: &[f32], at: usize| {
            let mut of = of.to_vec();
            of[at] += 1.0;
            of
        };
        for at in (0..input.len()).step_by(17) {
            assert_eq!(
                loss(&stepped(&input, at), &weight) - before,
                gradients.input_gradient[at],
                "input {at}"
            );
        }
        for at in (0..weight.len()).step_by(11) {
            assert_eq!(
                loss(&input, &stepped(&weight, at)) - before,
                gradients.weight_gradient[at],
                "weight {at}"
            );
        }
    }
}

/// Everything that the kernels compute for one shape.
fn all(gather: &Gather) -> Vec<f32> {
    let fractions = |n: usize, seed| values(n, seed).iter().map(|v| v / 7.3).collect::<Vec<_>>();
    let input = fractions(gather.batch * gather.inputs * gather.input_voxels(), 1);
    let weight = fractions(gather.outputs * gather.inputs * gather.taps(), 2);
    let gradient = fractions(gather.batch * gather.outputs * gather.output_voxels(), 3);
    let [mut a, mut b, mut c] = [vec![0.0; gradient.len()], vec![0.0; input.len()], vec![0.0; weight.len()]];
    let layer = Layer { isa: Isa::current(), gather, weight: &weight, bias: None };
    conv::forward(&layer, &input, &mut a);
    conv::input_gradient(&layer, &gradient, &mut b);
    weight_gradient::run(layer.isa, gather, &input, &gradient, &mut c);
    [a, b, c].concat()
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for (size, kernel, stride) in [(13, 3, 1), (16, 7, 2), (6, 1, 2)] {
        let axis = Axis::conv(size, kernel, stride, kernel / 2, 1).unwrap();
        let gather = Gather { batch: 2, inputs: 5, outputs: 24, axes: [axis; 3] };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| all(&gather))
        };
        let one = on(1);
        for threads in [2, 5] {
            assert!(on(threads) == one, "{threads} threads, {size} voxels, kernel {kernel}, stride {stride}");
        }
    }
}
