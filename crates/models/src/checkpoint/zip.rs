//! Zip archives with stored entries, as PyTorch writes them: PKWARE's APPNOTE 6.3.10,
//! <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>.
//!
//! Entries are slices of the archive; nothing is decompressed or copied.

use std::collections::BTreeMap;
use std::ops::Range;

/// Signatures of a local header, a central header and the end record.
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
/// Sizes of these headers without names, extra fields and comments.
const LOCAL_LEN: usize = 30;
const CENTRAL_LEN: usize = 46;
const END_LEN: usize = 22;

/// The entries of an archive by name.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    entries: BTreeMap<&'a str, Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Offset of the local header.
    header: usize,
    len: usize,
    /// 0 if it was not computed.
    checksum: u32,
    is_stored: bool,
}

/// Returns whether bytes begin as a zip archive does.
pub(super) fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(&LOCAL) || bytes.starts_with(&END)
}

impl<'a> Archive<'a> {
    /// Reads the central directory.
    ///
    /// # Errors
    /// Returns what was found instead.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let cut = || "a truncated or damaged zip archive".to_owned();
        let end = end_record(bytes).ok_or_else(cut)?;
        let (count, start) = (u16_at(bytes, end + 10), u32_at(bytes, end + 16));
        let (Some(count), Some(start)) = (count, start) else { return Err(cut()) };
        if count == usize::from(u16::MAX) || start == u32::MAX as usize {
            return Err("a zip archive of more than 4 GiB or 65534 entries".to_owned());
        }
        let mut entries = BTreeMap::new();
        let mut at = start;
        let mut room = bytes.len();
        for _ in 0..count {
            let (name, entry, len) = central(bytes, at).ok_or_else(cut)?;
            let left = room.checked_sub(entry.len);
            room = left.ok_or("a zip archive whose entries are larger than the file")?;
            entries.insert(name, entry);
            at += len;
        }
        Ok(Self { bytes, entries })
    }

    /// Returns the names of the entries, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().copied()
    }

    /// Returns the content of an entry, or `None` if the archive lacks it.
    ///
    /// # Errors
    /// Returns what was found instead of an intact stored entry.
    pub(super) fn content(&self, name: &str) -> Result<Option<&'a [u8]>, String> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        if !entry.is_stored {
            return Err(format!("a zip archive with the compressed entry {name}"));
        }
        let content = self.place(entry).and_then(|place| self.bytes.get(place));
        let content = content.ok_or_else(|| format!("a truncated zip archive (entry {name})"))?;
        if entry.checksum != 0 && crc32fast::hash(content) != entry.checksum {
            return Err(format!("a damaged file (the checksum of entry {name} differs)"));
        }
        Ok(Some(content))
    }

    fn place(&self, entry: &Entry) -> Option<Range<usize>> {
        let header = entry.header;
        if slice(self.bytes, header, 4)? != LOCAL {
            return None;
        }
        let variable = u16_at(self.bytes, header + 26)? + u16_at(self.bytes, header + 28)?;
        let start = header + LOCAL_LEN + variable;
        Some(start..start + entry.len)
    }
}

/// Returns the offset of the last end record whose comment ends in the file.
fn end_record(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_LEN)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    (first..=last).rev().find(|&at| {
        bytes[at..].starts_with(&END)
            && u16_at(bytes, at + 20).is_some_and(|comment| at + END_LEN + comment <= bytes.len())
    })
}

/// Reads a central header: the name, the entry, and the length of the header.
fn central(bytes: &[u8], at: usize) -> Option<(&str, Entry, usize)> {
    if slice(bytes, at, 4)? != CENTRAL {
        return None;
    }
    let name = u16_at(bytes, at + 28)?;
    let len = CENTRAL_LEN + name + u16_at(bytes, at + 30)? + u16_at(bytes, at + 32)?;
    let is_encrypted = u16_at(bytes, at + 8)? & 1 == 1;
    let entry = Entry {
        header: u32_at(bytes, at + 42)?,
        len: u32_at(bytes, at + 20)?,
        checksum: u32_at(bytes, at + 16)? as u32,
        is_stored: u16_at(bytes, at + 10)? == 0 && !is_encrypted,
    };
    Some((std::str::from_utf8(slice(bytes, at + CENTRAL_LEN, name)?).ok()?, entry, len))
}

fn slice(bytes: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(len)?)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(slice(bytes, at, 2)?.try_into().ok()?).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(slice(bytes, at, 4)?.try_into().ok()?)).ok()
}
