//! Winograd's algorithm for convolutions of dense tensors and their gradients.
//!
//! An image is processed piece by piece in the blocked layout: the planes and rows of a piece are packed, computed and
//! written back while they are in the cache; an image of four channels for a 7³ kernel is packed as a whole. The order of
//! computation depends on the shapes only, including the size of the batch: a small image may use this algorithm in a
//! batch and the direct one on its own.

use super::layer::Layer;
use super::shape::{Axis, Gather};
use crate::ConvGeometry;
use crate::blocked::image::{pack, pack_box, unpack_box};
use crate::blocked::job::Job;
use crate::blocked::lanes::{Dense, Lanes};
use crate::blocked::rectifier::Rectifier;
use crate::blocked::window::{BLOCK, Window};
use crate::blocked::winograd::{Shape, WeightGradient, Winograd, pieces};
use crate::simd::Isa;
use crate::simd::scratch::{Lent, Spare};
use relevox_grid::Box3;
use std::ops::Range;

/// Channels below which a block is too empty for the algorithm to be faster.
const LEAST_CHANNELS: usize = 12;
/// Tiles below which transforming the weights takes more time than it saves.
const LEAST_TILES: usize = 128;

static SPARE: Spare = Spare::new();

/// Returns the shape of a convolution's tiles, or `None` if the algorithm does not support it or is not faster.
pub(super) fn shape(gather: &Gather) -> Option<Shape> {
    let [z, y, x] = gather.axes.map(|axis| axis.output);
    let shape = of(gather)?;
    let tiles = gather.batch * z * y.div_ceil(shape.outputs()) * x.div_ceil(shape.outputs());
    let filled = gather.outputs >= LEAST_CHANNELS && (shape.is_stem() || gather.inputs >= LEAST_CHANNELS);
    (filled && tiles >= LEAST_TILES && y.min(x) >= shape.outputs()).then_some(shape)
}

/// Returns the shape of a convolution's tiles.
fn of(gather: &Gather) -> Option<Shape> {
    let lanes = if gather.inputs == 4 { Lanes::image(4) } else { Lanes::parts(&[gather.inputs]) };
    let all = |of: fn(&Axis) -> usize| gather.axes.each_ref().map(of);
    let padding = all(|axis| usize::try_from(-axis.offset).unwrap_or(usize::MAX));
    let geometry = ConvGeometry { kernel: all(|axis| axis.taps), stride: all(|axis| axis.stride), padding };
    // The convolution that a transposed one transposes may leave out outputs that the kernel has room for.
    let whole = || geometry.output_size(all(|axis| axis.input)) == Some(all(|axis| axis.output));
    let dilated = gather.axes.iter().any(|axis| axis.step != 1);
    let known = |shape: &Shape| [Shape::PLANES, Shape::STEM].contains(shape);
    Shape::of(geometry, &lanes).filter(|shape| known(shape) && !dilated && whole())
}

/// See [`super::conv::forward`].
pub(super) fn forward(layer: &Layer<'_>, shape: Shape, input: &[f32], output: &mut [f32]) {
    let gather = layer.gather;
    let layers = [gather.axes.map(|axis| axis.input), gather.axes.map(|axis| axis.output)];
    let channels = [gather.inputs, gather.outputs];
    let pass = Pass { shape, batch: gather.batch, layers, channels };
    convolve(layer.isa, pass, input, layer.weight, layer.bias, output);
}

/// See [`super::conv::input_gradient`]; 3³ kernels only.
pub(super) fn input_gradient(layer: &Layer<'_>, output_gradient: &[f32], input_gradient: &mut [f32]) {
    let Layer { isa, gather, weight, bias } = *layer;
    let mut flipped = vec![0.0; weight.len()];
    for (i, flipped) in flipped.chunks_exact_mut(27 * gather.outputs).enumerate() {
        for (o, flipped) in flipped.chunks_exact_mut(27).enumerate() {
            let taps = &weight[(o * gather.inputs + i) * 27..][..27];
            flipped.iter_mut().zip(taps.iter().rev()).for_each(|(to, &tap)| *to = tap);
        }
    }
    let layers = [gather.axes.map(|axis| axis.output); 2];
    let channels = [gather.outputs, gather.inputs];
    let pass = Pass { shape: Shape::PLANES, batch: gather.batch, layers, channels };
    convolve(isa, pass, output_gradient, &flipped, bias, input_gradient);
}

