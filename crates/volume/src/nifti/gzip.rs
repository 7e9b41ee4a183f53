//! Decompression of gzip files: several members, and zeros after the last.
//!
//! Zeros after a member are padding (of tapes and of some archives), which gzip, Python and zlib ignore. Any other
//! bytes are an error.
//!
//! Reference: RFC 1952.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The decompressed bytes of all members of a gzip file.
pub(super) struct Members<R>(State<R>);

enum State<R> {
    Inside(Box<GzDecoder<R>>),
    /// After a member.
    Between(R),
    Ended,
}

impl<R: BufRead> Members<R> {
    pub fn new(source: R) -> Self {
        Self(State::Inside(Box::new(GzDecoder::new(source))))
    }
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match &mut self.0 {
                State::Inside(member) => match member.read(buffer)? {
                    0 => {}
                    n => return Ok(n),
                },
                State::Between(source) => {
                    if !skip_zeros(source)? {
                        self.0 = State::Ended;
                    }
                }
                State::Ended => return Ok(0),
            }
            self.0 = match std::mem::replace(&mut self.0, State::Ended) {
                State::Inside(member) => State::Between(member.into_inner()),
                State::Between(source) => State::Inside(Box::new(GzDecoder::new(source))),
                State::Ended => return Ok(0),
            };
        }
    }
}

/// Skips zeros, and returns whether another member begins after them.
fn skip_zeros(source: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = source.fill_buf()?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let zeros = bytes.iter().position(|&b| b != 0).unwrap_or(bytes.len());
        let next = bytes.get(zeros).copied();
        source.consume(zeros);
        match next {
            None => {}
            Some(byte) if byte == MAGIC[0] => return Ok(true),
            Some(_) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "bytes other than zeros after its end",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn member(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decompressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        Members::new(bytes).read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn members_are_joined_and_zeros_after_them_ignored() {
        for zeros in [0, 1, 7, 5000] {
            let padding = vec![0; zeros];
            let file = [member(b"one "), padding.clone(), member(b""), member(b"two"), padding].concat();
            assert_eq!(decompressed(&file).unwrap(), b"one two", "{zeros} zeros");
        }
    }

    #[test]
    fn other_bytes_after_a_member_are_an_error() {
        for after in [&b"x"[..], b"\0\0x", b"\x1f", b"\x1f\x8b", b"\0\x1fx"] {
            assert!(decompressed(&[&member(b"one")[..], after].concat()).is_err(), "{after:?}");
        }
    }

    /// A source that is interrupted before every byte.
    struct Interrupted<'a>(&'a [u8], bool);

    impl Read for Interrupted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.fill_buf()?.read(buffer)?;
            self.consume(n);
            Ok(n)
        }
    }

    impl BufRead for Interrupted<'_> {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            self.1 = !self.1;
            if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(&self.0[..self.0.len().min(1)]) }
        }

        fn consume(&mut self, n: usize) {
            self.0 = &self.0[n..];
        }
    }

    #[test]
    fn an_interrupted_source_is_read_on() {
        let file = [member(b"one "), vec![0; 3], member(b"two"), vec![0; 3]].concat();
        let mut plain = Vec::new();
        Members::new(Interrupted(&file, false)).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, b"one two");
    }
}
