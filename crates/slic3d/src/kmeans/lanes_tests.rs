//! Lanes of every instruction set against the same operations on one value at a time.

use super::lanes::{LANES, Lanes, Portable};
use crate::synthetic::hash;

/// Pseudorandom values with signs, of few levels, so that some are equal.
fn values(seed: u32) -> [f32; LANES] {
    std::array::from_fn(|lane| (hash(seed, lane) >> 8) as f32 % 9.0 - 4.0)
}

fn assert_like_scalars<L: Lanes>() {
    let loaded = |lanes: L| {
        let mut values = [0.0; LANES];
        lanes.store(&mut values);
        values
    };
    let bits = |set: [bool; LANES]| (0..LANES).fold(0, |bits, lane| bits | u32::from(set[lane]) << lane);
    for seed in 0..200 {
        let (a, b) = (values(seed), values(seed + 1000));
        let (one, other) = (L::load(&a), L::load(&b));
        let each = |of: &dyn Fn(f32, f32) -> f32| std::array::from_fn::<f32, LANES, _>(|i| of(a[i], b[i]));
        assert_eq!(loaded(one.add(other)), each(&|a, b| a + b));
        assert_eq!(loaded(one.sub(other)), each(&|a, b| a - b));
        assert_eq!(loaded(one.mul(other)), each(&|a, b| a * b));
        assert_eq!(loaded(one.div(L::splat(3.0))), a.map(|a| a / 3.0));
        assert_eq!(loaded(one.abs()), a.map(f32::abs));
        assert_eq!(loaded(one.min(other)), each(&f32::min));
        assert_eq!(loaded(one.max(other)), each(&f32::max));
        let less: [bool; LANES] = std::array::from_fn(|i| a[i] < b[i]);
        assert_eq!(L::bits(one.less(other)), bits(less));
        assert_eq!(loaded(one.select(one.less(other), other)), each(&f32::min));
        assert_eq!(one.differ(other), bits(std::array::from_fn(|i| a[i] != b[i])));
        assert_eq!(one.store_bits(), a.map(f32::to_bits));
        assert_eq!(L::load_bits(&a.map(f32::to_bits)).store_bits(), a.map(f32::to_bits));
        assert_eq!(L::splat_bits(seed).store_bits(), [seed; LANES]);
        let least = a.iter().copied().fold(f32::INFINITY, f32::min);
        assert_eq!(one.least(), (least, a.iter().position(|&value| value == least).unwrap_or(0)));
    }
}

#[test]
fn lanes_compute_as_scalars_do() {
    assert_like_scalars::<Portable>();
    #[cfg(target_arch = "x86_64")]
    {
        use super::lanes_x86::{Avx2, Avx512};
        if is_x86_feature_detected!("avx2") {
            assert_like_scalars::<Avx2>();
        }
        if is_x86_feature_detected!("avx512f") {
            assert_like_scalars::<Avx512>();
        }
    }
}
