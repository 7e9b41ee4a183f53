//! Names of MRI contrasts in data sets: those of BraTS 2017 to 2021 (`t1`, `t1ce`, `t2`, `flair`) and 2023 (`t1n`, `t1c`,
//! `t2w`, `t2f`), of UPENN-GBM and the TCGA collections (`T1GD`, `t1Gd`), of LUMIERE (`CT1`), and of BIDS (`T1w`,
//! `ce-gadolinium_T1w`), in any letter case.

use super::tokens::{Token, tokens};

/// An MRI contrast that data sets name differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Contrast {
    /// T1-weighted, without a contrast agent.
    T1,
    /// T1-weighted, after a contrast agent.
    T1ce,
    /// T2-weighted.
    T2,
    /// T2-weighted with suppressed fluid.
    Flair,
}

/// Bytes at the start of a file's name that name its case, not its contrast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CaseWords {
    /// Words that all sequences of the folder share: they say nothing about the contrast.
    pub shared: usize,
    /// Words of the folder's name: whether they say anything about the contrast is open.
    pub of_folder: usize,
}

/// Contrast that a file name states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// A contrast, and the number of bytes before its name.
    Named(Contrast, usize),
    /// T1 with or without a contrast agent, and the number of bytes before the name.
    Ambiguous(usize),
    /// No contrast.
    Other,
}

/// Names of one word.
const NAMES: [(Contrast, &[&str]); 4] = [
    (Contrast::T1, &["t1", "t1n", "t1w", "t1native", "t1pre", "t1weighted"]),
    (
        Contrast::T1ce,
        &[
            "t1ce",
            "t1c",
            "t1gd",
            "t1gad",
            "t1post",
            "t1wce",
            "t1wc",
            "t1wgd",
            "t1wpost",
            "t1km",
            "t1contrast",
            "ct1",
            "ct1w",
            "cet1",
            "cet1w",
            "gdt1",
            "gdt1w",
            "t1cw",
            "t1gdw",
            "t1cew",
        ],
    ),
    (Contrast::T2, &["t2", "t2w", "t2weighted"]),
    (Contrast::Flair, &["flair", "t2f", "t2flair", "t2wflair", "flairw"]),
];
/// Words after `t1` that say that a contrast agent was given.
const AGENT_AFTER: [&str; 10] =
    ["ce", "c", "gd", "gad", "gadolinium", "post", "postcontrast", "contrast", "enhanced", "km"];
/// Words before `t1` that say the same. `post` before `t1` may as well be an operation, `c` a patient.
const AGENT_BEFORE: [&str; 7] = ["ce", "gd", "gad", "gadolinium", "postcontrast", "contrast", "enhanced"];
/// Words after `t1` that say that none was given.
const NATIVE: [&str; 5] = ["pre", "native", "n", "precontrast", "noncontrast"];
const WEIGHTED: [&str; 2] = ["w", "weighted"];
/// Entity of BIDS for the contrast agent.
const BIDS_AGENT: &str = "ce-";
/// Words between `ce-` and the next entity that deny an agent.
const NO_AGENT: [&str; 4] = ["none", "no", "pre", "without"];

impl Contrast {
    /// Parses a whole name, such as `T1GD` or `T2-FLAIR`.
    pub fn of_name(name: &str) -> Option<Self> {
        match Self::of_file(name, CaseWords::default()) {
            Some((contrast, 0)) => Some(contrast),
            _ => None,
        }
    }

    /// Contrast that a file's name ends with, and the number of bytes before its name. `None` if the name ends with
    /// something else, or could mean T1 with and without a contrast agent.
    pub fn of_file(stem: &str, case: CaseWords) -> Option<(Self, usize)> {
        match read(stem, case) {
            Reading::Named(contrast, start) => Some((contrast, start)),
            Reading::Ambiguous(_) | Reading::Other => None,
        }
    }

    /// Returns whether a file's name could mean T1 with and without a contrast agent.
    pub fn is_ambiguous(stem: &str, case: CaseWords) -> bool {
        matches!(read(stem, case), Reading::Ambiguous(_))
    }

