//! Identifiers of cases, from the names of their folders.

use std::path::{Component, Path, PathBuf};

use super::grades;

/// Folders that only hold the files of the case above them.
const CONTAINERS: [&str; 5] = ["anat", "nifti", "niftis", "nii", "nii.gz"];
/// Folders of BIDS for other data of a subject or session.
const BIDS_DATA: [&str; 9] = ["dwi", "func", "fmap", "perf", "pet", "meg", "eeg", "mrs", "swi"];
/// First words of the name of a time point.
const TIME_WORDS: [&str; 18] = [
    "ses",
    "session",
    "week",
    "timepoint",
    "time",
    "tp",
    "visit",
    "followup",
    "fu",
    "month",
    "day",
    "baseline",
    "year",
    "pre",
    "post",
    "preop",
    "postop",
    "date",
];

/// Returns the identifier of the case in a folder: the folder's name, with the patient's before it if it is that of a
/// time point (`sub-01/ses-1/anat` is `sub-01_ses-1`, `Patient-001/week-000-1` is `Patient-001_week-000-1`).
pub(super) fn case_id(folder: &Path) -> String {
    let whole = whole(folder);
    let mut names: Vec<String> = whole
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    while let [.., parent, last] = names.as_slice()
        && is_container(last, parent)
    {
        names.pop();
    }
    match names.as_slice() {
        [.., patient, time] if is_time_point(time) && grades::class(patient).is_none() => {
            format!("{patient}_{time}")
        }
        [.., last] => last.clone(),
        [] => String::new(),
    }
}

fn is_container(name: &str, parent: &str) -> bool {
    let name = name.to_lowercase();
    CONTAINERS.contains(&name.as_str())
        || (BIDS_DATA.contains(&name.as_str()) && (is_subject(parent) || parent.starts_with("ses-")))
}

/// Returns whether a folder is that of a BIDS subject.
pub(super) fn is_subject(name: &str) -> bool {
    name.strip_prefix("sub-").is_some_and(|label| !label.is_empty() && !label.contains('_'))
}

/// Returns whether a name is that of a time point: a word such as `week`, and a number or nothing, or a date.
pub(super) fn is_time_point(name: &str) -> bool {
    let name = name.to_lowercase();
    let letters = name.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(name.len());
    let (word, rest) = name.split_at(letters);
    if word.is_empty() {
        return is_date(&name);
    }
    if name.starts_with("ses-") {
        return name.len() > 4;
    }
    let numbered = rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | ' '));
    TIME_WORDS.contains(&word) && numbered
}

/// `1996.08.23`, `2001-02-03`, `20010203`.
fn is_date(name: &str) -> bool {
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let parts: Vec<&str> = name.split(['.', '-', '_']).collect();
    let numbers = parts.iter().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    let written = parts.len() == 3 && parts.iter().any(|part| part.len() == 4);
    let plausible = name.starts_with("19") || name.starts_with("20");
    numbers && digits >= 6 && (written || (parts.len() == 1 && digits == 8 && plausible))
}

/// The whole path of a file or folder, without `..`. Links are followed only before `..`, so that a linked folder has its
/// own name.
pub(super) fn whole(path: &Path) -> PathBuf {
    let parts: Vec<Component<'_>> = path.components().collect();
    let above = parts.iter().rposition(|part| *part == Component::ParentDir).map_or(0, |at| at + 1);
    let (above, named) = parts.split_at(above);
    let base: PathBuf = above.iter().collect();
    let base = if above.is_empty() { base } else { base.canonicalize().unwrap_or(base) };
    let joined = base.join(named.iter().collect::<PathBuf>());
    let joined = if joined.as_os_str().is_empty() { PathBuf::from(".") } else { joined };
    std::path::absolute(&joined).unwrap_or(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patients_and_time_points() {
        for (folder, expected) in [
            ("/x/BraTS20_Training_001", "BraTS20_Training_001"),
            ("/x/sub-01/anat", "sub-01"),
            ("/x/sub-01/ses-1/anat", "sub-01_ses-1"),
            ("/x/sub-01/ses-preop/anat", "sub-01_ses-preop"),
            ("/x/sub-01/ses-1/dwi", "sub-01_ses-1"),
            ("/x/sub-01", "sub-01"),
            ("/x/Patient-001/week-000-1", "Patient-001_week-000-1"),
            ("/x/PatientID_0003/Timepoint_1", "PatientID_0003_Timepoint_1"),
            ("/x/TCGA-02-0006/1996.08.23", "TCGA-02-0006_1996.08.23"),
            ("/x/P1/NIFTI", "P1"),
            ("/x/HGG/post", "post"),
            ("/x/y/001", "001"),
            ("/x/y/dwi", "dwi"),
            ("/x/y/posterior", "posterior"),
            ("/anat", "anat"),
            ("/", ""),
        ] {
            assert_eq!(case_id(Path::new(folder)), expected, "{folder}");
        }
    }

    #[test]
    fn the_working_directory_has_its_name() {
        let expected = case_id(&std::env::current_dir().unwrap());
        assert!(!expected.is_empty());
        for folder in [".", "./", "src/..", "./.", ""] {
            assert_eq!(case_id(Path::new(folder)), expected, "{folder:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_linked_folder_has_its_own_name() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("store/x")).unwrap();
        std::os::unix::fs::symlink("store/x", root.path().join("case")).unwrap();
        for folder in ["case", "./case", "store/../case"] {
            assert_eq!(case_id(&root.path().join(folder)), "case");
        }
    }
}
