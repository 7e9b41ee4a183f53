//! Convolution and its gradients on dense `f32` slices.

use super::direct::{self, Target};
use super::layer::Layer;
use super::shape::{Axis, Gather, Phase};
use super::weights::{PackedWeights, WeightStrides};
use rayon::prelude::*;

/// Computes `output[n, o] = bias[o] + Σ weight[o, i] ⋆ input[n, i]`.
pub(crate) fn forward(layer: &Layer<'_>, input: &[f32], output: &mut [f32]) {
    let Layer { isa, gather, weight, bias } = *layer;
    let strides = WeightStrides::dense(gather.inputs, gather.axes.map(|axis| axis.taps));
    let packed = PackedWeights::new(isa, gather, weight, strides, bias);
    direct::run(isa, gather, input, &packed, Target::dense(gather), output);
}

/// Computes the gradient of the convolution's input, one gather per phase of the stride.
pub(crate) fn input_gradient(layer: &Layer<'_>, output_gradient: &[f32], input_gradient: &mut [f32]) {
    let Layer { isa, gather, weight, bias } = *layer;
    let dense = WeightStrides::dense(gather.inputs, gather.axes.map(|axis| axis.taps));
    let [_, y, x] = gather.axes.map(|axis| axis.input);
    let [phases_z, phases_y, phases_x] = gather.axes.map(|axis: Axis| axis.phases());
    let each = |z: &Phase, y_phase: &Phase, x_phase: &Phase, to: &mut [f32]| {
        let phases = [z, y_phase, x_phase];
        let part = Gather {
            batch: gather.batch,
            inputs: gather.outputs,
            outputs: gather.inputs,
            axes: phases.map(|phase| phase.axis),
        };
        let taps: [isize; 3] = std::array::from_fn(|i| phases[i].tap_step * dense.taps[i]);
        let first = (0..3).map(|i| phases[i].last_tap as isize * dense.taps[i]).sum::<isize>() as usize;
        let strides = WeightStrides { first, output: dense.input, input: dense.output, taps };
        let packed = PackedWeights::new(isa, &part, weight, strides, bias);
        let channel = gather.input_voxels();
        let steps = [y * x, x, 1];
        let target = Target {
            first: (0..3).map(|i| phases[i].residue * steps[i]).sum(),
            batch: channel * gather.inputs,
            channel,
            axes: std::array::from_fn(|i| steps[i] * gather.axes[i].stride),
        };
        direct::run(isa, &part, output_gradient, &packed, target, to);
    };
    for z in &phases_z {
        for y in &phases_y {
            for x in &phases_x {
                each(z, y, x, input_gradient);
            }
        }
    }
}

/// Computes the gradient of the bias: each channel's sum of an output gradient `[n, c, voxels]`.
pub(crate) fn channel_sums(batch: usize, channels: usize, output_gradient: &[f32]) -> Vec<f32> {
    let voxels = output_gradient.len() / (batch * channels).max(1);
    let channel = |c: usize| {
        let mut sum = 0.0f64;
        for n in 0..batch {
            let values = &output_gradient[(n * channels + c) * voxels..][..voxels];
            sum += values.chunks(256).map(|run| f64::from(run.iter().sum::<f32>())).sum::<f64>();
        }
        sum as f32
    };
    (0..channels).into_par_iter().map(channel).collect()
}
