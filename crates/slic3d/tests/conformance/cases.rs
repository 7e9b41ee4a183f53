//! Reads the fixtures written by `fixtures/make.py`.

use std::collections::HashMap;

use ndarray::{Array3, Array4};
use slic3d::{Sigma, Slic};

const CASES: &str = include_str!("../fixtures/cases.txt");
const KERNELS: &str = include_str!("../fixtures/kernels.txt");
const LABELS: &[u8] = include_bytes!("../fixtures/labels.bin");

/// One combination of image and parameters with scikit-image's labels, where −1 is `u32::MAX`.
pub struct Case {
    pub line: &'static str,
    pub image: Array4<f32>,
    pub mask: Option<Array3<bool>>,
    pub slic: Slic,
    /// `slic` with the Gaussian weights that NumPy computed.
    pub with_kernels: Slic,
    pub smoothed: bool,
    pub labels: Vec<u32>,
}

pub fn all() -> Vec<Case> {
    let kernels = kernels();
    let mut packed = LABELS.iter().copied();
    let cases: Vec<Case> = CASES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| case(line, &kernels, &mut packed))
        .collect();
    assert_eq!(packed.next(), None, "expected no more labels");
    cases
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(',').map(|part| part.parse().unwrap()).collect()
}

fn case(line: &'static str, kernels: &HashMap<u32, Vec<f64>>, packed: &mut impl Iterator<Item = u8>) -> Case {
    let fields: HashMap<&str, &str> = line.split(' ').map(|field| field.split_once('=').unwrap()).collect();
    let number = |key: &str| fields[key].parse::<f64>().unwrap();
    let shape: [usize; 3] =
        numbers(fields["shape"]).iter().map(|&n| n as usize).collect::<Vec<_>>().try_into().unwrap();
    let spacing: [f64; 3] = numbers(fields["spacing"]).try_into().unwrap();
    let sigma = numbers(fields["sigma"]);
    let (sigma, widths) = match sigma[..] {
        [sigma] => (Sigma::Scaled(sigma), spacing.map(|spacing| sigma as f32 / spacing as f32)),
        _ => {
            let sigma: [f64; 3] = sigma.try_into().unwrap();
            (Sigma::Voxels(sigma), sigma.map(|sigma| sigma as f32))
        }
    };
    let seed = number("seed") as u64;
    let slic = Slic::new(number("regions") as usize)
        .compactness(number("compactness"))
        .iterations(number("iterations") as usize)
        .sigma(sigma)
        .spacing(spacing)
        .enforce_connectivity(number("connectivity") == 1.0)
        .min_size_factor(number("min_factor"))
        .max_size_factor(number("max_factor"))
        .slic_zero(number("zero") == 1.0)
        .start_label(number("start") as u32);
    let weights =
        widths.map(|width| if width > 0.0 { kernels[&width.to_bits()].clone() } else { Vec::new() });
    let labels = unpack(shape.iter().product(), packed);
    assert_eq!(format!("{:016x}", fnv(&labels)), fields["fnv"], "corrupt fixture: {line}");
    Case {
        line,
        image: super::images::image(fields["kind"], seed, number("channels") as usize, shape),
        mask: super::images::mask(fields["mask"], seed, shape),
        with_kernels: slic.clone().smoothing_kernels(weights),
        slic,
        smoothed: widths.iter().any(|&width| width > 0.0),
        labels,
    }
}

fn kernels() -> HashMap<u32, Vec<f64>> {
    let rows = KERNELS.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let mut words = line.split(' ');
        let sigma = u32::from_str_radix(words.next().unwrap(), 16).unwrap();
        (sigma, words.map(|word| f64::from_bits(u64::from_str_radix(word, 16).unwrap())).collect())
    })
    .collect()
}

fn unpack(voxels: usize, packed: &mut impl Iterator<Item = u8>) -> Vec<u32> {
    let mut varint = || {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let byte = packed.next().expect("expected more labels");
            value |= u64::from(byte & 127) << shift;
            if byte < 128 {
                return value;
            }
            shift += 7;
        }
    };
    let mut labels = Vec::with_capacity(voxels);
    let mut label = 0_i64;
    while labels.len() < voxels {
        let zigzag = varint();
        label += (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        let run = varint() as usize;
        labels.resize(labels.len() + run, label as u32);
    }
    assert_eq!(labels.len(), voxels);
    labels
}

fn fnv(labels: &[u32]) -> u64 {
    let bytes = labels.iter().flat_map(|label| label.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
