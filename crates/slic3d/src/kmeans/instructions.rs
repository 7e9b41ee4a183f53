//! The inner loop for each instruction set, and which of them this processor has.

use super::kernel::{Slab, assign};

/// The inner loop, compiled for one instruction set: see [`assign`].
pub(crate) type Kernel = fn(Slab) -> bool;

macro_rules! instantiate {
    ($name:ident, $($feature:literal)?) => {
        /// The kernel for this many channels.
        pub(super) fn $name(channels: usize, zero: bool) -> Kernel {
            $(#[target_feature(enable = $feature)])?
            fn inner<const CHANNELS: usize, const ZERO: bool>(of: Slab) -> bool {
                assign::<CHANNELS, ZERO>(of)
            }
            fn outer<const CHANNELS: usize, const ZERO: bool>(of: Slab) -> bool {
                // SAFETY: `kernel` hands this function out only where the processor has the feature.
                #[allow(unused_unsafe, unsafe_code, reason = "without a feature the call is safe")]
                unsafe { inner::<CHANNELS, ZERO>(of) }
            }
            match (channels, zero) {
                (0, _) => outer::<0, false>,
                (1, false) => outer::<1, false>,
                (1, true) => outer::<1, true>,
                (4, false) => outer::<4, false>,
                (_, false) => outer::<{ usize::MAX }, false>,
                (_, true) => outer::<{ usize::MAX }, true>,
            }
        }
    };
}

mod plain {
    use super::*;
    instantiate!(kernel,);
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;
    instantiate!(kernel, "avx2");
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::*;
    instantiate!(kernel, "avx512f,avx512vl,avx512dq,avx512bw");
}

/// Instruction sets the kernel is instantiated for. On AArch64 the plain one is NEON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instructions {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// The instruction sets that this processor has, the best last.
pub(crate) fn available() -> Vec<Instructions> {
    #[allow(unused_mut, reason = "only x86-64 adds to it")]
    let mut sets = vec![Instructions::Plain];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            sets.push(Instructions::Avx2);
        }
        let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
        if wide && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512bw") {
            sets.push(Instructions::Avx512);
        }
    }
    sets
}

/// The kernel for the best of this processor's instruction sets that `at_most` allows.
pub(crate) fn kernel(channels: usize, zero: bool, at_most: Option<Instructions>) -> Kernel {
    let sets = available();
    let chosen = at_most.filter(|set| sets.contains(set)).or(sets.last().copied());
    match chosen.unwrap_or(Instructions::Plain) {
        Instructions::Plain => plain::kernel(channels, zero),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => avx2::kernel(channels, zero),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => avx512::kernel(channels, zero),
    }
}
