//! Sixteen values that are computed at once, for each instruction set.
//!
//! Operations are those of IEEE 754 on each lane: none is contracted or approximated, so that all instruction sets
//! round alike.

/// Number of lanes.
pub(super) const LANES: usize = 16;

/// Sixteen values of 32 bits, `f32` in arithmetic.
///
/// # Safety of the implementations
/// An implementation for an instruction set is only used by the kernel that [`instructions`](super::instructions)
/// selects on processors that have it.
pub(super) trait Lanes: Copy {
    /// The result of a comparison.
    type Mask: Copy;

    fn splat(value: f32) -> Self;
    fn splat_bits(value: u32) -> Self;
    fn load(values: &[f32; LANES]) -> Self;
    fn load_bits(values: &[u32; LANES]) -> Self;
    fn store_bits(self) -> [u32; LANES];
    fn store(self, values: &mut [f32; LANES]);
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;
    fn abs(self) -> Self;
    /// Returns the smaller values; `other` if either is NaN.
    fn min(self, other: Self) -> Self;
    /// Returns the larger values; `other` if either is NaN.
    fn max(self, other: Self) -> Self;
    /// Compares `self < other`, false if either is NaN.
    fn less(self, other: Self) -> Self::Mask;
    /// Returns `self` where the mask is set and `other` elsewhere.
    fn select(self, mask: Self::Mask, other: Self) -> Self;
    /// Returns one bit for each lane whose bits differ, the first lane lowest.
    fn differ(self, other: Self) -> u32;
    /// Returns one bit for each lane of the mask, the first lane lowest.
    fn bits(mask: Self::Mask) -> u32;

    /// Returns the smallest value and its lane; values are not NaN.
    #[inline(always)]
    fn least(self) -> (f32, usize) {
        let mut values = [0.0; LANES];
        self.store(&mut values);
        let mut half = LANES;
        let mut least = values;
        while half > 1 {
            half /= 2;
            for lane in 0..half {
                let other = least[lane + half];
                least[lane] = if other < least[lane] { other } else { least[lane] };
            }
        }
        let greater = Self::bits(Self::splat(least[0]).less(self));
        (least[0], (!greater).trailing_zeros() as usize % LANES)
    }
}

/// Lanes as an array, for any instruction set.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, combine: impl Fn(f32, f32) -> f32) -> Self {
        let mut values = self.0;
        for (value, other) in values.iter_mut().zip(other.0) {
            *value = combine(*value, other);
        }
        Portable(values)
    }
}

impl Lanes for Portable {
    type Mask = [bool; LANES];

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Portable([value; LANES])
    }
    #[inline(always)]
    fn splat_bits(value: u32) -> Self {
        Portable([f32::from_bits(value); LANES])
    }
    #[inline(always)]
    fn load(values: &[f32; LANES]) -> Self {
        Portable(*values)
    }
    #[inline(always)]
    fn load_bits(values: &[u32; LANES]) -> Self {
        Portable(values.map(f32::from_bits))
    }
    #[inline(always)]
    fn store_bits(self) -> [u32; LANES] {
        self.0.map(f32::to_bits)
    }
    #[inline(always)]
    fn store(self, values: &mut [f32; LANES]) {
        *values = self.0;
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Portable(self.0.map(f32::abs))
    }
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        let mut mask = [false; LANES];
        for ((mask, value), other) in mask.iter_mut().zip(self.0).zip(other.0) {
            *mask = value < other;
        }
        mask
    }
    #[inline(always)]
    fn select(self, mask: Self::Mask, other: Self) -> Self {
        let mut values = self.0;
        for ((value, set), other) in values.iter_mut().zip(mask).zip(other.0) {
            *value = if set { *value } else { other };
        }
        Portable(values)
    }
    #[inline(always)]
    fn differ(self, other: Self) -> u32 {
        let mut mask = [false; LANES];
        for ((mask, value), other) in mask.iter_mut().zip(self.0).zip(other.0) {
            *mask = value.to_bits() != other.to_bits();
        }
        Self::bits(mask)
    }
    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        mask.iter().rev().fold(0, |bits, &set| bits << 1 | u32::from(set))
    }
}
