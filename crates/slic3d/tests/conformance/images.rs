//! The images and masks of `fixtures/make.py`, computed by the same integer formulas.

use ndarray::{Array3, Array4};

fn mix(n: u64) -> u64 {
    let mut n = n & 0xffff_ffff;
    for (shift, factor) in [(16, 0x7feb_352d), (15, 0x846c_a68b)] {
        n = ((n ^ (n >> shift)) * factor) & 0xffff_ffff;
    }
    n ^ (n >> 16)
}

pub fn image(kind: &str, seed: u64, channels: usize, shape: [usize; 3]) -> Array4<f32> {
    let [depth, height, width] = shape;
    Array4::from_shape_fn((channels, depth, height, width), |(c, z, y, x)| {
        let index = ((c * depth + z) * height + y) * width + x;
        let noise = mix(index as u64 + seed * 1_000_003);
        let ball: u64 = [z, y, x]
            .iter()
            .zip(shape)
            .map(|(&at, length)| (2 * at as i64 - length as i64).pow(2) as u64)
            .sum();
        let cell = mix((((z / 4) * 37 + y / 5) * 41 + x / 6 + c * 7919) as u64 + seed);
        let value = match kind {
            "noise" => noise >> 8,
            "blobs" => (cell % 1000) * 16 + noise % 1024,
            "steps" => cell % 4,
            "ramp" => (3 * x + 5 * y + 2 * z + c) as u64,
            "rings" => 200 * ((ball / 23 + c as u64) % 5) + noise % 8,
            "constant" => 5,
            other => panic!("image kind {other}"),
        };
        (value as f32 - 300.0) / 7.0
    })
}

pub fn mask(kind: &str, seed: u64, shape: [usize; 3]) -> Option<Array3<bool>> {
    let [depth, height, width] = shape.map(|n| n as i64);
    let inside = |(z, y, x): (usize, usize, usize)| {
        let at = [z, y, x].map(|i| i as i64);
        match kind {
            "ball" => {
                let part = |i: i64, n: i64| (2 * i - n).pow(2) * 1024 / (n * n);
                (0..3).map(|axis| part(at[axis], [depth, height, width][axis].max(2))).sum::<i64>() < 1100
            }
            "box" => 2 * at[2] >= width / 2 && 3 * at[1] < 3 * height - 2,
            "speckle" => mix(((at[0] * height + at[1]) * width + at[2]) as u64 + seed + 77) & 3 != 0,
            "two" => (2 * at[2] / (width / 4).max(1)) % 3 != 1,
            other => panic!("mask kind {other}"),
        }
    };
    (kind != "none").then(|| Array3::from_shape_fn((shape[0], shape[1], shape[2]), inside))
}
