//! Convolutions against the definition, boxes against the whole, threads against one.

use super::conv::{Convolution, Prologue};
use super::job::{Job, Residual};
use super::lanes::{Dense, Lanes};
use super::rectifier::Rectifier;
use super::window::{BLOCK, Window};
use crate::ConvGeometry;
use crate::simd::Isa;
use proptest::prelude::*;
use relevox_grid::Box3;

/// Numbers between −1 and 1 that look random.
pub(crate) fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Any activation of two pieces.
pub(crate) fn rectifiers() -> impl Strategy<Value = Rectifier> {
    prop::sample::select(vec![
        Rectifier::None,
        Rectifier::Relu,
        Rectifier::Leaky(0.25),
        Rectifier::Leaky(-1.5),
    ])
}

/// The activation by its definition.
fn rectified(rectifier: Rectifier, x: f64) -> f64 {
    match rectifier {
        Rectifier::None => x,
        Rectifier::Relu => x.max(0.0),
        Rectifier::Leaky(slope) => {
            if x > 0.0 {
                x
            } else {
                f64::from(slope) * x
            }
        }
    }
}

/// A convolution's shape, a residual's, and a box of its output.
#[derive(Debug, Clone)]
struct Case {
    channels: [usize; 2],
    /// The kernel counts taps.
    geometry: ConvGeometry,
    dilation: [usize; 3],
    size: [usize; 3],
    outputs: [usize; 3],
    bounds: Box3,
    residual: Option<usize>,
    rectifier: Rectifier,
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let axis = || {
        (
            1usize..8,
            1usize..3,
            0usize..4,
            1usize..20,
            0.0f64..1.0,
            0.0f64..1.0,
            prop::sample::select(vec![1usize, 1, 2, 3]),
        )
            .prop_filter_map(
                "a kernel that fits",
                |(kernel, stride, padding, size, from, share, dilation)| {
                    let outputs = (size + 2 * padding).checked_sub((kernel - 1) * dilation + 1)? / stride + 1;
                    let start = (from * outputs as f64) as usize;
                    let end = start + 1 + (share * (outputs - start) as f64) as usize;
                    Some((kernel, stride, padding, size, outputs, start..end.min(outputs), dilation))
                },
            )
    };
    let shapes = (prop::sample::select(vec![1usize, 3, 4, 16, 17, 40, 150]), 1usize..50);
    (shapes, [axis(), axis(), axis()], prop::option::of(1usize..3), rectifiers(), any::<u64>()).prop_map(
        |((from, to), axes, residual, rectifier, seed)| Case {
            channels: [from, to],
            geometry: ConvGeometry {
                kernel: axes.clone().map(|axis| axis.0),
                stride: axes.clone().map(|axis| axis.1),
                padding: axes.clone().map(|axis| axis.2),
            },
            dilation: axes.clone().map(|axis| axis.6),
            size: axes.clone().map(|axis| axis.3),
            outputs: axes.clone().map(|axis| axis.4),
            bounds: axes.map(|axis| axis.5).into(),
            residual,
            rectifier,
            seed,
        },
    )
}

