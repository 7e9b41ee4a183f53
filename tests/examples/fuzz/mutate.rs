//! Deterministic mutation of byte strings.

use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;

/// Numbers at the limits of what headers hold.
const NUMBERS: [f64; 20] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    7.0,
    8.0,
    255.0,
    256.0,
    348.0,
    352.0,
    540.0,
    32767.0,
    32768.0,
    65535.0,
    2_147_483_647.0,
    4_294_967_296.0,
    1e30,
    f64::INFINITY,
    f64::NAN,
];
const MOST_MUTATIONS: u32 = 6;
const LARGEST_BLOCK: usize = 64;

/// Returns a changed copy of a seed. Parts of `other` may be spliced in.
pub fn mutate(rng: &mut ChaCha8Rng, seed: &[u8], other: &[u8], is_text: bool) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..rng.random_range(1..=MOST_MUTATIONS) {
        match rng.random_range(0..9) {
            0 => flip_bit(rng, &mut bytes),
            1 => set_byte(rng, &mut bytes, is_text),
            2 | 3 => set_number(rng, &mut bytes, is_text),
            4 => {
                let length = rng.random_range(0..=bytes.len());
                bytes.truncate(length);
            }
            5 => insert(rng, &mut bytes, is_text),
            6 => remove(rng, &mut bytes),
            7 => splice(rng, &mut bytes, other),
            _ => repeat(rng, &mut bytes),
        }
    }
    bytes
}

fn index(rng: &mut ChaCha8Rng, bytes: &[u8]) -> Option<usize> {
    // Headers stand at the start.
    let start = bytes.len().min(544);
    let length = if rng.random_bool(0.7) { start } else { bytes.len() };
    (length > 0).then(|| rng.random_range(0..length))
}

fn flip_bit(rng: &mut ChaCha8Rng, bytes: &mut [u8]) {
    if let Some(at) = index(rng, bytes) {
        bytes[at] ^= 1 << rng.random_range(0..8);
    }
}

fn set_byte(rng: &mut ChaCha8Rng, bytes: &mut [u8], is_text: bool) {
    if let Some(at) = index(rng, bytes) {
        bytes[at] = random_byte(rng, is_text);
    }
}

fn random_byte(rng: &mut ChaCha8Rng, is_text: bool) -> u8 {
    const SPECIAL: &[u8] = b",\"\n\r\t#=/\\.{}[]: -0";
    if is_text && rng.random_bool(0.8) {
        SPECIAL[rng.random_range(0..SPECIAL.len())]
    } else {
        rng.next_u32() as u8
    }
}

/// Overwrites bytes by a number, as text or in one of the types and byte orders of headers.
fn set_number(rng: &mut ChaCha8Rng, bytes: &mut [u8], is_text: bool) {
    let number = NUMBERS[rng.random_range(0..NUMBERS.len())];
    let mut encoded = if is_text {
        number.to_string().into_bytes()
    } else {
        match rng.random_range(0..5) {
            0 => (number as i16).to_le_bytes().to_vec(),
            1 => (number as i32).to_le_bytes().to_vec(),
            2 => (number as i64).to_le_bytes().to_vec(),
            3 => (number as f32).to_le_bytes().to_vec(),
            _ => number.to_le_bytes().to_vec(),
        }
    };
    if !is_text && rng.random_bool(0.3) {
        encoded.reverse();
    }
    if let Some(at) = index(rng, bytes) {
        let at = if is_text { at } else { at & !1 };
        let n = encoded.len().min(bytes.len() - at);
        bytes[at..at + n].copy_from_slice(&encoded[..n]);
    }
}

fn insert(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, is_text: bool) {
    let at = if rng.random_bool(0.5) { bytes.len() } else { rng.random_range(0..=bytes.len()) };
    let count = rng.random_range(1..=LARGEST_BLOCK);
    let zeros = !is_text && rng.random_bool(0.5);
    let block: Vec<u8> = (0..count).map(|_| if zeros { 0 } else { random_byte(rng, is_text) }).collect();
    bytes.splice(at..at, block);
}

fn block(rng: &mut ChaCha8Rng, bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let at = index(rng, bytes)?;
    Some(at..bytes.len().min(at + rng.random_range(1..=LARGEST_BLOCK)))
}

fn remove(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    if let Some(block) = block(rng, bytes) {
        bytes.drain(block);
    }
}

/// Copies a block of another seed to the same or another place.
fn splice(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    let Some(block) = block(rng, other) else { return };
    let at = if rng.random_bool(0.5) { block.start } else { rng.random_range(0..=bytes.len()) };
    let (start, end) = (at.min(bytes.len()), (at + block.len()).min(bytes.len()));
    bytes.splice(start..end, other[block].iter().copied());
}

fn repeat(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    if let Some(block) = block(rng, bytes) {
        let copy = bytes[block.clone()].to_vec();
        bytes.splice(block.start..block.start, copy);
    }
}