/// See [`super::weight_gradient::run`].
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
        each_piece(
            isa,
            shape,
            (input, gather.inputs),
            [before, after],
            in_blocks + out_blocks,
            |bounds, near| {
                let window = rows_around(after, bounds.signed(), out_blocks);
                let mut gradient = SPARE.take(window.elements());
                pack_box(isa, output, gather.outputs, &window, &mut gradient);
                sums.add(near, (&window, &gradient), &bounds);
            },
        );
    }
    sums.finish(gather.inputs, gradient);
}

/// Sizes of a convolution.
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
    let conv = Winograd::new(isa, shape, &lanes(shape, inputs), dense, Rectifier::None);
    let out_blocks = outputs.div_ceil(BLOCK);
    let (by_input, by_output) = (inputs * volume(before), outputs * volume(after));
    for image in 0..batch {
        let input = &input[image * by_input..][..by_input];
        let output = &mut output[image * by_output..][..by_output];
        each_piece(
            isa,
            shape,
            (input, inputs),
            [before, after],
            inputs.div_ceil(BLOCK),
            |outputs_of, input| {
                let window = rows_around(after, outputs_of.signed(), out_blocks);
                let mut to = SPARE.take(window.elements());
                let output_of = (&window, &mut *to);
                let job = Job { outputs: outputs_of, parts: None, input, residual: None, output: output_of };
                conv.run(&mut [job]);
                unpack_box(isa, &window, &to, outputs, outputs_of, output);
            },
        );
    }
}

/// Calls `each` with every box of outputs of a piece and the inputs that it reads.
fn each_piece(
    isa: Isa,
    shape: Shape,
    (image, channels): (&[f32], usize),
    [before, after]: [[usize; 3]; 2],
    blocks: usize,
    mut each: impl FnMut(Box3, (&Window, &[f32])),
) {
    let stem = (shape.is_stem()).then(|| whole(shape, image, channels, before));
    for bounds in boxes(shape, after, blocks) {
        if let Some((window, values)) = &stem {
            each(bounds, (window, values));
        } else {
            let (window, values) = packed(isa, shape, (image, channels), before, bounds);
            each(bounds, (&window, &values));
        }
    }
}

fn volume(size: [usize; 3]) -> usize {
    size.iter().product()
}

fn lanes(shape: Shape, channels: usize) -> Lanes {
    if shape.is_stem() { Lanes::image(channels) } else { Lanes::parts(&[channels]) }
}

/// Packs an image of few channels as a whole.
fn whole(shape: Shape, image: &[f32], channels: usize, layer: [usize; 3]) -> (Window, Lent<'static>) {
    let window = Window::whole(layer, 1, channels, shape.geometry().padding[2]);
    let mut values = SPARE.take(window.elements());
    pack(image, channels, layer, &window, &mut values);
    (window, values)
}

/// Packs the part of an image that a box of outputs reads.
fn packed(
    isa: Isa,
    shape: Shape,
    (image, channels): (&[f32], usize),
    layer: [usize; 3],
    outputs: Box3,
) -> (Window, Lent<'static>) {
    let read = Window::read(shape.geometry(), outputs, layer);
    let window = rows_around(layer, read, channels.div_ceil(BLOCK));
    let mut values = SPARE.take(window.elements());
    pack_box(isa, image, channels, &window, &mut values);
    (window, values)
}

/// Returns the window of a box along z and y, with whole rows and a zero before and after each.
fn rows_around(layer: [usize; 3], mut bounds: Box3<isize>, blocks: usize) -> Window {
    (bounds.start[2], bounds.end[2]) = (-1, layer[2] as isize + 1);
    Window::new(layer, bounds, blocks, BLOCK)
}

/// Returns the boxes of outputs, of whole rows, to compute one after another.
fn boxes(shape: Shape, layer: [usize; 3], blocks: usize) -> Vec<Box3> {
    let voxels = |range: Range<usize>, size: usize| {
        range.start * shape.outputs()..(range.end * shape.outputs()).min(size)
    };
    pieces(shape, &Box3::whole(layer), blocks)
        .into_iter()
        .map(|tiles| {
            let [z, y, x] = tiles.ranges();
            [z, voxels(y, layer[1]), voxels(x, layer[2])].into()
        })
        .collect()
}
