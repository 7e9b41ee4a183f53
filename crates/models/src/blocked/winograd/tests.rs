//! Winograd's form against the direct one, boxes against the whole, threads against one.

use super::super::conv::{Convolution, Spread};
use super::super::tests::{around, copied, values};
use super::super::window::clip;
use super::*;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn it_is_the_direct_form(
        stem in any::<bool>(), from in 1usize..50, to in 1usize..40, size in [1usize..12, 1usize..15, 1usize..19], four in any::<bool>(),
        residual in prop::option::of(1usize..3), relu in any::<bool>(), images in 1usize..4,
        corners in prop::array::uniform6(0.0f64..1.0), seed in any::<u64>(),
    ) {
        let shape = if stem { Shape::Stem } else { Shape::Cube(if four { 4 } else { 2 }) };
        let (from, size) = if stem { (4, size.map(|n| 2 * n - usize::from(four))) } else { (from, size) };
        let geometry = shape.geometry();
        let (weights, bias) = (values(geometry.kernel[0].pow(3) * from * to, seed), values(to, seed ^ 1));
        let lanes = if stem { Lanes::image(4) } else { Lanes::parts(&[from]) };
        let input = Window::whole(size, lanes.blocks(), lanes.pitch, geometry.padding[2]);
        let layers: Vec<Vec<f32>> = (0..images as u64)
            .map(|image| {
                let mut layer = vec![f32::NAN; input.len()];
                let dense = values(from * size.iter().product::<usize>(), seed ^ (2 + image));
                crate::blocked::image::pack(&dense, from, size, &input, &mut layer);
                layer
            })
            .collect();
        let size = size.map(|n| (n - 1) / geometry.stride[0] + 1);
        let output = Window::whole(size, to.div_ceil(BLOCK), BLOCK, 2);
        let residual = residual.map(|stride| {
            let window = Window::whole(size.map(|n| n * stride), output.blocks.div_ceil(stride), BLOCK, 1);
            let values = values(window.len(), seed ^ 9);
            (window, values, stride)
        });
        let residual = residual.as_ref().map(|(window, values, stride)| Residual { window, values, stride: *stride });
        let tile = shape.outputs();
        let whole = size.map(|n| 0..n);
        let region: [Range<usize>; 3] = std::array::from_fn(|axis| {
            let n = size[axis] as f64;
            let (first, len) = ((corners[axis] * n) as usize, corners[axis + 3] * (1.0 - corners[axis]) * n);
            let grid = if axis == 0 { 1 } else { tile };
            let end = (first + 1 + len as usize).next_multiple_of(grid).min(size[axis]);
            first / grid * grid..end
        });
        for isa in Isa::available() {
            let dense = Dense { weights: &weights, bias: &bias };
            let direct = Convolution::new(isa, geometry, Spread::NONE, &lanes, dense, relu);
            let conv = Winograd::new(isa, shape, &lanes, dense, relu);
            let run = |region: &[Range<usize>; 3], threads: usize, work: &(dyn Fn(&mut [Job<'_>]) + Sync)| {
                let mut found = vec![vec![7.0; output.len()]; images];
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut jobs: Vec<Job<'_>> = layers
                    .iter()
                    .zip(&mut found)
                    .map(|(layer, found)| Job {
                        region: region.clone(),
                        parts: None, input: (&input, layer.as_slice()), residual, output: (&output, found),
                    })
                    .collect();
                pool.install(|| work(&mut jobs));
                drop(jobs);
                found
            };
            let wanted = run(&whole, 1, &|jobs| direct.run(jobs));
            let found = run(&whole, 1, &|jobs| conv.run(jobs));
            let scale = wanted.iter().flatten().fold(1.0f32, |scale, value| scale.max(value.abs()));
            for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
                prop_assert!((found - wanted).abs() <= 2e-5 * scale, "{found} is not {wanted}, of {scale}");
            }
            prop_assert_eq!(&found, &run(&whole, 3, &|jobs| conv.run(jobs)));
            // From a window that holds just what the box reads.
            let [z, y, x] = geometry.reach(&region);
            let read = [clip(z, input.layer[0]), clip(y, input.layer[1]), x];
            let near = around(input.layer, &read, lanes.blocks(), lanes.pitch);
            let mut kept = vec![0.0; near.len()];
            copied((&input, &layers[0]), &near, &mut kept);
            let mut boxed = vec![7.0; output.len()];
            let (input, output_of) = ((&near, kept.as_slice()), (&output, boxed.as_mut_slice()));
            conv.run(&mut [Job { region: region.clone(), parts: None, input, residual, output: output_of }]);
            let boxes = run(&region, 2, &|jobs| conv.run(jobs));
            prop_assert_eq!(&boxed, &boxes[0]);
            for (found, boxed) in found.iter().zip(&boxes) {
                for block in 0..output.blocks {
                    for (z, y, x) in voxels(size) {
                        let inside = region[0].contains(&z) && region[1].contains(&y) && region[2].contains(&x);
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
