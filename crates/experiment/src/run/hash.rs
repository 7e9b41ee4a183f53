//! Content hashes (SHA-256), and seeds of independent random number streams.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::failure::invalid_input;

/// Computes the hash of a file's content, in hexadecimal.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the file can't be read.
pub fn hash_file(path: &Path) -> anyhow::Result<String> {
    let unreadable = |error: std::io::Error| {
        invalid_input(format!("{}: expected a readable file: {error}", path.display()))
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => return Ok(hexadecimal(&hasher.finalize())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Computes the hash of bytes, in hexadecimal.
pub fn hash_bytes(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Derives the seed of a named random number stream. Streams with different names are independent, so a change to one
/// stage leaves the random numbers of the others unchanged.
pub fn stream_seed(seed: u64, stream: &str) -> u64 {
    let digest = Sha256::digest(format!("{seed}/{stream}"));
    digest.iter().take(8).fold(0, |seed, &byte| (seed << 8) | u64::from(byte))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_of_a_file_equals_hash_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let bytes: Vec<u8> = (0..200_000).map(|i| (i % 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(hash_file(&path).unwrap(), hash_bytes(&bytes));
        // FIPS 180-2, appendix B.1.
        assert_eq!(hash_bytes(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn streams_differ_by_seed_and_name() {
        let seeds = [stream_seed(1, "split"), stream_seed(1, "draw"), stream_seed(2, "split")];
        assert!(seeds[0] != seeds[1] && seeds[0] != seeds[2] && seeds[1] != seeds[2]);
        assert_eq!(seeds[0], stream_seed(1, "split"));
    }
}
