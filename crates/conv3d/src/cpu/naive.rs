//! The definitions, in `f64`, that the kernels are tested against.

use super::shape::Gather;

/// Each pair of an output voxel and an input voxel it reads, with the tap, all as indices into one channel.
pub(crate) fn pairs(gather: &Gather) -> Vec<(usize, usize, usize)> {
    let [z, y, x] = gather.axes;
    let along = |axis: &super::shape::Axis| -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        for o in 0..axis.output {
            for t in 0..axis.taps {
                let i = (o * axis.stride) as isize + axis.offset + (t * axis.step) as isize;
                if i >= 0 && (i as usize) < axis.input {
                    found.push((o, i as usize, t));
                }
            }
        }
        found
    };
    let mut all = Vec::new();
    for &(oz, iz, tz) in &along(&z) {
        for &(oy, iy, ty) in &along(&y) {
            for &(ox, ix, tx) in &along(&x) {
                all.push((
                    (oz * y.output + oy) * x.output + ox,
                    (iz * y.input + iy) * x.input + ix,
                    (tz * y.taps + ty) * x.taps + tx,
                ));
            }
        }
    }
    all
}

/// The convolution and the gradients of `Σ output · output_gradient` in input and weight.
pub(crate) struct Reference {
    pub(crate) output: Vec<f64>,
    pub(crate) input_gradient: Vec<f64>,
    pub(crate) weight_gradient: Vec<f64>,
}

pub(crate) fn reference(
    gather: &Gather,
    input: &[f32],
    weight: &[f32],
    output_gradient: &[f32],
) -> Reference {
    let (iv, ov, taps) = (gather.input_voxels(), gather.output_voxels(), gather.taps());
    let mut output = vec![0.0; gather.batch * gather.outputs * ov];
    let mut input_gradient = vec![0.0; input.len()];
    let mut weight_gradient = vec![0.0; weight.len()];
    for (o, i, t) in pairs(gather) {
        for n in 0..gather.batch {
            for oc in 0..gather.outputs {
                let at_o = (n * gather.outputs + oc) * ov + o;
                for ic in 0..gather.inputs {
                    let at_i = (n * gather.inputs + ic) * iv + i;
                    let at_w = (oc * gather.inputs + ic) * taps + t;
                    output[at_o] += f64::from(input[at_i]) * f64::from(weight[at_w]);
                    input_gradient[at_i] += f64::from(output_gradient[at_o]) * f64::from(weight[at_w]);
                    weight_gradient[at_w] += f64::from(output_gradient[at_o]) * f64::from(input[at_i]);
                }
            }
        }
    }
    Reference { output, input_gradient, weight_gradient }
}
