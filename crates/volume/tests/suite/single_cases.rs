//! The folder of one case, and 4D files, as `relevox explain` takes them.

use std::fs;
use std::path::Path;

use ndarray::Array3;
use relevox_volume::{CaseFiles, Cohort, Geometry, Outline, Volume, nifti};

use crate::scans::{brats_sequences, touch};

const SEQUENCES: [&str; 4] = ["T1w", "ce-gd_T1w", "T2w", "FLAIR"];

fn case(folder: &Path) -> CaseFiles {
    CaseFiles::in_folder(folder, &brats_sequences()).unwrap()
}

#[track_caller]
fn refused(folder: &Path, parts: &[&str]) {
    let message = CaseFiles::in_folder(folder, &brats_sequences()).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not contain {part:?}");
    }
}

#[test]
fn folders_of_bids() {
    let root = tempfile::tempdir().unwrap();
    for end in SEQUENCES {
        touch(root.path(), &[&format!("sub-01/anat/sub-01_{end}.nii.gz")]);
        for session in ["ses-1", "ses-2"] {
            touch(root.path(), &[&format!("sub-02/{session}/anat/sub-02_{session}_{end}.nii.gz")]);
        }
    }
    touch(root.path(), &["sub-01/dwi/sub-01_dwi.nii.gz"]);
    for (folder, id) in [
        ("sub-01", "sub-01"),
        ("sub-01/anat", "sub-01"),
        ("sub-02/ses-1", "sub-02_ses-1"),
        ("sub-02/ses-2/anat", "sub-02_ses-2"),
        ("sub-01/../sub-01", "sub-01"),
    ] {
        let files = case(&root.path().join(folder));
        assert_eq!(files.id, id, "{folder}");
        assert!(files.sequence("t1ce").unwrap().path.to_string_lossy().ends_with("_ce-gd_T1w.nii.gz"));
        assert!(files.sequence("t1").unwrap().path.to_string_lossy().ends_with(&format!("{id}_T1w.nii.gz")));
    }
    refused(&root.path().join("sub-02"), &["one case", "2 cases", "ses-1"]);
    refused(root.path(), &["one case", "3 cases", "sub-01"]);
}

/// The segmentation of each layout, which the sequences do not list.
#[test]
fn outlines_are_found_by_their_names() {
    let root = tempfile::tempdir().unwrap();
    for sequence in ["t1", "t1ce", "t2", "flair"] {
        touch(root.path(), &[&format!("a/a_{sequence}.nii.gz")]);
    }
    for end in SEQUENCES {
        touch(root.path(), &[&format!("bids/sub-01/anat/sub-01_{end}.nii.gz")]);
        touch(root.path(), &[&format!("bids/sub-02/anat/sub-02_{end}.nii.gz")]);
    }
    let of = |case: &str| CaseFiles::outline_of(&root.path().join(case), &brats_sequences()).unwrap();
    let found = |case: &str, file: &str| assert_eq!(of(case), Outline::Found(root.path().join(file).into()));
    assert_eq!(of("a"), Outline::Absent);
    touch(root.path(), &["a/a_mask.nii.gz"]);
    assert!(matches!(of("a"), Outline::Unnamed(reason) if reason.contains("a_mask.nii.gz is not named")));
    touch(root.path(), &["a/a_seg.nii.gz"]);
    found("a", "a/a_seg.nii.gz");
    assert_eq!(case(&root.path().join("a")).segmentation, None);
    touch(root.path(), &["a/a_tumor_mask.nii.gz"]);
    assert!(matches!(of("a"), Outline::Unusable(reason) if reason.contains("more than one")));

    assert_eq!(of("bids/sub-01"), Outline::Absent);
    let drawn = "bids/derivatives/manual/sub-01/anat/sub-01_label-tumor_mask.nii.gz";
    touch(root.path(), &[drawn]);
    for folder in ["bids/sub-01", "bids/sub-01/anat"] {
        found(folder, drawn);
    }
    assert_eq!(of("bids/sub-02"), Outline::Absent);
    touch(root.path(), &["bids/sub-02/anat/sub-02_seg.nii.gz"]);
    found("bids/sub-02", "bids/sub-02/anat/sub-02_seg.nii.gz");
}