    /// Number of bytes before the name of a contrast that a file's name ends with.
    pub fn start(stem: &str) -> Option<usize> {
        match read(stem, CaseWords::default()) {
            Reading::Named(_, start) | Reading::Ambiguous(start) => Some(start),
            Reading::Other => None,
        }
    }
}

fn read(stem: &str, case: CaseWords) -> Reading {
    let stem = stem.to_ascii_lowercase();
    let words = tokens(&stem);
    let Some((last, before)) = words.split_last() else { return Reading::Other };
    let named =
        |word: &str| NAMES.iter().find(|(_, names)| names.contains(&word)).map(|(contrast, _)| *contrast);
    let Some(contrast) = named(last.text) else {
        // `t1_ce`, `T1-post`, `t1 native`, `t2_w`
        let Some((base, before)) = before.split_last() else { return Reading::Other };
        return match named(base.text) {
            Some(Contrast::T1) if AGENT_AFTER.contains(&last.text) => {
                Reading::Named(Contrast::T1ce, base.start)
            }
            Some(Contrast::T1) if NATIVE.contains(&last.text) => Reading::Named(Contrast::T1, base.start),
            Some(Contrast::T2) if WEIGHTED.contains(&last.text) => Reading::Named(Contrast::T2, base.start),
            Some(Contrast::T1) if WEIGHTED.contains(&last.text) => {
                with_agent(&stem, base.start, before.last(), case)
            }
            _ => Reading::Other,
        };
    };
    let previous = before.last();
    match contrast {
        Contrast::Flair => match previous {
            Some(word) if matches!(word.text, "t2" | "t2w") => Reading::Named(contrast, word.start),
            _ => Reading::Named(contrast, last.start),
        },
        Contrast::T2 if previous.is_some_and(|word| word.text == "flair") => Reading::Other,
        Contrast::T1 => with_agent(&stem, last.start, previous, case),
        _ => Reading::Named(contrast, last.start),
    }
}

