//! The Toom–Cook transforms of one axis: F(2, 3) at the points 0, ±1, ∞, F(4, 3) at 0, ±1, 1/2, −2, ∞, and F(4, 4) at 0, ±1,
//! ±2, 1/2, ∞.
//!
//! The points of F(4, 3) are *balanced*, a number beside its negative reciprocal: a third of the rounding error of 0, ±1, ±2, ∞ in
//! tiles along every axis (sums of 16 to 512 channels), at more additions.
//!
//! A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, <https://arxiv.org/abs/1509.09308>.
//! B. Barabasz, A. Anderson, K. Soodhalter and D. Gregg, "Error Analysis and Improving the Accuracy of Winograd Convolution for
//! Deep Neural Networks", ACM TOMS 46, 2020, <https://doi.org/10.1145/3412380>.
//!
//! `A` is the number of points: 4, 6 or 7.

use crate::simd::Vector;

/// What the gradient of a kernel's values at the points is for its taps, 3 or 4: the transpose of [`kernel`] for tiles of 4
/// outputs.
pub(super) fn kernel_gradient<const A: usize, const R: usize>(u: [f64; A]) -> [f64; R] {
    let mut taps = [0.0; R];
    if A == 6 {
        let (near, nearer) = ((u[1] + u[2]) / 3.0, (u[1] - u[2]) / 3.0);
        let (half, two) = (u[3] * 4.0 / 15.0, u[4] / 15.0);
        taps[0] = u[0] + nearer - 4.0 * half + two;
        taps[1] = near - 2.0 * half - 2.0 * two;
        taps[2] = nearer - half + 4.0 * two + u[5];
    } else {
        let mut power = 1.0;
        for (tap, value) in taps.iter_mut().enumerate() {
            let sign = if tap % 2 == 0 { 1.0 } else { -1.0 };
            *value = -u[1] / 3.0
                + sign * u[2] / 9.0
                + power * (u[3] / 36.0 - sign * u[4] / 60.0)
                + 32.0 / 45.0 * u[5] / power;
            power *= 2.0;
        }
        taps[0] -= u[0] / 2.0;
        taps[R - 1] += u[A - 1];
    }
    taps
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

/// `factor · a`.
#[inline(always)]
unsafe fn times<V: Vector>(factor: f32, a: V) -> V {
    // SAFETY: the caller has V's instructions.
    unsafe { V::splat(0.0).fma(a, V::splat(factor)) }
}

/// A kernel's `R` taps at the points, 4 only at 7 points.
///
/// # Safety
/// The CPU must have V's instructions.
#[inline(always)]
pub(super) unsafe fn kernel<V: Vector, const A: usize, const R: usize>(taps: [V; R]) -> [V; A] {
    let [a, b, c] = [taps[0], taps[1], taps[2]];
    let mut u = [a; A];
    // SAFETY: the caller's contract.
    unsafe {
        let sum = a.add(c);
        if A == 4 {
            u[1] = times(0.5, sum.add(b));
            u[2] = times(0.5, minus(sum, b));
            u[3] = c;
        } else if A == 6 {
            u[1] = times(1.0 / 3.0, sum.add(b));
            u[2] = times(-1.0 / 3.0, minus(sum, b));
            u[3] = times(-16.0 / 15.0, plus(plus(a, 0.5, b), 0.25, c));
            u[4] = times(1.0 / 15.0, plus(plus(a, -2.0, b), 4.0, c));
            u[5] = c;
        } else {
            let d = taps[R - 1];
            let odd = b.add(d);
            u[0] = times(-0.5, a);
            u[1] = times(-1.0 / 3.0, sum.add(odd));
            u[2] = times(1.0 / 9.0, minus(sum, odd));
            let (even, odd) = (plus(a, 4.0, c), plus(times(2.0, b), 8.0, d));
            u[3] = times(1.0 / 36.0, even.add(odd));
            u[4] = times(1.0 / 60.0, minus(odd, even));
            let (even, odd) = (plus(times(8.0, c), 32.0, a), plus(times(4.0, d), 16.0, b));
            u[5] = times(1.0 / 45.0, even.add(odd));
            u[A - 1] = d;
        }
    }
    u
}

/// The gradient of 4 outputs at the points: the transpose of [`output`].
///
/// # Safety
/// The CPU must have V's instructions.
#[inline(always)]
pub(super) unsafe fn output_gradient<V: Vector, const A: usize>(d: [V; 4]) -> [V; A] {
    let mut t = [d[0]; A];
    // SAFETY: the caller's contract.
    unsafe {
        let (even, odd) = (d[0].add(d[2]), d[1].add(d[3]));
        t[1] = even.add(odd);
        t[2] = minus(even, odd);
        let half = plus(plus(plus(d[0], 0.5, d[1]), 0.25, d[2]), 0.125, d[3]);
        let (even, odd) = (plus(d[0], 4.0, d[2]), plus(d[1], 4.0, d[3]));
        if A == 6 {
            t[3] = half;
        } else {
            t[3] = plus(even, 2.0, odd);
            t[5] = half;
        }
        t[4] = plus(even, -2.0, odd);
        t[A - 1] = d[3];
    }
    t
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
        } else if A == 7 {
            let last = d[A - 2];
            t[0] =
                plus(plus(plus(plus(plus(last, -0.5, d[4]), -5.0, d[3]), 2.5, d[2]), 4.0, d[1]), -2.0, d[0]);
            t[1] = plus(plus(plus(plus(last, 0.5, d[4]), -4.5, d[3]), -2.0, d[2]), 2.0, d[1]);
            t[2] = plus(plus(plus(plus(last, -1.5, d[4]), -3.5, d[3]), 6.0, d[2]), -2.0, d[1]);
            t[3] = plus(plus(plus(plus(last, 1.5, d[4]), -2.0, d[3]), -1.5, d[2]), 1.0, d[1]);
            t[4] = plus(plus(plus(last, -2.5, d[4]), 2.5, d[2]), -1.0, d[1]);
            t[5] = plus(plus(last, -5.0, d[3]), 4.0, d[1]);
            t[6] =
                plus(plus(plus(plus(plus(d[6], -0.5, last), -5.0, d[4]), 2.5, d[3]), 4.0, d[2]), -2.0, d[1]);
        } else {
            let (even, odd) = (minus(d[4], d[2]), minus(d[3], d[1]));
            t[0] = plus(even, 1.5, odd).add(minus(d[0], d[2]));
            t[1] = plus(even.add(odd), 1.5, d[3].add(d[2]));
            t[2] = plus(minus(even, odd), 1.5, minus(d[3], d[2]));
            t[3] = plus(even, 2.0, odd);
            t[4] = plus(even, -0.5, odd);
            t[5] = minus(plus(minus(d[5], d[3]), 1.5, even), odd);
        }
    }
    t
}

/// Outputs of products at the points: 2 of 4 points, 4 of more.
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
        } else if A == 6 {
            y[0] = m[0].add(sum).add(m[3].add(m[4]));
            y[1] = plus(plus(difference, 0.5, m[3]), -2.0, m[4]);
            y[2] = plus(plus(sum, 0.25, m[3]), 4.0, m[4]);
            y[3] = plus(plus(difference, 0.125, m[3]), -8.0, m[4]).add(m[5]);
        } else {
            let (sum2, difference2) = (m[3].add(m[4]), minus(m[3], m[4]));
            let half = m[5];
            y[0] = m[0].add(sum).add(sum2).add(half);
            y[1] = plus(plus(difference, 2.0, difference2), 0.5, half);
            y[2] = plus(plus(sum, 4.0, sum2), 0.25, half);
            y[3] = plus(plus(difference, 8.0, difference2).add(m[A - 1]), 0.125, half);
        }
    }
    y
}
