//! Patients of cases, by the names that data sets give to time points, and names that suggest further ones.

use std::collections::{BTreeMap, BTreeSet};

use super::case::CohortCase;
use super::case_id::is_time_point;
use super::scans::name_list;

const TCGA: &str = "tcga-";
/// Codes of UPENN-GBM for the examination before and after surgery.
const CODES: [&str; 2] = ["11", "21"];
/// Cases of one suspected patient: more than this is the numbering of a data set.
const MOST_TIME_POINTS: usize = 20;
/// Longest time point in a name, in bytes.
const LONGEST_TIME_POINT: usize = 24;
/// Suspected patients that a note names.
const NAMED: usize = 3;

/// Returns the patient of a case that is named as in a known data set, else the case itself.
///
/// Known are BraTS 2017 to 2019 and 2023 (`Brats18_TCIA01_201_1`, `BraTS-GLI-00000-000`), UPENN-GBM, UCSF-PDGM, the TCGA
/// collections, LUMIERE, MU-Glioma-Post and BIDS.
pub(super) fn patient(case: &str) -> &str {
    of_data_set(case).unwrap_or(case)
}

/// Patient of a case that is named as in a known data set.
fn of_data_set(case: &str) -> Option<&str> {
    let lower = case.to_ascii_lowercase();
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let before_last = |separator| case.rsplit_once(separator).filter(|(_, last)| is_number(last));
    if lower.starts_with("brats-")
        || ["brats17_", "brats18_", "brats19_"].iter().any(|e| lower.starts_with(e))
    {
        let separator = if lower.starts_with("brats-") { '-' } else { '_' };
        return match before_last(separator) {
            Some((patient, _)) if patient.matches(separator).count() >= 2 => Some(patient),
            _ => Some(case),
        };
    }
    if lower.starts_with("sub-") {
        return case.split('_').next();
    }
    for prefix in ["upenn-gbm-", "ucsf-pdgm-", "patientid_", "patient-", TCGA] {
        let Some(rest) = lower.strip_prefix(prefix) else { continue };
        let length = if prefix == TCGA {
            tcga_code(rest)
        } else {
            rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())
        };
        let ends = rest.get(length..).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
        if length > 0 && ends {
            return case.get(..prefix.len() + length);
        }
    }
    None
}

/// Length of a patient's code in the TCGA collections, `02-0006`: the site and the patient.
fn tcga_code(rest: &str) -> usize {
    const LENGTH: usize = 7;
    let code = rest.as_bytes().first_chunk::<LENGTH>();
    let is_code = code.is_some_and(|code| {
        code.iter().enumerate().all(|(i, c)| if i == 2 { *c == b'-' } else { c.is_ascii_alphanumeric() })
    });
    if is_code { LENGTH } else { 0 }
}

/// Groups pairs of cases `STEM_11` and `STEM_21`, the codes of UPENN-GBM, and returns a note that says so.
pub(super) fn group_pairs(cases: &mut [CohortCase]) -> Option<String> {
    let mut codes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for case in cases.iter().filter(|case| case.group == case.files.id) {
        if let Some((stem, code)) = case.group.rsplit_once('_') {
            codes.entry(stem.to_owned()).or_default().insert(code.to_owned());
        }
    }
    // Further numbers after the same stem would be the numbering of a data set.
    codes.retain(|_, codes| codes.iter().eq(CODES));
    for case in cases.iter_mut().filter(|case| case.group == case.files.id) {
        if let Some((stem, _)) = case.files.id.rsplit_once('_')
            && codes.contains_key(stem)
        {
            case.group = stem.to_owned();
        }
    }
    let (first, _) = codes.first_key_value()?;
    Some(format!(
        "{} named as time points 11 and 21 of one patient count as one group each, such as {first}_11 and {first}_21; if they are different patients, list the cases in a manifest with a group column",
        plural(codes.len(), "pair of cases", "pairs of cases")
    ))
}

/// Describes cases whose names suggest that they are fewer patients than groups.
pub(super) fn suspected(cases: &[CohortCase]) -> Option<String> {
    let mut stems: BTreeMap<&str, Vec<&CohortCase>> = BTreeMap::new();
    for case in cases {
        if let Some(stem) = suspected_patient(case.id()) {
            stems.entry(stem).or_default().push(case);
        }
    }
    // One stem for all of many cases is the name of a data set.
    let is_data_set = |members: usize| members > MOST_TIME_POINTS || (members > 4 && members == cases.len());
    let suspected: Vec<(&str, &Vec<&CohortCase>)> = stems
        .iter()
        .map(|(stem, members)| (*stem, members))
        .filter(|(_, members)| {
            let groups: BTreeSet<&str> = members.iter().map(|case| case.group.as_str()).collect();
            groups.len() > 1 && !is_data_set(members.len())
        })
        .collect();
    if suspected.is_empty() {
        return None;
    }
    let named = suspected
        .iter()
        .take(NAMED)
        .map(|(stem, members)| format!("{stem} ({})", name_list(members.iter().map(|case| case.id()))));
    let named: Vec<String> = named.collect();
    let more = suspected.len().saturating_sub(NAMED);
    let others = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!(
        "names suggest several cases of one patient, which count as different patients and may be divided between splits: {}{others}; if so, list the cases in a manifest with a group column",
        named.join(", ")
    ))
}

