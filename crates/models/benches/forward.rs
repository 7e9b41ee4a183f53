//! Whole networks, forward and a training step: `cargo bench -p relevox-models --bench forward`.

use candle_core::{Device, Tensor};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use relevox_models::{
    Parameters, ResNet3d, ResNetConfig, UNet3d, UNetConfig,
    adam::{Adam, AdamConfig},
    loss::bce_with_logits,
};
use std::hint::black_box;

const STUDY: [usize; 5] = [4, 4, 48, 56, 48];

fn resnet10() -> ResNetConfig {
    ResNetConfig { depth: 10, width: 16, ..ResNetConfig::default() }
}

fn forward(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forward");
    group.sample_size(10);
    let x = Tensor::rand(0f32, 1.0, &STUDY, &Device::Cpu).expect("a batch");
    let vb = || Parameters::seeded(0, &Device::Cpu).frozen_builder();
    let network = ResNet3d::new(&resnet10(), vb()).expect("a network");
    group.bench_function(BenchmarkId::new("ResNet-10, width 16", format!("{STUDY:?}")), |bencher| {
        bencher.iter(|| network.forward_t(black_box(&x), false).expect("logits"));
    });
    let one = x.narrow(0, 0, 1).expect("one study");
    let network = UNet3d::new(&UNetConfig::default(), vb()).expect("a network");
    group.bench_function(BenchmarkId::new("U-Net", format!("{:?}", one.dims())), |bencher| {
        bencher.iter(|| network.forward_t(black_box(&one), false).expect("an output"));
    });
    group.finish();
}

fn train(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("training step");
    group.sample_size(10);
    let x = Tensor::rand(0f32, 1.0, &STUDY, &Device::Cpu).expect("a batch");
    let parameters = Parameters::seeded(0, &Device::Cpu);
    let network = ResNet3d::new(&resnet10(), parameters.builder()).expect("a network");
    let mut adam = Adam::new(parameters.trainable(), AdamConfig::default()).expect("an optimiser");
    group.bench_function(BenchmarkId::new("ResNet-10, width 16", format!("{STUDY:?}")), |bencher| {
        bencher.iter(|| {
            let logits = network.forward_t(black_box(&x), true).and_then(|y| y.squeeze(1)).expect("logits");
            let loss = bce_with_logits(&logits, &[true, false, true, false], 1.0).expect("a loss");
            adam.step(&loss.backward().expect("gradients"), 1e-3).expect("a step");
        });
    });
    group.finish();
}

criterion_group!(benches, forward, train);
criterion_main!(benches);