/// Decides whether a T1 is one with a contrast agent, by the word before it and by BIDS's entity `ce-`.
fn with_agent(stem: &str, start: usize, previous: Option<&Token<'_>>, case: CaseWords) -> Reading {
    let entity = stem.split('_').find_map(|entity| entity.strip_prefix(BIDS_AGENT));
    if let Some(agent) = entity {
        let none = NO_AGENT.iter().any(|word| agent.starts_with(word));
        // A name that denies the agent is neither: the entity should not be there.
        return if none { Reading::Ambiguous(start) } else { Reading::Named(Contrast::T1ce, start) };
    }
    match previous {
        Some(word) if word.start < case.shared => Reading::Named(Contrast::T1, start),
        Some(word) if word.text == "post" => Reading::Ambiguous(start),
        Some(word) if AGENT_BEFORE.contains(&word.text) => {
            let open = word.start < case.of_folder;
            if open { Reading::Ambiguous(start) } else { Reading::Named(Contrast::T1ce, start) }
        }
        _ => Reading::Named(Contrast::T1, start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_file(stem: &str) -> Option<(Contrast, usize)> {
        Contrast::of_file(stem, CaseWords::default())
    }

    #[test]
    fn names_of_data_sets_in_any_letter_case() {
        let cases: [(&str, Option<Contrast>); 44] = [
            ("BraTS20_Training_001_t1", Some(Contrast::T1)),
            ("BraTS20_Training_001_t1ce", Some(Contrast::T1ce)),
            ("BraTS-GLI-00000-000-t1n", Some(Contrast::T1)),
            ("BraTS-GLI-00000-000-t1c", Some(Contrast::T1ce)),
            ("BraTS-GLI-00000-000-t2w", Some(Contrast::T2)),
            ("BraTS-GLI-00000-000-t2f", Some(Contrast::Flair)),
            ("UPENN-GBM-00001_11_T1GD", Some(Contrast::T1ce)),
            ("UPENN-GBM-00001_11_T1", Some(Contrast::T1)),
            ("TCGA-02-0006_1996.08.23_t1Gd", Some(Contrast::T1ce)),
            ("UCSF-PDGM-0004_T1c", Some(Contrast::T1ce)),
            ("UCSF-PDGM-0004_T1_bias", None),
            ("UCSF-PDGM-0004_DTI_eddy_FA", None),
            ("CT1", Some(Contrast::T1ce)),
            ("PatientID_0003_Timepoint_1_brain_t1c", Some(Contrast::T1ce)),
            ("sub-01_T1w", Some(Contrast::T1)),
            ("sub-01_ses-1_ce-gadolinium_T1w", Some(Contrast::T1ce)),
            ("sub-01_ce-GADOLINIUM_run-1_T1w", Some(Contrast::T1ce)),
            ("sub-01_ce-none_T1w", None),
            ("sub-01_ce-gd_FLAIR", Some(Contrast::Flair)),
            ("sub-01_ce-gd_T2w", Some(Contrast::T2)),
            ("sub-01_acq-post_T1w", None),
            ("sub-01_acq-gd_T1w", Some(Contrast::T1ce)),
            ("x_T1_CE", Some(Contrast::T1ce)),
            ("x_t1-ce", Some(Contrast::T1ce)),
            ("x T1+C", Some(Contrast::T1ce)),
            ("x_T1-post", Some(Contrast::T1ce)),
            ("x_T1post", Some(Contrast::T1ce)),
            ("x_post_T1", None),
            ("x_post-op_T1", Some(Contrast::T1)),
            ("x_T1_pre", Some(Contrast::T1)),
            ("x_T1_w", Some(Contrast::T1)),
            ("x_ce_T1_w", Some(Contrast::T1ce)),
            ("x_T2_FLAIR", Some(Contrast::Flair)),
            ("x_T2-Flair", Some(Contrast::Flair)),
            ("x_FLAIR_T2", None),
            ("x.T2", Some(Contrast::T2)),
            ("flair", Some(Contrast::Flair)),
            ("x_T2star", None),
            ("x_T1map", None),
            ("x_t1_t2_ratio", None),
            ("c_t1", Some(Contrast::T1)),
            ("xt1", None),
            ("x_t_1", None),
            ("", None),
        ];
        for (name, expected) in cases {
            for name in [name.to_owned(), name.to_uppercase(), name.to_lowercase()] {
                assert_eq!(of_file(&name).map(|(contrast, _)| contrast), expected, "{name}");
            }
        }
    }

    #[test]
    fn the_start_of_a_name_is_found() {
        for (name, prefix) in
            [("a_t1", "a_"), ("a_T2_FLAIR", "a_"), ("a-t1-ce", "a-"), ("sub-1_ce-gd_T1w", "sub-1_ce-gd_")]
        {
            let (_, start) = of_file(name).unwrap();
            assert_eq!(&name[..start], prefix);
        }
        assert_eq!(Contrast::of_name("T2-FLAIR"), Some(Contrast::Flair));
        assert_eq!(Contrast::of_name("x_flair"), None);
    }

    #[test]
    fn words_of_the_case_say_nothing_about_the_contrast() {
        let shared = |shared| CaseWords { shared, of_folder: 0 };
        for prefix in ["a_Gd_", "a-ce-", "post_", "Gd_"] {
            let name = format!("{prefix}t1");
            let found = Contrast::of_file(&name, shared(prefix.len() - 1));
            assert_eq!(found, Some((Contrast::T1, prefix.len())), "{name}");
            let name = format!("{prefix}gd_t1");
            let found = Contrast::of_file(&name, shared(prefix.len() - 1));
            assert_eq!(found.map(|(contrast, _)| contrast), Some(Contrast::T1ce), "{name}");
        }
        // BIDS's entity is not a name.
        let found = Contrast::of_file("sub-1_ce-gd_T1w", shared("sub-1_ce-gd".len()));
        assert_eq!(found.map(|(contrast, _)| contrast), Some(Contrast::T1ce));
        let of_folder = CaseWords { shared: 0, of_folder: 4 };
        assert!(
            Contrast::is_ambiguous("a_Gd_t1", of_folder) && !Contrast::is_ambiguous("a_Gd_t1ce", of_folder)
        );
        assert!(Contrast::is_ambiguous("a_post_t1", CaseWords::default()));
    }
}