/// The patient that a case's name suggests: what precedes a number or a time point, if it contains a digit (`P01_2`), if a
/// time word follows (`anna_week-3`), or if a number and a letter end the name (`P01a`).
fn suspected_patient(case: &str) -> Option<&str> {
    if of_data_set(case).is_some() {
        return None;
    }
    let lower = case.to_ascii_lowercase();
    let edition =
        lower.strip_prefix("brats").map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    if edition.is_some_and(|rest| rest.starts_with("_training") || rest.starts_with("_validation"))
        || lower.starts_with("brats2021_")
    {
        return None;
    }
    // From the longest time point, such as `week-000-1`, to the shortest.
    let cuts = case.match_indices(['_', '-', '.', ' ']).map(|(at, _)| at).filter(|&at| at > 0);
    for at in cuts {
        let (stem, rest) = (case.get(..at)?, case.get(at + 1..)?);
        if rest.len() > LONGEST_TIME_POINT {
            continue;
        }
        let number = !rest.is_empty() && rest.len() <= 4 && rest.chars().all(|c| c.is_ascii_digit());
        let has_digit = stem.contains(|c: char| c.is_ascii_digit());
        if is_time_point(rest) || (number && has_digit) {
            return Some(stem);
        }
    }
    // `001a`, `001b`: the first letters after a number.
    case.strip_suffix(|c: char| matches!(c, 'a'..='h' | 'A'..='H'))
        .filter(|stem| stem.ends_with(|c: char| c.is_ascii_digit()))
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CaseFiles;

    fn cases(ids: &[&str]) -> Vec<CohortCase> {
        let case = |id: &&str| CohortCase {
            files: CaseFiles { id: (*id).to_owned(), sequences: Vec::new(), segmentation: None },
            group: patient(id).to_owned(),
            label: true,
            split: None,
        };
        ids.iter().map(case).collect()
    }

    #[test]
    fn patients_of_known_data_sets() {
        for (case, expected) in [
            ("Brats18_TCIA01_201_1", "Brats18_TCIA01_201"),
            ("BraTS19_CBICA_AAB_1", "BraTS19_CBICA_AAB"),
            ("Brats18_A_1", "Brats18_A_1"),
            ("BraTS-GLI-00000-000", "BraTS-GLI-00000"),
            ("BraTS20_Training_001", "BraTS20_Training_001"),
            ("BraTS2021_00001", "BraTS2021_00001"),
            ("UPENN-GBM-00001_11", "UPENN-GBM-00001"),
            ("UPENN-GBM-00001", "UPENN-GBM-00001"),
            ("UCSF-PDGM-0004", "UCSF-PDGM-0004"),
            ("UCSF-PDGM-0429_FU001d", "UCSF-PDGM-0429"),
            ("UCSF-PDGM-0429_FU001d_nifti", "UCSF-PDGM-0429"),
            ("sub-01_ses-1", "sub-01"),
            ("sub-01", "sub-01"),
            ("TCGA-02-0006_1996.08.23", "TCGA-02-0006"),
            ("TCGA-DU-7014_1983.07.20", "TCGA-DU-7014"),
            ("TCGA-02-00067", "TCGA-02-00067"),
            ("Patient-001_week-000-1", "Patient-001"),
            ("PatientID_0003_Timepoint_1", "PatientID_0003"),
            ("patient_7", "patient_7"),
            ("tcga-é2", "tcga-é2"),
            ("", ""),
        ] {
            assert_eq!(patient(case), expected, "{case}");
        }
    }

    #[test]
    fn pairs_of_upenns_codes_are_grouped_and_said() {
        let mut pairs = cases(&["PATIENT_11", "PATIENT_21", "OTHER_11", "x"]);
        let note = group_pairs(&mut pairs).unwrap();
        assert!(note.contains("PATIENT_11") && note.contains("group column"), "{note}");
        let groups: Vec<_> = pairs.iter().map(|case| case.group.as_str()).collect();
        assert_eq!(groups, ["PATIENT", "PATIENT", "OTHER_11", "x"]);
        // Numbers of a series are not codes.
        let ids: Vec<String> = (1..30).map(|i| format!("case_{i:02}")).collect();
        let mut series = cases(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(group_pairs(&mut series), None);
    }

    #[test]
    fn names_that_suggest_fewer_patients_are_said() {
        for ids in [
            &["P01_1", "P01_2", "P02_1", "P03_1"][..],
            &["P01_1", "P01_2"],
            &["anna_pre", "anna_post", "bert"],
            &["anna_week-3", "anna_week-12"],
            &["site2-7_2001.02.03", "site2-7_2002.02.03"],
            &["P7_tp1", "P7_tp2", "P8_tp1"],
            &["001a", "001b", "002a", "003"],
            &["glioma-12A", "glioma-12B"],
        ] {
            let note = suspected(&cases(ids)).unwrap();
            assert!(
                note.contains(ids[0]) && note.contains(ids[1]) && note.contains("group column"),
                "{note}"
            );
        }
    }

    #[test]
    fn numbered_cases_are_not_suspected() {
        for ids in [
            &["BraTS20_Training_001", "BraTS20_Training_002"][..],
            &["BraTS2021_00001", "BraTS2021_00002"],
            &["BRATS_001", "BRATS_002"],
            &["case_1", "case_2"],
            &["Brats18_TCIA01_201_1", "Brats18_TCIA01_201_2"],
            &["sub-01_ses-1", "sub-01_ses-2"],
            &["UCSF-PDGM-0004", "UCSF-PDGM-0005"],
            &["UPENN-GBM-00001_11", "UPENN-GBM-00002_11"],
            &["TCGA-02-0006", "TCGA-02-0007"],
            &["001a", "002a", "003b"],
            &["site_a", "site_b"],
            &["Brats18_TCIA01_201_1_L", "Brats18_TCIA01_201_1_R"],
        ] {
            assert_eq!(suspected(&cases(ids)), None);
        }
        let ids: Vec<String> = (0..15).map(|i| format!("ds2_{i:03}")).collect();
        assert_eq!(suspected(&cases(&ids.iter().map(String::as_str).collect::<Vec<_>>())), None);
    }
}
