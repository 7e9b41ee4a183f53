//! Words of file names: runs of letters and digits.

/// A word of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// The word.
    pub text: &'a str,
    /// Number of bytes before it.
    pub start: usize,
}

/// Divides a name into its words.
pub(super) fn tokens(name: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    for part in name.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let text = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        if !text.is_empty() {
            found.push(Token { text, start });
        }
        start += part.len();
    }
    found
}
