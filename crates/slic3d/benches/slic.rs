//! Segmentation of a synthetic volume over sizes, numbers of regions, compactness, threads, masks and channels.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{Array3, Array4};
use slic3d::Slic;

/// A noisy ball of wavy layers in empty space, with the proportions of a head scan.
fn head(side: usize) -> Array3<f32> {
    let half = side as f32 / 2.0;
    Array3::from_shape_fn((side, side, side), |(z, y, x)| {
        let [z, y, x] = [z, y, x].map(|at| (at as f32 - half) / half);
        let radius =
            (z * z + y * y + x * x).sqrt() + 0.05 * (9.0 * x).sin() * (8.0 * y).cos() * (7.0 * z).sin();
        let noise = ((x * 127.1 + y * 311.7 + z * 74.7).sin() * 43_758.547).fract();
        if radius > 0.9 { 0.0 } else { 0.5 + 0.3 * (14.0 * radius).sin() + 0.05 * noise }
    })
}

fn in_pool<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(run),
        Err(error) => panic!("{threads} threads: {error}"),
    }
}

fn segment(slic: &Slic, image: &Array3<f32>) -> usize {
    slic.segment_volume(image.view(), None).map_or(0, |found| found.len())
}

/// Measures the time of `times` segmentations.
fn timed(times: u64, image: &Array3<f32>) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        black_box(segment(&Slic::new(100), image));
    }
    start.elapsed()
}

fn slic(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("slic");
    group.sample_size(10);
    for side in [64, 128, 192] {
        let image = head(side);
        group.throughput(Throughput::Elements(image.len() as u64));
        group.bench_with_input(BenchmarkId::new("side", side), &image, |b, image| {
            b.iter(|| segment(&Slic::new(100), image))
        });
    }
    let image = head(128);
    group.throughput(Throughput::Elements(image.len() as u64));
    for regions in [50, 250, 1000] {
        group.bench_function(BenchmarkId::new("regions", regions), |b| {
            b.iter(|| segment(&Slic::new(regions), &image))
        });
    }
    for compactness in [1.0, 0.1, 0.01] {
        let slic = Slic::new(100).compactness(compactness);
        group.bench_function(BenchmarkId::new("compactness", compactness), |b| {
            b.iter(|| segment(&slic, &image))
        });
    }
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("threads", threads), |b| {
            b.iter_custom(|times| in_pool(threads, || timed(times, &image)));
        });
    }
    let mask = image.mapv(|value| value > 0.0);
    group.bench_function("mask", |b| {
        b.iter(|| Slic::new(100).segment_volume(image.view(), Some(mask.view())).map(|f| f.len()))
    });
    let four =
        Array4::from_shape_fn((4, 128, 128, 128), |(c, z, y, x)| image[[z, y, x]] * (c + 1) as f32 % 1.0);
    group.bench_function("four channels", |b| {
        b.iter(|| Slic::new(100).segment(four.view(), None).map(|f| f.len()))
    });
    group.finish();
}

criterion_group!(benches, slic);
criterion_main!(benches);
