//! Winograd's algorithm against the direct algorithm, boxes against the whole, threads against one.

use super::super::conv::Convolution;
use super::super::tests::{copied, rectifiers, values};
use super::*;
use proptest::prelude::*;
use std::ops::Range;

/// Shapes of tiles.
fn shapes() -> impl Strategy<Value = Shape> {
    let depth = || prop::sample::select(vec![1usize, 3, 5, 7]);
    let outputs = || prop::sample::select(vec![2usize, 4]);
    prop_oneof![
        (outputs(), depth()).prop_map(|(outputs, depth)| Shape::Plane { outputs, depth }),
        outputs().prop_map(|outputs| Shape::Cube { outputs }),
        Just(Shape::Halved),
        (depth(), 1usize..3).prop_map(|(depth, stride)| Shape::Stem { depth, stride }),
    ]
}

/// Dilations by axis, mostly none.
fn dilations() -> impl Strategy<Value = [usize; 3]> {
    prop_oneof![Just([1; 3]), prop::array::uniform3(1usize..5)]
}

/// A convolution under test.
enum Form {
    Plain(Winograd),
    Dilated(Dilated),
}

impl Form {
    fn run(&self, jobs: &mut [Job<'_>]) {
        match self {
            Form::Plain(conv) => conv.run(jobs),
            Form::Dilated(conv) => conv.run(jobs),
        }
    }
}

/// Input and output channels: so few that tiles along every axis are computed a few columns at a time, or more.
fn channels() -> impl Strategy<Value = [usize; 2]> {
    prop_oneof![
        8 => [1usize..50, 1usize..40],
        1 => Just([FEW_PRODUCTS / 64 + 1, 65]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn it_is_the_direct_form(
        shape in shapes(), [from, to] in channels(), size in [1usize..12, 1usize..15, 1usize..19], odd in any::<bool>(),
        residual in prop::option::of(1usize..3), rectifier in rectifiers(), images in 1usize..4,
        corners in prop::array::uniform6(0.0f64..1.0), dilation in dilations(), seed in any::<u64>(),
    ) {
        let stem = shape.is_stem();
        let (from, size) = if stem { (4, size.map(|n| 2 * n - usize::from(odd))) } else { (from, size) };
        let taps = shape.geometry();
        let dilation = if taps.stride == [1; 3] { dilation } else { [1; 3] };
        let padding: [usize; 3] = std::array::from_fn(|axis| dilation[axis] * taps.padding[axis]);
        let kernel = std::array::from_fn(|axis| dilation[axis] * (taps.kernel[axis] - 1) + 1);
        let geometry = ConvGeometry { kernel, padding, ..taps };
        let (weights, bias) = (values(shape.taps() * from * to, seed), values(to, seed ^ 1));
        let lanes = if stem { Lanes::image(4) } else { Lanes::parts(&[from]) };
        let input = Window::whole(size, lanes.blocks(), lanes.pitch, geometry.padding[2]);
        let layers: Vec<Vec<f32>> = (0..images as u64)
            .map(|image| {
                let mut layer = vec![f32::NAN; input.elements()];
                let dense = values(from * size.iter().product::<usize>(), seed ^ (2 + image));
                crate::blocked::image::pack(&dense, from, size, &input, &mut layer);
                layer
            })
            .collect();
        let size: [usize; 3] = std::array::from_fn(|axis| (size[axis] - 1) / geometry.stride[axis] + 1);
        let output = Window::whole(size, to.div_ceil(BLOCK), BLOCK, 2);
        let residual = residual.map(|stride| {
            let window = Window::whole(size.map(|n| n * stride), output.blocks.div_ceil(stride), BLOCK, 1);
            let values = values(window.elements(), seed ^ 9);
            (window, values, stride)
        });
        let residual = residual.as_ref().map(|(window, values, stride)| Residual { window, values, stride: *stride });
        let whole = Box3::whole(size);
        let bounds: Box3 = std::array::from_fn(|axis| {
            let n = size[axis] as f64;
            let (first, len) = ((corners[axis] * n) as usize, corners[axis + 3] * (1.0 - corners[axis]) * n);
            let grid = shape.grid()[axis] * if taps.kernel[axis] == 1 { 1 } else { dilation[axis] };
            let end = (first + 1 + len as usize).next_multiple_of(grid).min(size[axis]);
            first / grid * grid..end
        })
        .into();
        for isa in Isa::available() {
            let dense = Dense { weights: &weights, bias: &bias };
            let direct = Convolution::new(isa, ConvGeometry { padding, ..taps }, &lanes, dense)
                .dilated(dilation)
                .rectified(rectifier);
            let conv = Winograd::new(isa, shape, &lanes, dense, rectifier);
            let conv = match dilation {
                [1, 1, 1] => Form::Plain(conv),
                _ => Form::Dilated(Dilated::new(conv, dilation)),
            };
            let run = |outputs: Box3, threads: usize, work: &(dyn Fn(&mut [Job<'_>]) + Sync)| {
                let mut found = vec![vec![7.0; output.elements()]; images];
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut jobs: Vec<Job<'_>> = layers
                    .iter()
                    .zip(&mut found)
                    .map(|(layer, found)| Job {
                        outputs,
                        parts: None, input: (&input, layer.as_slice()), residual, output: (&output, found),
                    })
                    .collect();
                pool.install(|| work(&mut jobs));
                drop(jobs);
                found
            };
            let wanted = run(whole, 1, &|jobs| direct.run(jobs));
            let found = run(whole, 1, &|jobs| conv.run(jobs));
            let scale = wanted.iter().flatten().fold(1.0f32, |scale, value| scale.max(value.abs()));
            for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
                prop_assert!((found - wanted).abs() <= 2e-5 * scale, "{found} is not {wanted}, of {scale}");
            }
            prop_assert_eq!(&found, &run(whole, 3, &|jobs| conv.run(jobs)));
            // From a window that holds just what the box reads.
            let read = Window::read(geometry, bounds, input.layer);
            let near = Window::new(input.layer, read, lanes.blocks(), lanes.pitch);
            let mut kept = vec![0.0; near.elements()];
            copied((&input, &layers[0]), &near, &mut kept);
            let mut boxed = vec![7.0; output.elements()];
            let (input, output_of) = ((&near, kept.as_slice()), (&output, boxed.as_mut_slice()));
            conv.run(&mut [Job { outputs: bounds, parts: None, input, residual, output: output_of }]);
            let boxes = run(bounds, 2, &|jobs| conv.run(jobs));
            prop_assert_eq!(&boxed, &boxes[0]);
            for (found, boxed) in found.iter().zip(&boxes) {
                for block in 0..output.blocks {
                    for (z, y, x) in voxels(size) {
                        let inside = bounds.contains(&Box3::new([z, y, x], [z + 1, y + 1, x + 1]));
                        let at = output.at(block, [z, y, x].map(|at| at as isize));
                        let wanted = if inside { &found[at..at + BLOCK] } else { &[7.0; BLOCK][..] };
                        prop_assert_eq!(&boxed[at..at + BLOCK], wanted, "{:?}", [z, y, x]);
                    }
                }
            }
        }
    }
}

/// All voxels of a layer.
fn voxels([depth, height, width]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..depth).flat_map(move |z| (0..height).flat_map(move |y| (0..width).map(move |x| (z, y, x))))
}

/// Computes jobs in one form.
type Run<'a> = &'a (dyn Fn(&mut [Job<'_>]) + Sync);

/// A layer, its boxes and what was computed of it.
struct Layer {
    size: [usize; 3],
    input: (Window, Vec<f32>),
    output: Window,
    boxes: Vec<Box3>,
}

impl Layer {
    /// Boxes at some of the places of a tile, or in some of the rows where there are no tiles.
    fn new(
        lanes: &Lanes,
        geometry: ConvGeometry,
        grid: [usize; 3],
        size: [usize; 3],
        out_blocks: usize,
        seed: u64,
    ) -> Layer {
        let input = Window::whole(size, lanes.blocks(), lanes.pitch, geometry.padding[2]);
        let channels = lanes.channels.iter().flatten().count();
        let mut image = vec![f32::NAN; input.elements()];
        let dense = values(channels * size.iter().product::<usize>(), seed);
        crate::blocked::image::pack(&dense, channels, size, &input, &mut image);
        let size = std::array::from_fn(|axis| (size[axis] - 1) / geometry.stride[axis] + 1);
        let output = Window::whole(size, out_blocks, BLOCK, 2);
        let mut draw =
            values(3 * size.iter().product::<usize>(), seed ^ 5).into_iter().map(|value| value.abs() % 1.0);
        let mut part = |range: Range<usize>| {
            let [first, len] = [(); 2].map(|()| draw.next().unwrap() * range.len() as f32);
            let start = range.start + first as usize;
            start..(start + 1 + len as usize).min(range.end)
        };
        let [depth, height, width] = size;
        let mut boxes = Vec::new();
        if grid == [1; 3] {
            for (z, y) in (0..depth).flat_map(|z| (0..height).map(move |y| (z, y))).step_by(3) {
                boxes.push([z..z + 1, y..y + 1, part(0..width)].into());
            }
        } else {
            let [deep, high, wide] = grid;
            let tiles = |n: usize, by: usize| (0..n).step_by(by).map(move |first| first..(first + by).min(n));
            let columns = tiles(height, high).flat_map(|y| tiles(width, wide).map(move |x| (y.clone(), x)));
            for (y, x) in columns.step_by(2) {
                let planes = part(0..depth);
                let planes = planes.start / deep * deep..planes.end.next_multiple_of(deep).min(depth);
                boxes.push([planes, y, x].into());
            }
        }
        Layer { size, input: (input, image), output, boxes }
    }

    fn job<'a>(&'a self, parts: bool, found: &'a mut [f32]) -> Job<'a> {
        Job {
            outputs: Box3::whole(self.size),
            parts: parts.then_some(self.boxes.as_slice()),
            input: (&self.input.0, &self.input.1),
            residual: None,
            output: (&self.output, found),
        }
    }

    /// Returns whether the boxes hold the bits of the whole result, and all other values are unchanged.
    fn holds(&self, boxed: &[f32], whole: &[f32]) -> bool {
        (0..self.output.blocks).all(|block| {
            voxels(self.size).all(|(z, y, x)| {
                let inside = |part: &Box3| part.contains(&Box3::new([z, y, x], [z + 1, y + 1, x + 1]));
                let at = self.output.at(block, [z, y, x].map(|at| at as isize));
                let wanted =
                    if self.boxes.iter().any(inside) { &whole[at..at + BLOCK] } else { &[7.0; BLOCK][..] };
                boxed[at..at + BLOCK] == *wanted
            })
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn boxes_of_several_layers_are_the_bits_of_each(
        shape in shapes(), [from, to] in channels(), deep in 33usize..75,
        sizes in prop::array::uniform3([1usize..14, 1usize..15, 1usize..19]), seed in any::<u64>(),
    ) {
        let stem = shape.is_stem();
        let from = if stem { 4 } else { from };
        let geometry = shape.geometry();
        let lanes = if stem { Lanes::image(4) } else { Lanes::parts(&[from]) };
        let (weights, bias) = (values(shape.taps() * from * to, seed), values(to, seed ^ 1));
        let dense = Dense { weights: &weights, bias: &bias };
        let mut sizes = sizes;
        // Deeper than a stack may be.
        sizes[0][0] = deep;
        for isa in Isa::available() {
            let winograd = Winograd::new(isa, shape, &lanes, dense, Rectifier::Relu);
            let direct = Convolution::new(isa, geometry, &lanes, dense).rectified(Rectifier::Relu);
            let forms: [([usize; 3], Run<'_>); 2] =
                [(shape.grid(), &|jobs| winograd.run(jobs)), ([1; 3], &|jobs| direct.run(jobs))];
            for (grid, run) in forms {
                let layers: Vec<Layer> = sizes
                    .iter()
                    .zip((0..3).map(|at| seed ^ at << 7))
                    .map(|(&size, seed)| Layer::new(&lanes, geometry, grid, size, to.div_ceil(BLOCK), seed))
                    .collect();
                let computed = |parts: bool, threads: usize| {
                    let mut found: Vec<Vec<f32>> = layers.iter().map(|layer| vec![7.0; layer.output.elements()]).collect();
                    let mut jobs: Vec<Job<'_>> =
                        layers.iter().zip(&mut found).map(|(layer, found)| layer.job(parts, found)).collect();
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    pool.install(|| run(&mut jobs));
                    drop(jobs);
                    found
                };
                let (whole, boxed) = (computed(false, 1), computed(true, 3));
                for ((layer, whole), boxed) in layers.iter().zip(&whole).zip(&boxed) {
                    prop_assert!(layer.holds(boxed, whole), "{:?} in boxes {:?}", layer.size, layer.boxes);
                }
            }
        }
    }
}