#[test]
fn folders_that_are_named_like_files() {
    let root = tempfile::tempdir().unwrap();
    for name in ["t1", "t1ce", "t2", "flair"] {
        touch(root.path(), &[&format!("a/a_{name}.nii.gz/x.nii.gz")]);
    }
    let files = case(&root.path().join("a"));
    assert!(files.id == "a" && files.sequence("t1ce").unwrap().path.ends_with("a_t1ce.nii.gz/x.nii.gz"));
}

#[test]
fn a_cohort_for_a_case_and_a_case_for_a_cohort() {
    let root = tempfile::tempdir().unwrap();
    for case in ["a", "b"] {
        for name in ["t1", "t1ce", "t2", "flair", "seg"] {
            touch(root.path(), &[&format!("HGG/{case}/{case}_{name}.nii.gz")]);
        }
    }
    refused(root.path(), &["one case", "2 cases", "HGG/a"]);
    let refused_cohort = |folder: &str, parts: &[&str]| {
        let message = Cohort::open(&root.path().join(folder), &brats_sequences()).unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    };
    refused_cohort("HGG/a", &["a cohort", "the folder of one case, a"]);
    touch(root.path(), &["sub-1/anat/sub-1_T1w.nii", "flat/p_t1.nii", "flat/q_t1.nii"]);
    refused_cohort("sub-1", &["a cohort", "one subject"]);
    refused_cohort("flat", &["several cases in one folder", "p_t1.nii and q_t1.nii"]);
}

#[test]
fn missing_sequences_name_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["x/x_t1.nii", "x/x_T1km_reg.nii", "y/a.nii", "y/b.nii", "z/1.dcm"]);
    refused(&root.path().join("x"), &["no t1ce scan", "x_T1km_reg.nii"]);
    refused(&root.path().join("y"), &["no t1 scan", "a.nii and b.nii"]);
    refused(&root.path().join("z"), &["dcm2niix"]);
    fs::create_dir(root.path().join("empty")).unwrap();
    refused(&root.path().join("empty"), &["empty"]);
}

#[test]
fn files_of_4d_data_sets() {
    let root = tempfile::tempdir().unwrap();
    let json = r#"{"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}, "training": []}"#;
    touch(root.path(), &["Task01/imagesTr/BRATS_001.nii.gz", "Task01/imagesTr/BRATS_002.nii.gz"]);
    touch(root.path(), &["Task01/one/BRATS_003.nii.gz", "alone/a.nii.gz"]);
    fs::write(root.path().join("Task01/dataset.json"), json).unwrap();
    let image = root.path().join("Task01/imagesTr/BRATS_001.nii.gz");
    let files = CaseFiles::in_4d_file(&image, &brats_sequences()).unwrap();
    assert_eq!(files.id, "BRATS_001");
    let volumes: Vec<_> = files.sequences.iter().map(|(_, file)| (file.path.clone(), file.volume)).collect();
    assert_eq!(volumes, [1, 2, 3, 0].map(|volume| (image.clone(), Some(volume))));
    assert_eq!(case(&root.path().join("Task01/one")).id, "BRATS_003");
    refused(&root.path().join("Task01/imagesTr"), &["one case", "2 cases", "BRATS_001.nii.gz"]);

    let cohort =
        Cohort::open(&root.path().join("Task01/imagesTr"), &brats_sequences()).unwrap_err().to_string();
    assert!(cohort.contains("a cohort") && cohort.contains("give ") && cohort.contains("Task01"), "{cohort}");

    let message = |path: &str, sequences: &[String]| {
        CaseFiles::in_4d_file(&root.path().join(path), sequences).unwrap_err().to_string()
    };
    let alone = message("alone/a.nii.gz", &brats_sequences());
    assert!(
        alone.contains("dataset.json") && alone.contains("--scan t1=") && alone.contains("a.nii.gz#0"),
        "{alone}"
    );
    let other = message("Task01/imagesTr/BRATS_001.nii.gz", &["adc".to_owned()]);
    assert!(other.contains("no adc channel") && other.contains("FLAIR, T1w, t1gd and T2w"), "{other}");
    assert!(message("absent.nii", &brats_sequences()).contains("absent.nii"));
}

