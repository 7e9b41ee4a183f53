//! Which file belongs to which sequence of the settings.

use super::contrast::{CaseWords, Contrast};
use super::scans::Scan;
use super::tokens::tokens;

/// The sequences of the settings and the names that files have for them.
#[derive(Clone, Debug)]
pub(super) struct SequenceNames {
    sequences: Vec<Sequence>,
}

#[derive(Clone, Debug)]
struct Sequence {
    name: String,
    /// The name in lower case, with `_` between its words.
    plain: String,
    /// The contrast, if the name is one of a contrast.
    contrast: Option<Contrast>,
    /// Whether any other name of the contrast will do. Not if two sequences of the settings have one contrast.
    any_name: bool,
}

impl SequenceNames {
    /// Prepares the names of the settings' sequences.
    pub fn new(sequences: &[String]) -> Self {
        let contrasts: Vec<Option<Contrast>> = sequences.iter().map(|name| Contrast::of_name(name)).collect();
        let only = |contrast| contrasts.iter().filter(|&&other| other == contrast).count() == 1;
        let sequences = sequences.iter().zip(&contrasts).map(|(name, &contrast)| Sequence {
            name: name.clone(),
            plain: plain(name),
            contrast,
            any_name: contrast.is_some() && only(contrast),
        });
        Self { sequences: sequences.collect() }
    }

    /// Names of the sequences, in the order of the settings.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sequences.iter().map(|sequence| sequence.name.as_str())
    }

    /// Index of the sequence that a scan's name ends with, and the number of bytes before that name.
    pub fn of_scan(&self, scan: &Scan) -> Option<(usize, usize)> {
        self.of_stem(&scan.stem, scan.case_words)
    }

    /// Returns whether a scan's name could mean a sequence and another one: T1 with and without a contrast agent.
    pub fn is_ambiguous(&self, index: usize, scan: &Scan) -> bool {
        let contrast = self.sequences.get(index).and_then(|sequence| sequence.contrast);
        matches!(contrast, Some(Contrast::T1 | Contrast::T1ce))
            && Contrast::is_ambiguous(&scan.stem, scan.case_words)
    }

    fn of_stem(&self, stem: &str, case: CaseWords) -> Option<(usize, usize)> {
        let contrast = Contrast::of_file(stem, case);
        let mut best: Option<(usize, usize)> = None;
        for (index, sequence) in self.sequences.iter().enumerate() {
            let start = match (sequence.contrast, contrast) {
                (Some(expected), Some((found, start))) if expected == found => {
                    if sequence.any_name {
                        Some(start)
                    } else {
                        ending(stem, &sequence.plain)
                    }
                }
                (Some(_), _) => None,
                (None, _) => ending(stem, &sequence.plain),
            };
            // The longest name wins: `dwi_t2` is no `t2` if both are sequences.
            if let Some(start) = start
                && best.is_none_or(|(_, earlier)| start < earlier)
            {
                best = Some((index, start));
            }
        }
        best
    }

    /// Index of the sequence that a channel or a column is named after.
    pub fn of_name(&self, name: &str) -> Option<usize> {
        self.of_stem(name, CaseWords::default()).filter(|(_, start)| *start == 0).map(|(index, _)| index)
    }
}

/// A name in lower case, with `_` between its words.
fn plain(name: &str) -> String {
    let lower = name.to_lowercase();
    tokens(&lower).iter().map(|token| token.text).collect::<Vec<_>>().join("_")
}

/// Number of bytes of a file's name before the words of a plain name that it ends with.
fn ending(stem: &str, plain_name: &str) -> Option<usize> {
    let words: Vec<&str> = plain_name.split('_').collect();
    let found = tokens(stem);
    let tail = found.get(found.len().checked_sub(words.len())?..)?;
    let same = tail.iter().zip(&words).all(|(token, word)| token.text.to_lowercase() == **word);
    if same { tail.first().map(|token| token.start) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sequences: &[&str]) -> SequenceNames {
        SequenceNames::new(&sequences.iter().map(|&s| s.to_owned()).collect::<Vec<_>>())
    }

    fn of_file(names: &SequenceNames, stem: &str) -> Option<(usize, usize)> {
        names.of_stem(stem, CaseWords::default())
    }

    #[test]
    fn settings_may_use_any_of_the_names() {
        for sequence in ["t1ce", "t1c", "T1GD", "t1_ce", "ct1"] {
            for file in ["x_t1ce", "X_T1GD", "sub-1_ce-gd_T1w", "x-t1c", "CT1"] {
                assert_eq!(
                    of_file(&names(&["t2", sequence]), file).map(|(i, _)| i),
                    Some(1),
                    "{sequence} {file}"
                );
            }
            assert_eq!(of_file(&names(&[sequence]), "sub-1_T1w"), None);
        }
    }

    #[test]
    fn two_names_of_one_contrast_are_taken_literally() {
        let names = names(&["t1", "t1w"]);
        assert_eq!(of_file(&names, "x_T1w"), Some((1, 2)));
        assert_eq!(of_file(&names, "x_t1"), Some((0, 2)));
        assert_eq!(of_file(&names, "x_t1n"), None);
        assert_eq!(of_file(&names, "x_ce-gd_T1w"), None);
    }

    #[test]
    fn other_sequences_by_their_last_words() {
        let names = names(&["adc", "dwi_t2", "t2"]);
        assert_eq!(of_file(&names, "p1_ADC").map(|(i, _)| i), Some(0));
        assert_eq!(of_file(&names, "p1-dwi-t2").map(|(i, _)| i), Some(1));
        assert_eq!(of_file(&names, "p1_t2").map(|(i, _)| i), Some(2));
        assert_eq!(of_file(&names, "p1adc"), None);
        assert_eq!(names.of_name("ADC"), Some(0));
        assert_eq!(names.of_name("p1_ADC"), None);
    }
}
