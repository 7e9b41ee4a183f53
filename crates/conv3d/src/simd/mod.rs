//! The vector trait of all kernels, and the choice of its widest implementation at run time.
//!
//! A kernel is a [`Kernel`] value whose `run` is generic over [`Vector`]. [`Isa::run`] calls it inside a function
//! that enables the instruction set, where everything inlines, so that the same Rust becomes AVX-512, AVX2, NEON or
//! plain code. Kernels keep at most [`Vector::ACCUMULATORS`] vectors alive besides their operands, so that none
//! spills.
#![allow(
    unsafe_code,
    reason = "SIMD intrinsics and disjoint writes from several tasks; each block says why it holds"
)]

mod peak;
pub(crate) mod scratch;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

/// `f32` lanes of one instruction set.
///
/// # Safety
/// Every method may only run where the CPU has the instruction set, and pointers must be valid for `LANES` elements.
pub(crate) trait Vector: Copy {
    /// Elements in a vector.
    const LANES: usize;
    /// Accumulators that leave room in the register file for two weights and a broadcast.
    const ACCUMULATORS: usize;

    /// Runs a kernel in its own function, compiled for this instruction set. Kernels of many sizes are called through
    /// this, so that the compiler gets many small functions rather than a huge one.
    unsafe fn enter<K: Kernel>(kernel: K) -> K::Output;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// `self + a * b`, rounded once where the instruction set can.
    unsafe fn fma(self, a: Self, b: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    /// The larger value of each lane; a NaN in `other` is propagated.
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller value of each lane; a NaN in `other` is propagated.
    unsafe fn min(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// Requests a line of memory before it is read. Any address is allowed.
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
    /// As [`Vector::prefetch`], into the second-level cache.
    #[inline(always)]
    unsafe fn prefetch_far(_: *const f32) {}
    /// Transposes a `LANES × LANES` block: `to[c * to_stride + r] = from[r * from_stride + c]`.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..Self::LANES {
            for column in 0..Self::LANES {
                // SAFETY: the caller vouches for both blocks.
                unsafe { *to.add(column * to_stride + row) = *from.add(row * from_stride + column) };
            }
        }
    }
}

/// Work that is generic over the vector it uses.
pub(crate) trait Kernel {
    /// What it returns.
    type Output;
    /// Does the work.
    ///
    /// # Safety
    /// The CPU must have `V`'s instruction set. Implementations mark this `#[inline(always)]`.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

/// Instruction sets that have kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Plain,
}

/// The instruction set of this process.
static CURRENT: OnceLock<Isa> = OnceLock::new();

/// An instruction set of this CPU.
///
/// Values come from [`Isa::available`], which detects the instruction set, and from what is chosen among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Set);

impl Isa {
    /// Returns the instruction sets of this CPU that have kernels, the fastest first.
    pub fn available() -> Vec<Isa> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                found.push(Isa(Set::Avx512));
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Isa(Set::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        found.push(Isa(Set::Neon));
        found.push(Isa(Set::Plain));
        found
    }

    /// Returns the instruction set of this process: the fastest one, unless another was chosen by [`Isa::choose`].
    pub fn current() -> Isa {
        *CURRENT.get_or_init(|| Isa::available()[0])
    }

    /// Returns the instruction set with which every x86-64 processor that has it makes the same bytes: AVX2 with FMA; `None` on
    /// other processors.
    pub fn portable() -> Option<Isa> {
        #[cfg(target_arch = "x86_64")]
        return Isa::available().into_iter().find(|isa| isa.0 == Set::Avx2);
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// Makes this the instruction set of all work of this process that does not name another. It can be chosen once, before
    /// [`Isa::current`] is first called.
    ///
    /// # Errors
    /// Returns the instruction set in use if it is another one.
    pub fn choose(self) -> Result<(), Isa> {
        let current = *CURRENT.get_or_init(|| self);
        if current == self { Ok(()) } else { Err(current) }
    }

    /// Returns its name. Sums are rounded in another order with each instruction set.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "NEON",
            Set::Plain => "plain",
        }
    }

    /// Runs the kernel with this instruction set's vectors.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: `available` saw avx512f on this CPU; no value of this variant exists elsewhere.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { x86::F32x16::enter(kernel) },
            // SAFETY: `available` saw avx2 and fma on this CPU.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { x86::F32x8::enter(kernel) },
            // SAFETY: NEON is part of every aarch64 CPU.
            #[cfg(target_arch = "aarch64")]
            Set::Neon => unsafe { neon::F32x4::enter(kernel) },
            // SAFETY: plain code needs no instruction set.
            Set::Plain => unsafe { PlainX4::enter(kernel) },
        }
    }

    /// See [`Vector::ACCUMULATORS`].
    pub(crate) fn accumulators(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => x86::F32x16::ACCUMULATORS,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => x86::F32x8::ACCUMULATORS,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => neon::F32x4::ACCUMULATORS,
            Set::Plain => PlainX4::ACCUMULATORS,
        }
    }

    /// Lanes of this instruction set's vector.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => 8,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => 4,
            Set::Plain => 4,
        }
    }
}

#[inline(never)]
unsafe fn plain<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller's contract.
    unsafe { kernel.run::<PlainX4>() }
}

/// Four lanes without intrinsics, for every target.
#[derive(Clone, Copy)]
pub(crate) struct PlainX4([f32; 4]);

impl Vector for PlainX4 {
    const LANES: usize = 4;
    const ACCUMULATORS: usize = 8;

