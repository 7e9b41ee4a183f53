//! The inner loop compiled for each instruction set, selected by the features of the processor.

use super::kernel::{Slab, assign};
use super::lanes::Portable;
#[cfg(target_arch = "x86_64")]
use super::lanes_x86::{Avx2, Avx512};

/// [`assign`], compiled for one instruction set.
pub(super) type Kernel = fn(Slab);

macro_rules! instantiate {
    ($name:ident, $lanes:ty, $rows:literal, $($feature:literal)?) => {
        /// Returns the kernel for this number of channels.
        pub(super) fn $name(channels: usize, zero: bool) -> Kernel {
            $(#[target_feature(enable = $feature)])?
            fn inner<const CHANNELS: usize, const ZERO: bool>(slab: Slab) {
                assign::<$lanes, CHANNELS, ZERO, $rows>(slab)
            }
            fn outer<const CHANNELS: usize, const ZERO: bool>(slab: Slab) {
                // SAFETY: `kernel` returns this function only if the processor has the feature.
                #[allow(unused_unsafe, unsafe_code, reason = "without a feature the call is safe")]
                unsafe { inner::<CHANNELS, ZERO>(slab) }
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
    instantiate!(kernel, Portable, 1,);
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::*;
    instantiate!(kernel, Avx2, 2, "avx2");
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::*;
    instantiate!(kernel, Avx512, 4, "avx512f,avx512vl,avx512dq,avx512bw");
}

/// Instruction sets for which the kernel is compiled. On AArch64, `Plain` is NEON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instructions {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// Returns the instruction sets of this processor, the widest last.
pub(super) fn available() -> Vec<Instructions> {
    #[allow(unused_mut, reason = "only x86-64 appends")]
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

/// Returns the kernel for the `requested` instruction set if this processor has it, else for the widest.
pub(super) fn kernel(channels: usize, zero: bool, requested: Option<Instructions>) -> Kernel {
    let sets = available();
    let chosen = requested.filter(|set| sets.contains(set)).or(sets.last().copied());
    match chosen.unwrap_or(Instructions::Plain) {
        Instructions::Plain => plain::kernel(channels, zero),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => avx2::kernel(channels, zero),
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => avx512::kernel(channels, zero),
    }
}
