//! Names of tumour segmentations. Only these are read as the expert's outline: a brain mask, a tissue segmentation or a
//! part of the tumour under a similar name is not.

use super::tokens::tokens;

/// Words of a segmentation, which suffice after the name of the case: `X_seg`, `X_segm`.
const SEGMENTATION: [&str; 4] = ["seg", "segm", "segmentation", "segmentations"];
/// Words of a segmentation that need a word of a tumour next to them.
const MASK: [&str; 7] = ["mask", "msk", "roi", "label", "labels", "dseg", "labelmap"];
/// Starts of words of a tumour. What follows in the word must be one of [`SEGMENTATION`] or [`MASK`], or an `s`.
const TUMOUR: [&str; 9] = [
    "wholetumour",
    "wholetumor",
    "braintumour",
    "braintumor",
    "tumour",
    "tumor",
    "lesion",
    "glioma",
    "glioblastoma",
];
/// The automatic segmentation of the TCGA collections.
const GLISTRBOOST: &str = "glistrboost";
/// Words that say how the segmentation was made, or that it is that of the whole tumour.
const NEUTRAL: [&str; 9] =
    ["whole", "final", "expert", "consensus", "gt", "truth", "ground", "groundtruth", "native"];
const AUTOMATIC: [&str; 4] = ["automated", "automatic", "auto", "approx"];
const MANUAL: [&str; 4] = ["manual", "manually", "corrected", "manuallycorrected"];
/// Values of BIDS's `space-` that keep the scan's own grid.
const OWN_SPACES: [&str; 5] = ["orig", "native", "scanner", "individual", "t1w"];
/// Parts of a tumour in the values of BIDS's `label-` and `desc-`.
const PARTS: [&str; 9] =
    ["core", "enhanc", "edema", "oedema", "necro", "cavity", "resection", "prob", "pred"];

/// How a segmentation was made, by its name. An expert's takes precedence over an automatic one of the same case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// Drawn or corrected by an expert, or not said.
    Expert,
    /// Said to be automatic.
    Automatic,
}

/// Returns what a name without the name of its case says, or `None` if it is not that of a tumour's segmentation.
pub(super) fn of_rest(rest: &str) -> Option<Origin> {
    let rest = rest.to_ascii_lowercase();
    let words = tokens(&rest);
    let (mut tumour, mut segmentation, mut automatic, mut manual) = (false, false, false, false);
    for (i, word) in words.iter().map(|token| token.text).enumerate() {
        match word {
            // `brain_tumor_seg`, but not `brain_seg`
            "brain" if words.get(i + 1).is_some_and(|next| is_tumour(next.text)) => {}
            GLISTRBOOST => (tumour, automatic) = (true, true),
            _ if is_tumour(word) => tumour = true,
            _ if SEGMENTATION.contains(&word) => segmentation = true,
            _ if AUTOMATIC.contains(&word) => automatic = true,
            _ if MANUAL.contains(&word) => manual = true,
            _ if NEUTRAL.contains(&word) || MASK.contains(&word) => {}
            _ => return None,
        }
    }
    (tumour || segmentation).then_some(if automatic && !manual { Origin::Automatic } else { Origin::Expert })
}

fn is_tumour(word: &str) -> bool {
    TUMOUR.iter().any(|start| {
        word.strip_prefix(start).is_some_and(|rest| {
            matches!(rest, "" | "s") || SEGMENTATION.contains(&rest) || MASK.contains(&rest)
        })
    })
}

/// Returns what the name of a BIDS file says: `label-tumor_mask`, `label-lesion_roi`, `desc-tumor_dseg`, or `seg`
/// without a label. A file in another space than the scan's is not one.
pub(super) fn of_bids(stem: &str) -> Option<Origin> {
    let stem = stem.to_ascii_lowercase();
    let (entities, suffix) = stem.rsplit_once('_')?;
    if !SEGMENTATION.contains(&suffix) && !MASK.contains(&suffix) && !is_tumour(suffix) {
        return None;
    }
    let (mut tumour, mut labelled, mut automatic, mut manual) = (is_tumour(suffix), false, false, false);
    for entity in entities.split('_') {
        let (key, value) = entity.split_once('-')?;
        match key {
            "space" if !OWN_SPACES.contains(&value) => return None,
            "label" | "desc" => {
                automatic |= AUTOMATIC.iter().any(|word| value.contains(word));
                manual |= MANUAL.iter().any(|word| value.contains(word));
                if PARTS.iter().any(|part| value.contains(part)) {
                    return None;
                }
                let named = ["tumor", "tumour", "lesion", "glioma"].iter().any(|word| value.contains(word));
                tumour |= named;
                let neutral =
                    NEUTRAL.contains(&value) || AUTOMATIC.contains(&value) || MANUAL.contains(&value);
                labelled |= !named && !neutral;
            }
            _ => {}
        }
    }
    let whole = tumour || (!labelled && SEGMENTATION.contains(&suffix));
    whole.then_some(if automatic && !manual { Origin::Automatic } else { Origin::Expert })
}

