//! Convolutions, forward and backward, and the two direct kernels: `cargo bench -p conv3d`.

use candle_core::{DType, Device, Tensor, Var};
use conv3d::blocked::conv::Convolution;
use conv3d::blocked::image::{pack_box, unpack_box};
use conv3d::blocked::job::Job;
use conv3d::blocked::lanes::{Dense, Lanes};
use conv3d::blocked::window::{BLOCK, Window};
use conv3d::{Conv3dParams, Isa, compose, conv3d};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use relevox_grid::Box3;
use std::hint::black_box;

/// Channels in and out, kernel, stride, voxels along an axis.
const LAYERS: [[usize; 5]; 4] =
    [[4, 16, 7, 2, 48], [16, 16, 3, 1, 24], [64, 64, 3, 1, 32], [32, 64, 1, 2, 24]];

fn convolutions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("conv3d");
    group.sample_size(10);
    for [from, to, kernel, stride, size] in LAYERS {
        let x = Tensor::rand(-1f32, 1.0, (1, from, size, size, size), &Device::Cpu).expect("an input");
        let weight =
            Tensor::rand(-1f32, 1.0, (to, from, kernel, kernel, kernel), &Device::Cpu).expect("a kernel");
        let params = Conv3dParams::cubic(stride, kernel / 2);
        let out = params.output_size([size; 3], [kernel; 3]).expect("a kernel that fits");
        let operations = 2 * out.iter().product::<usize>() * weight.elem_count();
        group.throughput(Throughput::Elements(operations as u64));
        let name = format!("{from}-{to} {kernel}^3/{stride} on {size}^3");
        group.bench_function(BenchmarkId::new("forward", &name), |bencher| {
            bencher.iter(|| conv3d(black_box(&x), &weight, None, params).expect("a convolution"));
        });
        group.bench_function(BenchmarkId::new("composed", &name), |bencher| {
            bencher.iter(|| compose::conv3d(black_box(&x), &weight, None, params).expect("a convolution"));
        });
        let (x, weight) = (Var::from_tensor(&x).expect("a copy"), Var::from_tensor(&weight).expect("a copy"));
        let direction =
            Tensor::ones((1, to, out[0], out[1], out[2]), DType::F32, &Device::Cpu).expect("ones");
        group.bench_function(BenchmarkId::new("forward and backward", &name), |bencher| {
            bencher.iter(|| {
                let y = conv3d(&x, &weight, None, params).expect("a convolution");
                let sum = (y * &direction).and_then(|y| y.sum_all()).expect("a sum");
                black_box(sum.backward().expect("gradients"))
            });
        });
    }
    group.finish();
}

/// A convolution without a Winograd algorithm, by the dense kernel on candle's layout and by the blocked one.
fn direct_kernels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("direct kernels, 3^3/2");
    group.sample_size(10);
    for [channels, size] in [[64, 32], [128, 16]] {
        let dims = (1, channels, size, size, size);
        let x = Tensor::rand(-1f32, 1.0, dims, &Device::Cpu).expect("an input");
        let weight = Tensor::rand(-1f32, 1.0, (channels, channels, 3, 3, 3), &Device::Cpu).expect("a kernel");
        let params = Conv3dParams::cubic(2, 1);
        let name = format!("{channels} channels on {size}^3");
        group.bench_function(BenchmarkId::new("dense", &name), |bencher| {
            bencher.iter(|| conv3d(black_box(&x), &weight, None, params).expect("a convolution"));
        });

        let values = |tensor: &Tensor| {
            tensor.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).expect("float32 values")
        };
        let (image, weights, bias) = (values(&x), values(&weight), vec![0.0; channels]);
        let (isa, lanes) = (Isa::current(), Lanes::parts(&[channels]));
        let dense = Dense { weights: &weights, bias: &bias };
        let conv = Convolution::new(isa, params.geometry([3; 3]), &lanes, dense);
        let outputs = [size / 2; 3];
        let input = Window::whole([size; 3], lanes.blocks(), BLOCK, 1);
        let output = Window::whole(outputs, lanes.blocks(), BLOCK, 1);
        let (mut packed, mut found) = (vec![0.0; input.elements()], vec![0.0; output.elements()]);
        let mut unpacked = vec![0.0; channels * outputs.iter().product::<usize>()];
        pack_box(isa, &image, channels, &input, &mut packed);
        let run = |packed: &[f32], found: &mut [f32]| {
            let (input, output) = ((&input, packed), (&output, found));
            let outputs = Box3::whole(outputs);
            conv.run(&mut [Job { outputs, parts: None, input, residual: None, output }]);
        };
        group.bench_function(BenchmarkId::new("blocked", &name), |bencher| {
            bencher.iter(|| run(black_box(&packed), &mut found));
        });
        group.bench_function(BenchmarkId::new("blocked, repacked", &name), |bencher| {
            bencher.iter(|| {
                let conv = Convolution::new(isa, params.geometry([3; 3]), &lanes, dense);
                pack_box(isa, black_box(&image), channels, &input, &mut packed);
                let (input, output_of) = ((&input, packed.as_slice()), (&output, found.as_mut_slice()));
                let outputs = Box3::whole(outputs);
                conv.run(&mut [Job { outputs, parts: None, input, residual: None, output: output_of }]);
                unpack_box(isa, &output, &found, channels, outputs, &mut unpacked);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, convolutions, direct_kernels);
criterion_main!(benches);
