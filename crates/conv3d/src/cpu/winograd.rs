//! Convolutions and their gradients in Winograd's form, of dense images.
//!
//! The image passes piece by piece through the blocked layout: a piece's planes and rows are packed, computed and written
//! back while they are in the cache; the stem's image, of four channels, is packed as a whole. What is computed, and in which
//! order, follows from the shape alone, that of the batch included: a small image may take this form among others and the
//! direct one alone.

use super::shape::{Axis, Gather};
use crate::blocked::conv::{Dense, Geometry, Job, Lanes};
use crate::blocked::image::{pack, pack_box, unpack_box};
use crate::blocked::window::{BLOCK, Window, clip, signed};
use crate::blocked::winograd::{Shape, WeightGradient, Winograd, pieces};
use crate::simd::Isa;
use crate::simd::scratch::{Lent, Spare};
use std::ops::Range;

/// Channels below which a block is too empty for the fewer multiplications to pay.
const LEAST_CHANNELS: usize = 12;
/// Tiles below which transforming the weights takes longer than it saves.
const LEAST_TILES: usize = 128;

static SPARE: Spare = Spare::new();

/// The shape of a convolution's tiles, where it has one and enough work for it to pay.
pub(super) fn shape(gather: &Gather) -> Option<Shape> {
    let [z, y, x] = gather.axes.map(|axis| axis.output);
    let shape = of(gather)?;
    let tiles = gather.batch * z * y.div_ceil(shape.outputs()) * x.div_ceil(shape.outputs());
    let filled =
        gather.outputs >= LEAST_CHANNELS && (shape == Shape::Stem || gather.inputs >= LEAST_CHANNELS);
    (filled && tiles >= LEAST_TILES && y.min(x) >= shape.outputs()).then_some(shape)
}

/// The shape of a convolution's tiles.
fn of(gather: &Gather) -> Option<Shape> {
    let lanes = if gather.inputs == 4 { Lanes::image(4) } else { Lanes::parts(&[gather.inputs]) };
    let all = |of: fn(&Axis) -> usize| gather.axes.each_ref().map(of);
    let padding = all(|axis| usize::try_from(-axis.offset).unwrap_or(usize::MAX));
    let geometry = Geometry { kernel: all(|axis| axis.taps), stride: all(|axis| axis.stride), padding };
    // What a transposed convolution was made of may have an output that is not all that the kernel gives.
    let whole = |axis: &Axis| {
        let given = Axis::conv(axis.input, axis.taps, axis.stride, geometry.padding[0], axis.step);
        axis.step == 1 && given.is_some_and(|given| given.output == axis.output)
    };
    Shape::of(geometry, &lanes).filter(|_| gather.axes.iter().all(whole))
}

/// See [`super::conv::forward`].
pub(super) fn forward(
    isa: Isa,
    shape: Shape,
    gather: &Gather,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
) {
    let layers = [gather.axes.map(|axis| axis.input), gather.axes.map(|axis| axis.output)];
    let channels = [gather.inputs, gather.outputs];
    convolve(isa, Pass { shape, batch: gather.batch, layers, channels }, input, weight, bias, output);
}

/// See [`super::conv::input_gradient`]; of the stem there is none.
pub(super) fn input_gradient(
    isa: Isa,
    gather: &Gather,
    weight: &[f32],
    output_gradient: &[f32],
    input_gradient: &mut [f32],
    bias: Option<&[f32]>,
) {
    let mut flipped = vec![0.0; weight.len()];
    for (i, flipped) in flipped.chunks_exact_mut(27 * gather.outputs).enumerate() {
        for (o, flipped) in flipped.chunks_exact_mut(27).enumerate() {
            let taps = &weight[(o * gather.inputs + i) * 27..][..27];
            flipped.iter_mut().zip(taps.iter().rev()).for_each(|(to, &tap)| *to = tap);
        }
    }
    let layers = [gather.axes.map(|axis| axis.output); 2];
    let channels = [gather.outputs, gather.inputs];
    let pass = Pass { shape: Shape::Cube(4), batch: gather.batch, layers, channels };
    convolve(isa, pass, output_gradient, &flipped, bias, input_gradient);
}

/// See [`super::conv::weight_gradient`].
pub(super) fn weight_gradient(
    isa: Isa,
    shape: Shape,
    gather: &Gather,
    input: &[f32],
    output_gradient: &[f32],
    gradient: &mut [f32],
) {
    let [before, after] = [gather.axes.map(|axis| axis.input), gather.axes.map(|axis| axis.output)];
    let out_blocks = gather.outputs.div_ceil(BLOCK);
    let in_blocks = lanes(shape, gather.inputs).blocks();
    let mut sums = WeightGradient::new(isa, shape, in_blocks, out_blocks);
    let (by_input, by_output) = (gather.inputs * volume(before), gather.outputs * volume(after));
    for (input, output) in input.chunks(by_input.max(1)).zip(output_gradient.chunks(by_output.max(1))) {
        each_region(
            isa,
            shape,
            (input, gather.inputs),
            [before, after],
            in_blocks + out_blocks,
            |region, near| {
                let window = around(after, signed(region), out_blocks);
                let mut gradient = SPARE.take(window.elements());
                pack_box(isa, output, gather.outputs, &window, &mut gradient);
                sums.add(near, (&window, &gradient), region);
            },
        );
    }
    sums.finish(gather.inputs, gradient);
}