/// Words that all scans of a folder share name the case, also if they could mean a contrast agent.
#[test]
fn words_of_the_case_are_no_contrast() {
    let root = tempfile::tempdir().unwrap();
    let three = ["t1", "t2", "flair"].map(str::to_owned);
    for name in ["case_a_Gd", "case-ce", "b_post", "Gd"] {
        for sequence in &three {
            touch(root.path(), &[&format!("{name}/{name}_{sequence}.nii.gz")]);
        }
        let folder = root.path().join(name);
        let of = |files: &CaseFiles, sequence: &str| files.sequence(sequence).unwrap().path.clone();
        let t1 = folder.join(format!("{name}_t1.nii.gz"));
        assert_eq!(of(&CaseFiles::in_folder(&folder, &three).unwrap(), "t1"), t1);
        refused(&folder, &["no t1ce scan"]);
        touch(root.path(), &[&format!("{name}/{name}_t1ce.nii.gz"), &format!("{name}/{name}_seg.nii.gz")]);
        let all = case(&folder);
        assert_eq!((of(&all, "t1"), of(&all, "t1ce")), (t1, folder.join(format!("{name}_t1ce.nii.gz"))));
    }
}

#[test]
fn an_ambiguous_t1_is_refused() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["a_Gd/a_Gd_t1.nii.gz", "b/b_post_t1.nii.gz", "b/b_t2.nii.gz"]);
    for (folder, name) in [("a_Gd", "a_Gd_t1.nii.gz"), ("b", "b_post_t1.nii.gz")] {
        for sequence in ["t1", "t1ce"] {
            let error = CaseFiles::in_folder(&root.path().join(folder), &[sequence.to_owned()]).unwrap_err();
            let expected =
                format!("no {sequence} scan: {name} is ambiguous, T1 before or after a contrast agent");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
    // Of a name that the folder does not share, the word is the agent.
    touch(root.path(), &["c/c_Gd_t1.nii.gz", "c/c_t1.nii.gz"]);
    let both = ["t1", "t1ce"].map(str::to_owned);
    let files = CaseFiles::in_folder(&root.path().join("c"), &both).unwrap();
    assert!(files.sequence("t1ce").unwrap().path.ends_with("c_Gd_t1.nii.gz"));
}

/// nnU-Net's images: one file for each channel of a case.
#[test]
fn cases_with_one_file_for_each_channel() {
    let root = tempfile::tempdir().unwrap();
    let set = root.path().join("Dataset001");
    let volume = Volume {
        voxels: Array3::from_elem([2, 3, 4], 1.0_f32),
        geometry: Geometry::axis_aligned([2, 3, 4], [1.0; 3]),
    };
    fs::create_dir_all(set.join("imagesTr")).unwrap();
    for case in ["case_000", "case_001"] {
        for channel in 0..4 {
            nifti::write(&set.join(format!("imagesTr/{case}_{channel:04}.nii.gz")), &volume).unwrap();
        }
    }
    let json =
        r#"{"channel_names": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}, "file_ending": ".nii.gz"}"#;
    fs::write(set.join("dataset.json"), json).unwrap();
    let t1 = set.join("imagesTr/case_000_0001.nii.gz");
    let advice = format!("as --scan NAME=FILE, such as --scan t1={}", t1.display());
    for folder in [set.clone(), set.join("imagesTr")] {
        refused(&folder, &["2 cases with one file for each channel", &advice]);
    }
    let file = set.join("imagesTr/case_000_0000.nii.gz");
    let message = CaseFiles::in_4d_file(&file, &brats_sequences()).unwrap_err().to_string();
    assert!(message.contains("found one channel") && message.contains(&advice), "{message}");

    let alone = root.path().join("alone.nii.gz");
    nifti::write(&alone, &volume).unwrap();
    let message = CaseFiles::in_4d_file(&alone, &brats_sequences()).unwrap_err().to_string();
    let expected = format!(
        "found one volume; give each sequence as --scan NAME=FILE, such as --scan t1={}",
        alone.display()
    );
    assert!(message.ends_with(&expected), "{message}");
    touch(root.path(), &["cases.csv"]);
    let message =
        CaseFiles::in_4d_file(&root.path().join("cases.csv"), &brats_sequences()).unwrap_err().to_string();
    assert!(message.contains("a table") && message.contains("--cohort"), "{message}");
}

#[test]
fn a_description_without_channels_names_the_key() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["imagesTr/a.nii.gz"]);
    fs::write(root.path().join("dataset.json"), r#"{"training": [{"image": "imagesTr/a.nii.gz"}]}"#).unwrap();
    let image = root.path().join("imagesTr/a.nii.gz");
    let message = CaseFiles::in_4d_file(&image, &brats_sequences()).unwrap_err().to_string();
    assert!(
        message.contains("no t1 channel: expected the channels by index in modality or channel_names"),
        "{message}"
    );
}
