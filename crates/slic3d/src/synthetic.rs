//! Pseudorandom numbers for the images and labels of unit tests.

/// Returns 32 well-mixed bits of `n` and `seed`.
pub(crate) fn hash(seed: u32, n: usize) -> u32 {
    let mixed = (n as u32 ^ seed).wrapping_mul(0x9e37_79b1).rotate_left(13).wrapping_mul(0x85eb_ca6b);
    mixed ^ (mixed >> 13)
}
