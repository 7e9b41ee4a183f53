//! What the machine can do at most: multiply-adds in registers, and copies in memory.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rounds of multiply-adds, each on all accumulators.
const ROUNDS: usize = 4_000_000;
/// Values that are copied, more than any cache holds.
const VALUES: usize = 1 << 26;
/// Measurements, of which the fastest counts.
const SAMPLES: usize = 5;

/// The fastest rates of all threads together.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Peak {
    /// Operations of multiply-adds with the widest vectors, 10⁹ a second.
    pub(super) gflops: f64,
    /// Bytes read and written by copies, 10⁹ a second.
    pub(super) gbytes: f64,
}

impl Peak {
    /// Measures both.
    pub(super) fn measure() -> Peak {
        let threads = rayon::current_num_threads();
        let fastest = |run: &dyn Fn() -> f64| (0..SAMPLES).map(|_| run()).fold(0.0, f64::max);
        let products = || {
            let start = Instant::now();
            let done: usize = rayon::broadcast(|_| multiply_add()).into_iter().sum();
            2.0 * done as f64 / start.elapsed().as_secs_f64() / 1e9
        };
        let from = vec![1.0f32; VALUES];
        let mut to = vec![0.0f32; VALUES];
        let piece = VALUES.div_ceil(threads);
        let mut gbytes = 0.0;
        for _ in 0..SAMPLES {
            let start = Instant::now();
            to.par_chunks_mut(piece)
                .zip(from.par_chunks(piece))
                .for_each(|(to, from)| to.copy_from_slice(from));
            black_box(&mut to);
            let rate = (2 * VALUES * size_of::<f32>()) as f64 / start.elapsed().as_secs_f64() / 1e9;
            gbytes = f64::max(gbytes, rate);
        }
        Peak { gflops: fastest(&products), gbytes }
    }
}

/// Multiplies and adds with the widest vectors of this processor, and returns how often. The accumulators are enough for two in every
/// cycle of their latency, and fit into the registers.
fn multiply_add() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};
        #[target_feature(enable = "avx512f")]
        fn widest() {
            let (a, b) = (black_box(_mm512_set1_ps(0.5)), black_box(_mm512_set1_ps(0.25)));
            let mut sums = [_mm512_set1_ps(0.0); 16];
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = _mm512_fmadd_ps(*sum, a, b);
                }
            }
            black_box(sums);
        }
        #[target_feature(enable = "avx2,fma")]
        fn wide() {
            let (a, b) = (black_box(_mm256_set1_ps(0.5)), black_box(_mm256_set1_ps(0.25)));
            let mut sums = [_mm256_set1_ps(0.0); 12];
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = _mm256_fmadd_ps(*sum, a, b);
                }
            }
            black_box(sums);
        }
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has the feature.
            #[expect(unsafe_code, reason = "a loop compiled for the widest vectors")]
            unsafe {
                widest();
            }
            return ROUNDS * 16 * 16;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the processor has the features.
            #[expect(unsafe_code, reason = "a loop compiled for wide vectors")]
            unsafe {
                wide();
            }
            return ROUNDS * 12 * 8;
        }
    }
    let mut sums = [0.0f32; 16];
    let (a, b) = (black_box(0.5f32), black_box(0.25f32));
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            *sum = *sum * a + b;
        }
    }
    black_box(sums);
    ROUNDS * 16
}