    #[inline(always)]
    unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: plain code needs no instruction set.
        unsafe { plain(kernel) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        PlainX4([value; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for four elements; the read does not need alignment.
        PlainX4(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for four elements; the write does not need alignment.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn fma(self, a: Self, b: Self) -> Self {
        PlainX4(std::array::from_fn(|i| self.0[i] + a.0[i] * b.0[i]))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        PlainX4(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        PlainX4(std::array::from_fn(|i| if self.0[i] > other.0[i] { self.0[i] } else { other.0[i] }))
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        PlainX4(std::array::from_fn(|i| if self.0[i] < other.0[i] { self.0[i] } else { other.0[i] }))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        PlainX4(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Kernel, Vector};
    use core::arch::x86_64::*;

    #[inline(never)]
    #[target_feature(enable = "avx512f,avx2,fma")]
    unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: this function's features are those of the vector.
        unsafe { kernel.run::<F32x16>() }
    }

    #[inline(never)]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: this function's features are those of the vector.
        unsafe { kernel.run::<F32x8>() }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct F32x16(__m512);

    impl Vector for F32x16 {
        const LANES: usize = 16;
        const ACCUMULATORS: usize = 28;

        #[inline(always)]
        unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: by the trait's contract the CPU has the instructions.
            unsafe { avx512(kernel) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm512_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction, and the pointer is valid.
            Self(unsafe { _mm512_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: by the trait's contract the CPU has the instruction, and the pointer is valid.
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm512_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm512_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn prefetch(address: *const f32) {
            // SAFETY: by the trait's contract the CPU has the instruction.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
        }
        #[inline(always)]
        unsafe fn prefetch_far(address: *const f32) {
            // SAFETY: by the trait's contract the CPU has the instruction.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm512_min_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            for row in [0, 8] {
                for column in [0, 8] {
                    // SAFETY: by the trait's contract the CPU has the instruction.
                    unsafe {
                        F32x8::transpose(
                            from.add(row * from_stride + column),
                            from_stride,
                            to.add(column * to_stride + row),
                            to_stride,
                        );
                    }
                }
            }
        }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct F32x8(__m256);

    impl Vector for F32x8 {
        const LANES: usize = 8;
        const ACCUMULATORS: usize = 12;

        #[inline(always)]
        unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: by the trait's contract the CPU has the instructions.
            unsafe { avx2(kernel) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm256_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction, and the pointer is valid.
            Self(unsafe { _mm256_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: by the trait's contract the CPU has the instruction, and the pointer is valid.
            unsafe { _mm256_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm256_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm256_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn prefetch(address: *const f32) {
            // SAFETY: by the trait's contract the CPU has the instruction.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
        }
        #[inline(always)]
        unsafe fn prefetch_far(address: *const f32) {
            // SAFETY: by the trait's contract the CPU has the instruction.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm256_min_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { _mm256_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            // SAFETY: by the trait's contract the CPU has the instruction.
            unsafe {
                let mut rows = [_mm256_setzero_ps(); 8];
                for (i, row) in rows.iter_mut().enumerate() {
                    *row = _mm256_loadu_ps(from.add(i * from_stride));
                }
                let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
                let (a0, a1) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
                let (a2, a3) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
                let (a4, a5) = (_mm256_unpacklo_ps(r4, r5), _mm256_unpackhi_ps(r4, r5));
                let (a6, a7) = (_mm256_unpacklo_ps(r6, r7), _mm256_unpackhi_ps(r6, r7));
                let (b0, b1) = (_mm256_shuffle_ps::<0x44>(a0, a2), _mm256_shuffle_ps::<0xee>(a0, a2));
                let (b2, b3) = (_mm256_shuffle_ps::<0x44>(a1, a3), _mm256_shuffle_ps::<0xee>(a1, a3));
                let (b4, b5) = (_mm256_shuffle_ps::<0x44>(a4, a6), _mm256_shuffle_ps::<0xee>(a4, a6));
                let (b6, b7) = (_mm256_shuffle_ps::<0x44>(a5, a7), _mm256_shuffle_ps::<0xee>(a5, a7));
                let halves = [(b0, b4), (b1, b5), (b2, b6), (b3, b7)];
                for (i, (low, high)) in halves.into_iter().enumerate() {
                    _mm256_storeu_ps(to.add(i * to_stride), _mm256_permute2f128_ps::<0x20>(low, high));
                    _mm256_storeu_ps(to.add((i + 4) * to_stride), _mm256_permute2f128_ps::<0x31>(low, high));
                }
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use super::{Kernel, Vector};
    use core::arch::aarch64::*;

    #[inline(never)]
    unsafe fn neon<K: Kernel>(kernel: K) -> K::Output {
        // SAFETY: the caller's contract.
        unsafe { kernel.run::<F32x4>() }
    }

    #[derive(Clone, Copy)]
    pub(crate) struct F32x4(float32x4_t);

    impl Vector for F32x4 {
        const LANES: usize = 4;
        const ACCUMULATORS: usize = 24;

        #[inline(always)]
        unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: by the trait's contract the CPU has the instructions.
            unsafe { neon(kernel) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { vdupq_n_f32(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction, and the pointer is valid.
            Self(unsafe { vld1q_f32(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: by the trait's contract the CPU has the instruction, and the pointer is valid.
            unsafe { vst1q_f32(to, self.0) }
        }
        #[inline(always)]
        unsafe fn fma(self, a: Self, b: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { vfmaq_f32(self.0, a.0, b.0) })
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { vaddq_f32(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { vmaxq_f32(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn min(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { vminq_f32(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            // SAFETY: by the trait's contract the CPU has the instruction.
            Self(unsafe { vmulq_f32(self.0, other.0) })
        }
    }
}
