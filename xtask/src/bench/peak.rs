//! Peak rates of the machine: multiply-adds in registers, and copies in memory.

use std::hint::black_box;
use std::time::Instant;

use rayon::prelude::*;
use relevox_models::conv3d::Isa;
use serde::{Deserialize, Serialize};

/// Rounds of multiply-adds.
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
        let gflops = fastest(|| {
            let start = Instant::now();
            let done: u64 = rayon::broadcast(|_| Isa::current().multiply_adds(ROUNDS)).into_iter().sum();
            2.0 * done as f64 / start.elapsed().as_secs_f64() / 1e9
        });
        let from = vec![1.0f32; VALUES];
        let mut to = vec![0.0f32; VALUES];
        let piece = VALUES.div_ceil(rayon::current_num_threads());
        let gbytes = fastest(|| {
            let start = Instant::now();
            to.par_chunks_mut(piece)
                .zip(from.par_chunks(piece))
                .for_each(|(to, from)| to.copy_from_slice(from));
            black_box(&mut to);
            (2 * VALUES * size_of::<f32>()) as f64 / start.elapsed().as_secs_f64() / 1e9
        });
        Peak { gflops, gbytes }
    }
}

/// Returns the largest of several measured rates.
fn fastest(rate: impl FnMut() -> f64) -> f64 {
    std::iter::repeat_with(rate).take(SAMPLES).fold(0.0, f64::max)
}
