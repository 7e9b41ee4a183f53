//! The Toom–Cook transforms of one axis, for kernels of 3: F(2, 3) at the points 0, 1, −1, ∞ and F(4, 3) at 0, ±1, ±2, ∞.
//!
//! A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, <https://arxiv.org/abs/1509.09308>.

use crate::ops::cpu::simd::Vector;

/// A kernel's three taps at the points, for `points` − 2 outputs.
pub(super) fn kernel(points: usize, taps: [f64; 3]) -> Vec<f64> {
    let [a, b, c] = taps;
    if points == 4 {
        return vec![a, (a + b + c) / 2.0, (a - b + c) / 2.0, c];
    }
    vec![
        a / 4.0,
        -(a + b + c) / 6.0,
        -(a - b + c) / 6.0,
        (a + 2.0 * b + 4.0 * c) / 24.0,
        (a - 2.0 * b + 4.0 * c) / 24.0,
        c,
    ]
}

/// `a − b`.
#[inline(always)]
unsafe fn minus<V: Vector>(a: V, b: V) -> V {
    // SAFETY: the caller has V's instructions.
    unsafe { a.fma(b, V::splat(-1.0)) }
}

/// `a + factor · b`.
#[inline(always)]
unsafe fn plus<V: Vector>(a: V, factor: f32, b: V) -> V {
    // SAFETY: the caller has V's instructions.
    unsafe { a.fma(b, V::splat(factor)) }
}

/// `A` inputs at the points.
///
/// # Safety
/// The CPU must have V's instructions.
#[inline(always)]
pub(super) unsafe fn input<V: Vector, const A: usize>(d: [V; A]) -> [V; A] {
    let mut t = d;
    // SAFETY: the caller's contract.
    unsafe {
        if A == 4 {
            t[0] = minus(d[0], d[2]);
            t[1] = d[1].add(d[2]);
            t[2] = minus(d[2], d[1]);
            t[3] = minus(d[1], d[3]);
        } else {
            let (even, odd) = (plus(d[4], -4.0, d[2]), plus(d[3], -4.0, d[1]));
            let (even2, odd2) = (minus(d[4], d[2]), minus(d[3], d[1]));
            t[0] = plus(plus(d[4], -5.0, d[2]), 4.0, d[0]);
            t[1] = even.add(odd);
            t[2] = minus(even, odd);
            t[3] = plus(even2, 2.0, odd2);
            t[4] = plus(even2, -2.0, odd2);
            t[5] = plus(plus(d[5], -5.0, d[3]), 4.0, d[1]);
        }
    }
    t
}

/// `A` − 2 outputs of products at the points.
///
/// # Safety
/// The CPU must have V's instructions.
#[inline(always)]
pub(super) unsafe fn output<V: Vector, const A: usize, const M: usize>(m: [V; A]) -> [V; M] {
    let mut y = [m[0]; M];
    // SAFETY: the caller's contract.
    unsafe {
        let (sum, difference) = (m[1].add(m[2]), minus(m[1], m[2]));
        if A == 4 {
            y[0] = m[0].add(sum);
            y[1] = minus(difference, m[3]);
        } else {
            let (sum2, difference2) = (m[3].add(m[4]), minus(m[3], m[4]));
            y[0] = m[0].add(sum).add(sum2);
            y[1] = plus(difference, 2.0, difference2);
            y[2] = plus(sum, 4.0, sum2);
            y[3] = plus(difference, 8.0, difference2).add(m[5]);
        }
    }
    y
}