/// What a convolution is of.
struct Pass {
    shape: Shape,
    batch: usize,
    /// Sizes of input and output.
    layers: [[usize; 3]; 2],
    channels: [usize; 2],
}

fn convolve(isa: Isa, pass: Pass, input: &[f32], weight: &[f32], bias: Option<&[f32]>, output: &mut [f32]) {
    let Pass { shape, batch, layers: [before, after], channels: [inputs, outputs] } = pass;
    let zeros = vec![0.0; outputs];
    let dense = Dense { weights: weight, bias: bias.unwrap_or(&zeros) };
    let conv = Winograd::new(isa, shape, &lanes(shape, inputs), dense, false);
    let out_blocks = outputs.div_ceil(BLOCK);
    let (by_input, by_output) = (inputs * volume(before), outputs * volume(after));
    for image in 0..batch {
        let input = &input[image * by_input..][..by_input];
        let output = &mut output[image * by_output..][..by_output];
        each_region(isa, shape, (input, inputs), [before, after], inputs.div_ceil(BLOCK), |region, input| {
            let window = around(after, signed(region), out_blocks);
            let mut to = SPARE.take(window.elements());
            let output_of = (&window, &mut *to);
            let job = Job { region: region.clone(), parts: None, input, residual: None, output: output_of };
            conv.run(&mut [job]);
            let [z, y, _] = region.clone();
            unpack_box(isa, &window, &to, outputs, &[z, y], output);
        });
    }
}

/// Calls `each` with every box of outputs that is computed on its own, and with the inputs that it reads.
fn each_region(
    isa: Isa,
    shape: Shape,
    (image, channels): (&[f32], usize),
    [before, after]: [[usize; 3]; 2],
    blocks: usize,
    mut each: impl FnMut(&[Range<usize>; 3], (&Window, &[f32])),
) {
    let stem = (shape == Shape::Stem).then(|| whole(shape, image, channels, before));
    for region in regions(shape, after, blocks) {
        if let Some((window, values)) = &stem {
            each(&region, (window, values));
        } else {
            let (window, values) = packed(isa, shape, (image, channels), before, &region);
            each(&region, (&window, &values));
        }
    }
}

fn volume(size: [usize; 3]) -> usize {
    size.iter().product()
}

fn lanes(shape: Shape, channels: usize) -> Lanes {
    if shape == Shape::Stem { Lanes::image(channels) } else { Lanes::parts(&[channels]) }
}

/// A stem's image, of few channels, as a whole.
fn whole(shape: Shape, image: &[f32], channels: usize, layer: [usize; 3]) -> (Window, Lent<'static>) {
    let window = Window::whole(layer, 1, channels, shape.geometry().padding[2]);
    let mut values = SPARE.take(window.elements());
    pack(image, channels, layer, &window, &mut values);
    (window, values)
}

/// What of an image a box of outputs reads.
fn packed(
    isa: Isa,
    shape: Shape,
    (image, channels): (&[f32], usize),
    layer: [usize; 3],
    region: &[Range<usize>; 3],
) -> (Window, Lent<'static>) {
    let [z, y, x] = shape.geometry().reach(region);
    let window = around(layer, [clip(z, layer[0]), clip(y, layer[1]), x], channels.div_ceil(BLOCK));
    let mut values = SPARE.take(window.elements());
    pack_box(isa, image, channels, &window, &mut values);
    (window, values)
}

/// A box along z and y of whole rows, with a zero before and after each.
fn around(layer: [usize; 3], [z, y, _]: [Range<isize>; 3], blocks: usize) -> Window {
    Window {
        layer,
        start: [z.start, y.start, -1],
        size: [z.len(), y.len(), layer[2] + 2],
        blocks,
        pitch: BLOCK,
    }
}

/// The boxes of outputs, of whole rows, that are computed one after another.
fn regions(shape: Shape, layer: [usize; 3], blocks: usize) -> Vec<[Range<usize>; 3]> {
    let voxels = |range: Range<usize>, size: usize| {
        range.start * shape.outputs()..(range.end * shape.outputs()).min(size)
    };
    pieces(shape, &layer.map(|size| 0..size), blocks)
        .into_iter()
        .map(|[z, y, x]| [z, voxels(y, layer[1]), voxels(x, layer[2])])
        .collect()
}