/// The same voxels in a window of another extent, with what the window does not hold left as it is.
pub(crate) fn copied((from, values): (&Window, &[f32]), to: &Window, into: &mut [f32]) {
    let range = |axis: usize| {
        let end = |window: &Window| window.start[axis] + window.size[axis] as isize;
        from.start[axis].max(to.start[axis])..end(from).min(end(to))
    };
    for block in 0..from.blocks {
        for z in range(0) {
            for y in range(1) {
                for x in range(2) {
                    let voxel = [z, y, x];
                    let pitch = from.pitch;
                    into[to.at(block, voxel)..][..pitch]
                        .copy_from_slice(&values[from.at(block, voxel)..][..pitch]);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_box_is_the_bits_of_the_whole_on_any_number_of_threads(case in case()) {
        let [from, to] = case.channels;
        let taps: usize = case.geometry.kernel.iter().product();
        let work = from * to * taps * case.outputs.iter().product::<usize>();
        prop_assume!(work < 20_000_000);
        let (weights, bias) = (values(from * to * taps, case.seed), values(to, case.seed ^ 1));
        let lanes = Lanes::image(from);
        let halo = case.geometry.padding[2] + case.geometry.kernel[2] * case.dilation[2];
        let input = Window::whole(case.size, lanes.blocks(), lanes.pitch, halo);
        let mut image = vec![f32::NAN; input.elements()];
        let dense_image = values(from * case.size.iter().product::<usize>(), case.seed ^ 2);
        super::image::pack(&dense_image, from, case.size, &input, &mut image);
        let output = Window::whole(case.outputs, to.div_ceil(BLOCK), BLOCK, 2);
        let residual = case.residual.map(|stride| {
            let window = Window::whole(case.outputs.map(|n| n * stride), output.blocks.div_ceil(stride), BLOCK, 1);
            let values = values(window.elements(), case.seed ^ 3);
            (window, values, stride)
        });
        let residual = residual.as_ref().map(|(window, values, stride)| Residual { window, values, stride: *stride });
        for isa in Isa::available() {
            let dense = Dense { weights: &weights, bias: &bias };
            let conv = Convolution::new(isa, case.geometry, &lanes, dense).dilated(case.dilation).rectified(case.rectifier);
            let whole_of = |threads: usize| {
                let mut found = vec![f32::NAN; output.elements()];
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let outputs = Box3::whole(case.outputs);
                let job = Job { outputs, parts: None, input: (&input, &image), residual, output: (&output, &mut found) };
                pool.install(|| conv.run(&mut [job]));
                found
            };
            let whole = whole_of(1);
            prop_assert!(whole.iter().all(|value| value.is_finite()));
            prop_assert_eq!(&whole, &whole_of(3));

            // Against the definition.
            let first = case.bounds.signed().start;
            let ConvGeometry { kernel, stride, padding } = case.geometry;
            for o in 0..to {
                let mut sum = f64::from(bias[o]);
                let reach: [isize; 3] =
                    std::array::from_fn(|i| first[i] * stride[i] as isize - padding[i] as isize);
                for (tap, i) in (0..taps).flat_map(|tap| (0..from).map(move |i| (tap, i))) {
                    let tap3 = [tap / (kernel[1] * kernel[2]), tap / kernel[2] % kernel[1], tap % kernel[2]];
                    let voxel: [isize; 3] = std::array::from_fn(|axis| reach[axis] + (tap3[axis] * case.dilation[axis]) as isize);
                    if (0..3).all(|axis| (0..case.size[axis] as isize).contains(&voxel[axis])) {
                        let [z, y, x] = voxel.map(|v| v as usize);
                        let value = dense_image[((i * case.size[0] + z) * case.size[1] + y) * case.size[2] + x];
                        sum += f64::from(value) * f64::from(weights[(o * from + i) * taps + tap]);
                    }
                }
                if let Some(Residual { window, values, stride }) = residual
                    && o / BLOCK < window.blocks
                {
                    sum += f64::from(values[window.at(o / BLOCK, first.map(|v| v * stride as isize)) + o % BLOCK]);
                }
                let sum = rectified(case.rectifier, sum);
                let found = whole[output.at(o / BLOCK, first) + o % BLOCK];
                prop_assert!((f64::from(found) - sum).abs() <= 1e-4 * (taps * from) as f64, "{found} is not {sum}");
            }

            // A box from a window that holds just what it reads, into one that holds just what it writes.
            let read = Window::read(conv.geometry(), case.bounds, case.size);
            let near = Window::new(case.size, read, lanes.blocks(), lanes.pitch);
            let mut kept = vec![0.0; near.elements()];
            copied((&input, &image), &near, &mut kept);
            let target = Window::new(case.outputs, case.bounds.signed(), output.blocks, BLOCK);
            let mut found = vec![f32::NAN; target.elements()];
            let outputs = case.bounds;
            conv.run(&mut [Job { outputs, parts: None, input: (&near, &kept), residual, output: (&target, &mut found) }]);
            let mut wanted = vec![f32::NAN; target.elements()];
            copied((&output, &whole), &target, &mut wanted);
            prop_assert_eq!(found, wanted);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_prologue_is_a_layer_that_is_not_stored(
        parts in prop::collection::vec(1usize..70, 1..4), to in 1usize..80, size in [1usize..6, 1usize..9, 1usize..40],
        rectifier in rectifiers(), first in rectifiers(), images in 1usize..3, seed in any::<u64>(),
    ) {
        let lanes = Lanes::parts(&parts);
        let from = lanes.count();
        let (weights, bias) = (values(from * to, seed), values(to, seed ^ 1));
        let (scale, shift) = (values(from, seed ^ 2), values(from, seed ^ 3));
        let (scale, shift) = (lanes.arrange(&scale), lanes.arrange(&shift));
        let input = Window::whole(size, lanes.blocks(), BLOCK, 1);
        let output = Window::whole(size, to.div_ceil(BLOCK), BLOCK, 2);
        let stored: Vec<Vec<f32>> = (0..images as u64).map(|image| values(input.elements(), seed ^ (4 + image))).collect();
        let lane = |at: usize| at / (input.elements() / lanes.blocks()) * BLOCK + at % BLOCK;
        for isa in Isa::available() {
            let conv = Convolution::new(isa, ConvGeometry::POINTWISE, &lanes, Dense { weights: &weights, bias: &bias })
                .rectified(rectifier);
            let run = |conv: &Convolution, layers: &[Vec<f32>], threads: usize| {
                let mut found = vec![vec![f32::NAN; output.elements()]; images];
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut jobs: Vec<Job<'_>> = layers.iter().zip(&mut found).map(|(layer, found)| Job {
                    outputs: Box3::whole(size), parts: None, input: (&input, layer), residual: None, output: (&output, found),
                }).collect();
                pool.install(|| conv.run(&mut jobs));
                drop(jobs);
                found
            };
            // The layer as it would be stored; the fused one multiplies and adds in one rounding where the CPU can.
            let activated: Vec<Vec<f32>> = stored.iter().map(|layer| {
                let one = |(at, &x): (usize, &f32)| {
                    let sum = f64::from(x) * f64::from(scale[lane(at)]) + f64::from(shift[lane(at)]);
                    rectified(first, f64::from(sum as f32)) as f32
                };
                layer.iter().enumerate().map(one).collect()
            }).collect();
            let wanted = run(&conv, &activated, 1);
            let fused = conv.after(Prologue { scale: scale.clone(), shift: shift.clone(), rectifier: first });
            let found = run(&fused, &stored, 1);
            for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
                prop_assert!((found - wanted).abs() <= 2e-6 * from as f32, "{found} is not {wanted}");
            }
            prop_assert_eq!(found, run(&fused, &stored, 3));
        }
    }
}
