//! Multiply-adds in registers and nothing else: what no kernel can exceed.

use std::hint::black_box;

use super::{Isa, Kernel, Vector};

/// Vectors that are added to: enough for two multiply-adds in every cycle of their latency, and few enough for the registers.
const SUMS: usize = 12;

struct MultiplyAdds {
    rounds: usize,
}

impl Kernel for MultiplyAdds {
    type Output = u64;

    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> u64 {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            let (a, b) = (black_box(V::splat(0.5)), black_box(V::splat(1e-3)));
            let mut sums = [V::splat(0.0); SUMS];
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = sum.fma(a, b);
                }
            }
            black_box(sums);
        }
        (self.rounds * SUMS * V::LANES) as u64
    }
}

impl Isa {
    /// Multiplies and adds vectors in registers on this thread, and returns the number of multiply-adds of `f32`. Its rate is the bound of
    /// all kernels of the instruction set.
    pub fn multiply_adds(self, rounds: usize) -> u64 {
        self.run(MultiplyAdds { rounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_of_every_sum_counts_once_a_round() {
        for isa in Isa::available() {
            assert_eq!(isa.multiply_adds(7), 7 * 12 * isa.lanes() as u64);
        }
    }
}
