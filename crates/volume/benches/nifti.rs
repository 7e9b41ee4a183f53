//! Reading and writing a scan of BraTS's size, with decompression as the baseline:
//! `cargo bench -p relevox-volume --bench nifti`.

use std::fs;
use std::hint::black_box;
use std::io::{self, Read};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array3;
use relevox_volume::{Geometry, Volume, nifti};

const SHAPE: [usize; 3] = [155, 240, 240];

/// A ball of noisy integers in air, about as compressible as a skull-stripped scan.
fn scan() -> Volume<u32> {
    let mut state = 1_u32;
    let voxels = Array3::from_shape_fn(SHAPE, |at| {
        let (z, y, x) = at;
        let away = [(z, 77.0, 60.0), (y, 120.0, 85.0), (x, 120.0, 70.0)];
        let inside =
            away.iter().map(|&(i, middle, radius)| ((i as f32 - middle) / radius).powi(2)).sum::<f32>() < 1.0;
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if inside { 300 + (z + y + x) as u32 / 4 + (state >> 26) } else { 0 }
    });
    Volume { voxels, geometry: Geometry::axis_aligned(SHAPE, [1.0; 3]) }
}

fn read(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("scan.nii.gz");
    nifti::write_labels(&path, &scan()).expect("a written scan");
    let mut group = criterion.benchmark_group("nifti");
    group.sample_size(20).throughput(Throughput::Elements(SHAPE.iter().product::<usize>() as u64));
    group.bench_function("read", |bencher| bencher.iter(|| black_box(nifti::read(&path).expect("the scan"))));
    group.bench_function("decompress", |bencher| {
        bencher.iter(|| {
            let file = io::BufReader::with_capacity(1 << 18, fs::File::open(&path).expect("the scan"));
            let mut stream = flate2::bufread::MultiGzDecoder::new(file);
            let mut chunk = vec![0; 1 << 16];
            let mut bytes = 0;
            loop {
                match stream.read(&mut chunk).expect("gzip") {
                    0 => break bytes,
                    n => bytes += n,
                }
            }
        });
    });
    let map = nifti::read(&path).expect("the scan");
    let out = folder.path().join("map.nii.gz");
    group
        .bench_function("write", |bencher| bencher.iter(|| nifti::write(&out, &map).expect("a written map")));
    group.finish();
}

criterion_group!(benches, read);
criterion_main!(benches);
