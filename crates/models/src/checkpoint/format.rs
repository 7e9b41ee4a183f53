//! Detection of a file's format from its content.

use super::pytorch::SAVE_AGAIN;
use super::zip;

/// A format that is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Format {
    Safetensors,
    /// A zip archive, which may be PyTorch's.
    Zip,
}

/// Begin of a pickle that PyTorch wrote before 1.6: its magic number.
const OLD_PYTORCH: &[u8] = &[0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// Longest header that the `safetensors` crate reads.
const HEADER: u64 = 100_000_000;
/// Bytes that are searched for the begin of a text.
const BEGIN: usize = 512;

/// Recognises a format.
///
/// # Errors
/// Returns what was found instead, and what to do if one thing helps.
pub(super) fn recognise(bytes: &[u8]) -> Result<Format, String> {
    if zip::is_archive(bytes) {
        return Ok(Format::Zip);
    }
    let found = |found: &str| Err(found.to_owned());
    match bytes {
        [] => return found("an empty file"),
        [0x89, b'H', b'D', b'F', ..] => {
            return found("an HDF5 file, such as Keras's; only PyTorch's networks are read");
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            return Err(format!("a NumPy array; {SAVE_AGAIN}"));
        }
        [0x1f, 0x8b, ..] => return found("a gzip file; decompress it"),
        [0x80, 2..=5, rest @ ..] if rest.starts_with(OLD_PYTORCH) => {
            return found(
                "a file of PyTorch before 1.6; load it with torch.load and save its state dict with torch.save",
            );
        }
        [0x80, 0..=5, ..] => return Err(format!("a Python pickle; {SAVE_AGAIN}")),
        [b'G', b'G', b'U', b'F', ..] => return Err(format!("a GGUF file; {SAVE_AGAIN}")),
        _ => {}
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return found("a tar archive; extract it");
    }
    if is_onnx(bytes) {
        return Err(format!("an ONNX model; {SAVE_AGAIN}"));
    }
    let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(BEGIN)]).to_ascii_lowercase();
    let begin = begin.trim_start_matches('\u{feff}').trim_start();
    if begin.starts_with("version https://git-lfs") {
        return found("a Git LFS pointer; fetch the file itself with git lfs pull");
    }
    if ["<!doctype", "<html", "<?xml", "<head"].iter().any(|tag| begin.starts_with(tag)) {
        return found("a web page (HTML or XML); download the file itself");
    }
    if begin.starts_with('{') {
        return found("a JSON file");
    }
    let Some((len, rest)) = bytes.split_first_chunk::<8>() else {
        return found("a file of an unknown format");
    };
    let len = u64::from_le_bytes(*len);
    match rest.first() {
        Some(b'{') if len > rest.len() as u64 => found("a truncated safetensors file"),
        Some(b'{') if len <= HEADER => Ok(Format::Safetensors),
        _ => found("a file of an unknown format"),
    }
}

/// Returns whether bytes begin as an ONNX model does: a protocol buffer whose first fields are the version of ONNX's
/// intermediate representation and a name of the producer, an operator set or the graph.
fn is_onnx(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=31, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named() {
        let mut tar = vec![b'a'; 300];
        tar[257..262].copy_from_slice(b"ustar");
        let cases: [(&[u8], &str); 16] = [
            (b"", "an empty file"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'", "NumPy array"),
            (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "gzip"),
            (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "PyTorch before 1.6"),
            (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.", "Python pickle"),
            (b"GGUF\x03\x00\x00\x00", "GGUF"),
            (&tar, "tar archive"),
            (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:", "ONNX"),
            (b"\x08\x0a:\xff\x01\x0a\x10", "ONNX"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "Git LFS"),
            (b"\n<!DOCTYPE html><html><head><title>Sign in</title>", "web page"),
            (b"\xef\xbb\xbf<html lang=\"en\">", "web page"),
            (b"{\"metadata\": {\"total_size\": 1}}", "JSON"),
            (b"\x40\x00\x00\x00\x00\x00\x00\x00{\"a\":", "truncated safetensors"),
            (b"SQLite format 3\x00 and more", "unknown format"),
        ];
        for (bytes, expected) in cases {
            let found = recognise(bytes).unwrap_err();
            assert!(found.contains(expected) && !found.contains('\n'), "{expected}: {found}");
        }
    }

    #[test]
    fn a_header_is_never_taken_for_a_length() {
        let huge = [&u64::MAX.to_le_bytes()[..], b"{\"a\":1}"].concat();
        assert!(recognise(&huge).unwrap_err().contains("truncated safetensors"));
        assert_eq!(recognise(b"\x02\x00\x00\x00\x00\x00\x00\x00{}"), Ok(Format::Safetensors));
        assert_eq!(recognise(b"PK\x03\x04"), Ok(Format::Zip));
    }
}
