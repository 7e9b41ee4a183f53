//! The words of a case in the names of its scans: those that all sequences share, and those of its folder.

use super::contrast::{CaseWords, Contrast};
use super::tokens::{Token, tokens};

/// Finds the words of the case at the start of each name. `folders` are the names of the folder and of the one above it.
pub(super) fn case_words(stems: &[&str], folders: &[&str]) -> Vec<CaseWords> {
    let words: Vec<Vec<Token<'_>>> = stems.iter().map(|stem| tokens(stem)).collect();
    let sequences: Vec<&[Token<'_>]> =
        stems.iter().zip(&words).filter_map(|(stem, words)| before_contrast(stem, words)).collect();
    let shared = match sequences.split_first() {
        Some((first, others)) if !others.is_empty() => {
            others.iter().map(|other| common(first, other)).min().unwrap_or(0)
        }
        _ => 0,
    };
    let folders: Vec<Vec<Token<'_>>> = folders.iter().map(|folder| tokens(folder)).collect();
    let bytes = |words: &[Token<'_>], count: usize| {
        let last = count.checked_sub(1).and_then(|last| words.get(last));
        last.map_or(0, |word| word.start + word.text.len())
    };
    stems
        .iter()
        .zip(&words)
        .map(|(stem, words)| {
            let Some(before) = before_contrast(stem, words) else { return CaseWords::default() };
            let of_folder = folders.iter().map(|folder| common(before, folder)).max().unwrap_or(0);
            CaseWords { shared: bytes(before, shared), of_folder: bytes(before, of_folder) }
        })
        .collect()
}

/// The words before the name of a contrast, if the name ends with one.
fn before_contrast<'a>(stem: &str, words: &'a [Token<'a>]) -> Option<&'a [Token<'a>]> {
    let start = Contrast::start(stem)?;
    words.get(..words.iter().position(|word| word.start == start)?)
}

/// Number of words that two names start with, in any letter case.
fn common(a: &[Token<'_>], b: &[Token<'_>]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a.text.eq_ignore_ascii_case(b.text)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_all_sequences_share() {
        let shared = |stems: &[&str]| case_words(stems, &[]).iter().map(|w| w.shared).collect::<Vec<_>>();
        assert_eq!(shared(&["a_Gd_t1", "a_gd_t2", "A-GD-flair", "a_mask"]), [4, 4, 4, 0]);
        assert_eq!(shared(&["a_gd_t1", "a_t1", "a_t2"]), [1, 1, 1]);
        assert_eq!(shared(&["t1", "gd_t1"]), [0, 0]);
        assert_eq!(shared(&["a_Gd_t1", "a_Gd_seg"]), [0, 0]);
        assert_eq!(shared(&["t2_t2_flair", "t2_t1"]), [2, 2]);
    }

    #[test]
    fn words_of_the_folder() {
        let of = |stem: &str, folders: &[&str]| case_words(&[stem], folders)[0].of_folder;
        assert_eq!(of("a_Gd_t1", &["anat", "a_gd"]), 4);
        assert_eq!(of("a_Gd_t1", &["a"]), 1);
        assert_eq!(of("b_Gd_t1", &["a_gd"]), 0);
    }
}
