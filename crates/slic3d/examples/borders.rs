//! Draws three slices of a synthetic volume with the boundaries of its supervoxels: `borders OUT.png`.

use std::path::Path;

use ndarray::{Array2, Array3, Axis};
use slic3d::Slic;

const SIDE: usize = 96;
const SCALE: usize = 2;
const GAP: usize = 4;
/// Palette index of a boundary; lower ones are greys.
const BORDER: u8 = 255;

/// Wavy shells in a ball, with a bright and a dark blob.
fn volume() -> Array3<f32> {
    let half = SIDE as f32 / 2.0;
    Array3::from_shape_fn((SIDE, SIDE, SIDE), |(z, y, x)| {
        let [z, y, x] = [z, y, x].map(|at| (at as f32 - half) / half);
        let fold = 0.06 * (8.0 * x + 2.0 * z).sin() * (7.0 * y).cos();
        let radius = (z * z + 1.3 * y * y + x * x).sqrt() + fold;
        let blob = |cz: f32, cy: f32, cx: f32| {
            (-30.0 * ((z - cz).powi(2) + (y - cy).powi(2) + (x - cx).powi(2))).exp()
        };
        let tissue = if radius < 0.45 { 0.45 } else { 0.65 };
        if radius > 0.85 { 0.0 } else { tissue + 0.3 * blob(0.1, 0.1, 0.35) - 0.3 * blob(-0.1, -0.1, -0.3) }
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = std::env::args().nth(1).ok_or("usage: borders OUT.png")?;
    let image = volume();
    let found = Slic::new(200).compactness(0.2).segment_volume(image.view(), None)?;
    let width = 3 * SIDE * SCALE + 2 * GAP;
    let mut pixels = Array2::<u8>::zeros((SIDE * SCALE, width));
    for axis in 0..3 {
        let values = image.index_axis(Axis(axis), SIDE / 2);
        let labels = found.labels();
        let labels = labels.index_axis(Axis(axis), SIDE / 2);
        for row in 0..SIDE * SCALE {
            for column in 0..SIDE * SCALE {
                let (y, x) = (row / SCALE, column / SCALE);
                let above = row > 0 && labels[[(row - 1) / SCALE, x]] != labels[[y, x]];
                let left = column > 0 && labels[[y, (column - 1) / SCALE]] != labels[[y, x]];
                let grey = (values[[y, x]].clamp(0.0, 1.0) * 254.0) as u8;
                pixels[[row, axis * (SIDE * SCALE + GAP) + column]] =
                    if above || left { BORDER } else { grey };
            }
        }
    }
    std::fs::write(Path::new(&out), png(&pixels))?;
    Ok(())
}

/// Encodes a PNG with a palette of greys and one orange, without compression.
fn png(pixels: &Array2<u8>) -> Vec<u8> {
    let (height, width) = pixels.dim();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = [(width as u32).to_be_bytes(), (height as u32).to_be_bytes()].concat();
    header.extend([8, 3, 0, 0, 0]);
    chunk(&mut file, b"IHDR", &header);
    let palette: Vec<u8> = (0..=254_u8).flat_map(|grey| [grey; 3]).chain([255, 140, 0]).collect();
    chunk(&mut file, b"PLTE", &palette);
    let raw: Vec<u8> = pixels.outer_iter().flat_map(|row| std::iter::once(0).chain(row.to_vec())).collect();
    let mut stream = vec![0x78, 0x01];
    let mut blocks = raw.chunks(65_535).peekable();
    while let Some(block) = blocks.next() {
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend((block.len() as u16).to_le_bytes());
        stream.extend((!(block.len() as u16)).to_le_bytes());
        stream.extend(block);
    }
    let (a, b) = raw.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    chunk(&mut file, b"IDAT", &stream);
    chunk(&mut file, b"IEND", &[]);
    file
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let checked = [kind, data].concat();
    let crc = checked.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    });
    file.extend(checked);
    file.extend((!crc).to_be_bytes());
}
