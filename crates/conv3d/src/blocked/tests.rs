//! Convolutions against the definition, boxes against the whole, threads against one.

use super::conv::{Convolution, Dense, Job, Lanes, Residual, Spread};
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
/// A convolution's shape, a residual's, and a box of its output.
#[derive(Debug, Clone)]
struct Case {
    channels: [usize; 2],
    geometry: ConvGeometry,
    size: [usize; 3],
    outputs: [usize; 3],
    bounds: Box3,
    residual: Option<usize>,
    relu: bool,
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    let axis = || {
        (1usize..8, 1usize..3, 0usize..4, 1usize..20, 0.0f64..1.0, 0.0f64..1.0).prop_filter_map(
            "a kernel that fits",
            |(kernel, stride, padding, size, from, share)| {
                let outputs = (size + 2 * padding).checked_sub(kernel)? / stride + 1;
                let start = (from * outputs as f64) as usize;
                let end = start + 1 + (share * (outputs - start) as f64) as usize;
                Some((kernel, stride, padding, size, outputs, start..end.min(outputs)))
            },
        )
    };
    let shapes = (prop::sample::select(vec![1usize, 3, 4, 16, 17, 40, 150]), 1usize..50);
    (shapes, [axis(), axis(), axis()], prop::option::of(1usize..3), any::<bool>(), any::<u64>()).prop_map(
        |((from, to), axes, residual, relu, seed)| Case {
            channels: [from, to],
            geometry: ConvGeometry {
                kernel: axes.clone().map(|axis| axis.0),
                stride: axes.clone().map(|axis| axis.1),
                padding: axes.clone().map(|axis| axis.2),
            },
            size: axes.clone().map(|axis| axis.3),
            outputs: axes.clone().map(|axis| axis.4),
            bounds: axes.map(|axis| axis.5).into(),
            residual,
            relu,
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
        let halo = case.geometry.padding[2] + case.geometry.kernel[2];
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
            let conv = Convolution::new(isa, case.geometry, Spread::NONE, &lanes, dense, case.relu);
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
                    let voxel: [isize; 3] = std::array::from_fn(|axis| reach[axis] + tap3[axis] as isize);
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
                let sum = if case.relu { sum.max(0.0) } else { sum };
                let found = whole[output.at(o / BLOCK, first) + o % BLOCK];
                prop_assert!((f64::from(found) - sum).abs() <= 1e-4 * (taps * from) as f64, "{found} is not {sum}");
            }

            // A box from a window that holds just what it reads, into one that holds just what it writes.
            let read = Window::read(case.geometry, case.bounds, case.size);
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