/// Returns whether a name without the tumour's words resembles that of a segmentation, for messages.
pub(super) fn resembles_segmentation(stem: &str) -> bool {
    let stem = stem.to_ascii_lowercase();
    ["seg", "mask", "label", "tumor", "tumour", "lesion", "_gt"].iter().any(|word| stem.contains(word))
}

/// Returns whether a name is that of a segmentation after identifiers and dates only: `W39_1998.09.19_Segm`, which is
/// how BraTS 2020 names that of case 355.
pub(super) fn after_identifiers(stem: &str) -> bool {
    let stem = stem.to_ascii_lowercase();
    let words = tokens(&stem);
    words.split_last().is_some_and(|(last, before)| {
        let identifiers = before.iter().all(|token| token.text.contains(|c: char| c.is_ascii_digit()));
        SEGMENTATION.contains(&last.text) && !before.is_empty() && identifiers
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tumours_and_nothing_else() {
        let tumours = [
            "seg",
            "SEG",
            "segm",
            "Segmentation",
            "tumor_segmentation",
            "tumour_segmentation",
            "tumorMask",
            "automated_approx_segm",
            "GlistrBoost",
            "GlistrBoost_ManuallyCorrected",
            "brain_tumor_seg",
            "BrainTumorMask",
            "lesion",
            "lesion_mask",
            "final_seg",
            "manual_seg",
            "tumor",
            "whole_tumor",
        ];
        for name in tumours {
            assert!(of_rest(name).is_some(), "{name}");
        }
        let others = [
            "brain_segmentation",
            "brain_parenchyma_segmentation",
            "brain_seg",
            "brainmask",
            "brain_mask",
            "wm_seg",
            "aseg",
            "synthseg",
            "ventricles_seg",
            "tissue_seg",
            "mask",
            "label",
            "t1_seg_csf",
            "seg_brain",
            "aparc_aseg",
            "skull_seg",
            "seg_prob",
            "tumor_core_seg",
            "edema_seg",
            "brain",
            "",
            "tumor_t1",
            "segbrain",
            "seg_pred",
            "head_seg",
            "gm_segm",
            "csf_segmentation",
        ];
        for name in others {
            assert_eq!(of_rest(name), None, "{name}");
        }
    }

    #[test]
    fn an_experts_segmentation_is_told_from_an_automatic_one() {
        for name in ["GlistrBoost", "automated_approx_segm", "auto_tumor_seg"] {
            assert_eq!(of_rest(name), Some(Origin::Automatic), "{name}");
        }
        for name in ["GlistrBoost_ManuallyCorrected", "segm", "manual_seg"] {
            assert_eq!(of_rest(name), Some(Origin::Expert), "{name}");
        }
    }

    #[test]
    fn masks_of_bids() {
        for name in [
            "sub-01_label-tumor_mask",
            "sub-01_ses-1_space-orig_label-tumour_dseg",
            "sub-01_label-lesion_roi",
            "sub-01_seg",
            "sub-01_desc-tumorManual_mask",
            "sub-01_label-L_desc-T1lesion_mask",
            "sub-01_ses-1_label-tumor_desc-manual_mask",
            "sub-01_tumor",
        ] {
            assert!(of_bids(name).is_some(), "{name}");
        }
        for name in [
            "sub-01_label-brain_mask",
            "sub-01_desc-brain_mask",
            "sub-01_dseg",
            "sub-01_label-GM_probseg",
            "sub-01_desc-aseg_dseg",
            "sub-01_space-MNI152NLin2009cAsym_label-tumor_mask",
            "sub-01_label-WM_seg",
            "sub-01_label-tumorCore_mask",
            "sub-01_T1w",
            "sub-01_mask",
            "sub-01_desc-synthseg_seg",
            "sub-01_label-tumor_T1w",
        ] {
            assert_eq!(of_bids(name), None, "{name}");
        }
    }

    #[test]
    fn masks_of_bids_are_an_experts_unless_they_are_only_automatic() {
        for (name, expected) in [
            ("sub-01_label-tumor_mask", Origin::Expert),
            ("sub-01_seg", Origin::Expert),
            ("sub-01_label-tumor_desc-manual_mask", Origin::Expert),
            ("sub-01_label-tumor_desc-automated_mask", Origin::Automatic),
            ("sub-01_label-tumor_desc-automatedManual_mask", Origin::Expert),
        ] {
            assert_eq!(of_bids(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn identifiers_before_a_segmentation() {
        assert!(after_identifiers("W39_1998.09.19_Segm"));
        for name in ["one_seg_a", "brain_seg", "seg", "wm1_brain_seg", "1998_brainseg"] {
            assert!(!after_identifiers(name), "{name}");
        }
    }
}
