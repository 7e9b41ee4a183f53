//! One convolution, forward and backward: `cargo bench -p conv3d`.

use candle_core::{DType, Device, Tensor, Var};
use conv3d::{Conv3dParams, compose, conv3d};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
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

criterion_group!(benches, convolutions);
criterion_main!(benches);
