//! Volumes read from streams equal those read from files, and damaged streams are rejected.

use std::fs;
use std::io::{self, Read};

use proptest::prelude::*;
use relevox_volume::{Error, nifti};

use crate::nibabel_parity::unpacked;
use crate::scans::{gzip, zeros_nifti};

/// A stream that returns a few bytes at a time.
struct Trickle<'a> {
    bytes: &'a [u8],
    chunk: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.chunk.min(buffer.len());
        self.bytes.read(&mut buffer[..n])
    }
}

/// A stream that fails after its bytes.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::new(io::ErrorKind::ConnectionReset, "connection reset")),
            n => Ok(n),
        }
    }
}

#[test]
fn streams_equal_files() {
    let (_folder, fixtures) = unpacked();
    for fixture in fixtures {
        let bytes = fs::read(&fixture.path).unwrap();
        for chunk in [1, 7, usize::MAX] {
            let stream = || Trickle { bytes: &bytes, chunk };
            let expected = nifti::read(&fixture.path).unwrap();
            assert_eq!(nifti::read_from(stream(), "stream").unwrap(), expected);
            match nifti::read_labels(&fixture.path) {
                Ok(labels) => assert_eq!(nifti::read_labels_from(stream(), "stream").unwrap(), labels),
                Err(_) => assert!(nifti::read_labels_from(stream(), "stream").is_err()),
            }
        }
    }
}

#[test]
fn a_stream_that_fails_is_named() {
    let bytes = zeros_nifti();
    for length in [0, 1, 200] {
        let error = nifti::read_from(Failing(&bytes[..length]), "download").unwrap_err();
        assert!(matches!(&error, Error::Io { action: "read", .. }), "{error}");
        assert!(error.to_string().contains("download"), "{error}");
    }
    let error = nifti::read_from(Failing(&bytes[..400]), "download").unwrap_err();
    assert!(matches!(&error, Error::Truncated { found_bytes: 48, .. }), "{error}");
}

#[test]
fn an_empty_stream_is_no_nifti() {
    let error = nifti::read_from(io::empty(), "nothing").unwrap_err();
    assert!(error.to_string().contains("nothing: expected a NIfTI file"), "{error}");
}

proptest! {
    /// Every stream that ends early is rejected, compressed or not.
    #[test]
    fn streams_that_end_early(cut in 0.0_f64..1.0, compressed in any::<bool>()) {
        let bytes = if compressed { gzip(&zeros_nifti()) } else { zeros_nifti() };
        let length = (cut * bytes.len() as f64) as usize;
        prop_assert!(nifti::read_from(&bytes[..length], "cut").is_err());
    }
}
