//! [`Lanes`] of AVX2 and AVX-512.

#![expect(unsafe_code, reason = "instructions that the compiler does not select reliably")]

use std::arch::x86_64::*;

use super::lanes::{LANES, Lanes};

/// Two registers of AVX2.
#[derive(Clone, Copy)]
pub(super) struct Avx2([__m256; 2]);

/// One register of AVX-512.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512);

macro_rules! pairwise {
    ($($name:ident: $instruction:ident),*) => {$(
        #[inline(always)]
        fn $name(self, other: Self) -> Self {
            // SAFETY: the processor has AVX2, as `Lanes` requires.
            unsafe { Avx2([$instruction(self.0[0], other.0[0]), $instruction(self.0[1], other.0[1])]) }
        }
    )*};
}

impl Lanes for Avx2 {
    type Mask = [__m256; 2];

    pairwise!(add: _mm256_add_ps, sub: _mm256_sub_ps, mul: _mm256_mul_ps, div: _mm256_div_ps, min: _mm256_min_ps, max: _mm256_max_ps);

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: the processor has AVX2, as `Lanes` requires.
        unsafe { Avx2([_mm256_set1_ps(value); 2]) }
    }
    #[inline(always)]
    fn splat_bits(value: u32) -> Self {
        // SAFETY: the processor has AVX2, as `Lanes` requires.
        unsafe { Avx2([_mm256_castsi256_ps(_mm256_set1_epi32(value.cast_signed())); 2]) }
    }
    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        let at = values.as_ptr();
        // SAFETY: the processor has AVX2, as `Lanes` requires; both halves are in the array.
        unsafe { Avx2([_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))]) }
    }
    #[inline(always)]
    fn load_bits(values: &[u32; LANES]) -> Self {
        let at = values.as_ptr().cast();
        // SAFETY: the processor has AVX2, as `Lanes` requires; both halves are in the array.
        unsafe { Avx2([_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(8))]) }
    }
    #[inline(always)]
    fn store_bits(self) -> [u32; LANES] {
        let mut values = [0; LANES];
        let at: *mut f32 = values.as_mut_ptr().cast();
        // SAFETY: the processor has AVX2, as `Lanes` requires; both halves are in the array.
        unsafe {
            _mm256_storeu_ps(at, self.0[0]);
            _mm256_storeu_ps(at.add(8), self.0[1]);
        }
        values
    }
    #[inline(always)]
    fn store(self, values: &mut [f32; LANES]) {
        let at = values.as_mut_ptr();
        // SAFETY: the processor has AVX2, as `Lanes` requires; both halves are in the array.
        unsafe {
            _mm256_storeu_ps(at, self.0[0]);
            _mm256_storeu_ps(at.add(8), self.0[1]);
        }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: the processor has AVX2, as `Lanes` requires.
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            Avx2([_mm256_andnot_ps(sign, self.0[0]), _mm256_andnot_ps(sign, self.0[1])])
        }
    }
    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        // SAFETY: the processor has AVX2, as `Lanes` requires.
        unsafe {
            let low = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0[0], other.0[0]);
            [low, _mm256_cmp_ps::<_CMP_LT_OQ>(self.0[1], other.0[1])]
        }
    }
    #[inline(always)]
    fn select(self, mask: Self::Mask, other: Self) -> Self {
        // SAFETY: the processor has AVX2, as `Lanes` requires.
        unsafe {
            let low = _mm256_blendv_ps(other.0[0], self.0[0], mask[0]);
            Avx2([low, _mm256_blendv_ps(other.0[1], self.0[1], mask[1])])
        }
    }
    #[inline(always)]
    fn differ(self, other: Self) -> u32 {
        // SAFETY: the processor has AVX2, as `Lanes` requires.
        let equal = unsafe {
            let (a, b) = (_mm256_castps_si256(self.0[0]), _mm256_castps_si256(other.0[0]));
            let low = _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
            let (a, b) = (_mm256_castps_si256(self.0[1]), _mm256_castps_si256(other.0[1]));
            [low, _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b))]
        };
        !Self::bits(equal) & 0xffff
    }
    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        // SAFETY: the processor has AVX2, as `Lanes` requires.
        let (low, high) = unsafe { (_mm256_movemask_ps(mask[0]), _mm256_movemask_ps(mask[1])) };
        low.cast_unsigned() | high.cast_unsigned() << 8
    }
}

macro_rules! whole {
    ($($name:ident: $instruction:ident),*) => {$(
        #[inline(always)]
        fn $name(self, other: Self) -> Self {
            // SAFETY: the processor has AVX-512, as `Lanes` requires.
            unsafe { Avx512($instruction(self.0, other.0)) }
        }
    )*};
}

impl Lanes for Avx512 {
    type Mask = __mmask16;

    whole!(add: _mm512_add_ps, sub: _mm512_sub_ps, mul: _mm512_mul_ps, div: _mm512_div_ps, min: _mm512_min_ps, max: _mm512_max_ps);

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: the processor has AVX-512, as `Lanes` requires.
        unsafe { Avx512(_mm512_set1_ps(value)) }
    }
    #[inline(always)]
    fn splat_bits(value: u32) -> Self {
        // SAFETY: the processor has AVX-512, as `Lanes` requires.
        unsafe { Avx512(_mm512_castsi512_ps(_mm512_set1_epi32(value.cast_signed()))) }
    }
    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        // SAFETY: the processor has AVX-512, as `Lanes` requires; the array has 16 values.
        unsafe { Avx512(_mm512_loadu_ps(values.as_ptr())) }
    }
    #[inline(always)]
    fn load_bits(values: &[u32; LANES]) -> Self {
        // SAFETY: the processor has AVX-512, as `Lanes` requires; the array has 16 values.
        unsafe { Avx512(_mm512_loadu_ps(values.as_ptr().cast())) }
    }
    #[inline(always)]
    fn store_bits(self) -> [u32; LANES] {
        let mut values = [0; LANES];
        // SAFETY: the processor has AVX-512, as `Lanes` requires; the array has 16 values.
        unsafe { _mm512_storeu_ps(values.as_mut_ptr().cast(), self.0) };
        values
    }
    #[inline(always)]
    fn store(self, values: &mut [f32; LANES]) {
        // SAFETY: the processor has AVX-512, as `Lanes` requires; the array has 16 values.
        unsafe { _mm512_storeu_ps(values.as_mut_ptr(), self.0) };
    }
    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: the processor has AVX-512, as `Lanes` requires.
        unsafe { Avx512(_mm512_abs_ps(self.0)) }
    }
    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        // SAFETY: the processor has AVX-512, as `Lanes` requires.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) }
    }
    #[inline(always)]
    fn select(self, mask: Self::Mask, other: Self) -> Self {
        // SAFETY: the processor has AVX-512, as `Lanes` requires.
        unsafe { Avx512(_mm512_mask_blend_ps(mask, other.0, self.0)) }
    }
    #[inline(always)]
    fn differ(self, other: Self) -> u32 {
        // SAFETY: the processor has AVX-512, as `Lanes` requires.
        let differ =
            unsafe { _mm512_cmpneq_epi32_mask(_mm512_castps_si512(self.0), _mm512_castps_si512(other.0)) };
        u32::from(differ)
    }
    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        u32::from(mask)
    }
}
