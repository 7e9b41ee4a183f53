//! Cohorts in the layouts of public data sets.

use std::fs;
use std::path::Path;

use relevox_volume::Cohort;

use crate::scans::{brats_sequences, touch};

fn open(root: &Path) -> Cohort {
    Cohort::open(root, &brats_sequences()).unwrap()
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The usable cases as `id group label t1ce seg`, with paths relative to the cohort.
#[track_caller]
fn assert_cases(root: &Path, cohort: &Cohort, expected: &[&str]) {
    let relative = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    let found: Vec<String> = cohort
        .cases
        .iter()
        .map(|case| {
            let t1ce = case.files.sequence("t1ce").unwrap();
            let volume = t1ce.volume.map(|volume| format!("#{volume}")).unwrap_or_default();
            let seg = case.files.segmentation.as_ref().map_or("-".to_owned(), |seg| relative(&seg.path));
            format!(
                "{} {} {} {}{volume} {seg}",
                case.id(),
                case.group,
                u8::from(case.label),
                relative(&t1ce.path)
            )
        })
        .collect();
    assert_eq!(found, expected, "left out: {:?}", cohort.left_out);
}

#[test]
fn kaggles_folders_that_are_named_like_files() {
    let root = tempfile::tempdir().unwrap();
    for (case, ending) in [("BraTS-GLI-00002-000", ".nii"), ("BraTS-GLI-00003-000", ".nii.gz")] {
        for (outer, inner) in [
            ("t1n", "brain_t1"),
            ("t1c", "brain_t1ce"),
            ("t2w", "brain_t2"),
            ("t2f", "brain_flair"),
            ("seg", "final_seg"),
        ] {
            touch(root.path(), &[&format!("HGG/{case}/{case}-{outer}{ending}/00000057_{inner}{ending}")]);
        }
    }
    let cohort = open(root.path());
    assert_cases(
        root.path(),
        &cohort,
        &[
            "BraTS-GLI-00002-000 BraTS-GLI-00002 1 HGG/BraTS-GLI-00002-000/BraTS-GLI-00002-000-t1c.nii/00000057_brain_t1ce.nii \
             HGG/BraTS-GLI-00002-000/BraTS-GLI-00002-000-seg.nii/00000057_final_seg.nii",
            "BraTS-GLI-00003-000 BraTS-GLI-00003 1 HGG/BraTS-GLI-00003-000/BraTS-GLI-00003-000-t1c.nii.gz/00000057_brain_t1ce.nii.gz \
             HGG/BraTS-GLI-00003-000/BraTS-GLI-00003-000-seg.nii.gz/00000057_final_seg.nii.gz",
        ],
    );
    // Two files in such a folder are ambiguous.
    touch(root.path(), &["HGG/BraTS-GLI-00002-000/BraTS-GLI-00002-000-t1c.nii/other.nii"]);
    let reason = &open(root.path()).left_out[0].reason;
    assert!(reason.contains("more than one t1ce scan") && reason.contains("t1c.nii/other.nii"), "{reason}");
}

#[test]
fn kaggles_nesting_with_the_table_of_grades() {
    let root = tempfile::tempdir().unwrap();
    let inner = "BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData";
    for sequence in ["t1", "t1ce", "t2", "flair", "seg"] {
        let case = "BraTS20_Training_001";
        touch(root.path(), &[&format!("{inner}/{case}/{case}_{sequence}.nii")]);
    }
    write(
        root.path(),
        &format!("{inner}/name_mapping.csv"),
        "Grade,BraTS_2020_subject_ID\nLGG,BraTS20_Training_001\n",
    );
    write(root.path(), &format!("{inner}/survival_info.csv"), "Brats20ID,Age\nBraTS20_Training_001,60\n");
    let cohort = open(root.path());
    assert_eq!((cohort.cases.len(), cohort.cases[0].label), (1, false));
    assert_eq!(cohort.notes, [""; 0]);
}

#[test]
fn upenn_gbm_with_segmentations_in_folders_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    for case in ["UPENN-GBM-00001_11", "UPENN-GBM-00001_21", "UPENN-GBM-00002_11"] {
        for sequence in ["T1", "T1GD", "T2", "FLAIR"] {
            touch(root.path(), &[&format!("images_structural/{case}/{case}_{sequence}.nii.gz")]);
            touch(
                root.path(),
                &[&format!("images_structural_unstripped/{case}/{case}_{sequence}_unstripped.nii.gz")],
            );
        }
        touch(root.path(), &[&format!("images_DTI/{case}/{case}_DTI_FA.nii.gz")]);
        touch(root.path(), &[&format!("automated_segm/{case}_automated_approx_segm.nii.gz")]);
    }
    touch(root.path(), &["images_segm/UPENN-GBM-00001_11_segm.nii.gz"]);
    write(root.path(), "grades.csv", "ID,grade\nUPENN-GBM-00001,HGG\nUPENN-GBM-00002_11,LGG\n");
    let cohort = open(root.path());
    assert_eq!(cohort.left_out, []);
    let t1ce = |case: &str| format!("images_structural/{case}/{case}_T1GD.nii.gz");
    let automated = |case: &str| format!("automated_segm/{case}_automated_approx_segm.nii.gz");
    let [a, b, c] = ["UPENN-GBM-00001_11", "UPENN-GBM-00001_21", "UPENN-GBM-00002_11"];
    assert_cases(
        root.path(),
        &cohort,
        &[
            // The corrected segmentation takes precedence over the automatic one.
            &format!("{a} UPENN-GBM-00001 1 {} images_segm/{a}_segm.nii.gz", t1ce(a)),
            &format!("{b} UPENN-GBM-00001 1 {} {}", t1ce(b), automated(b)),
            &format!("{c} UPENN-GBM-00002 0 {} {}", t1ce(c), automated(c)),
        ],
    );
}

#[test]
fn ucsf_pdgm_with_its_other_segmentations() {
    let root = tempfile::tempdir().unwrap();
    for case in ["UCSF-PDGM-0004", "UCSF-PDGM-0004_FU001d"] {
        for name in [
            "T1",
            "T1_bias",
            "T1c",
            "T1c_bias",
            "T2",
            "T2_bias",
            "FLAIR",
            "FLAIR_bias",
            "SWI",
            "DWI",
            "ADC",
            "ASL",
            "DTI_eddy_FA",
            "brain_segmentation",
            "brain_parenchyma_segmentation",
            "tumor_segmentation",
        ] {
            touch(root.path(), &[&format!("{case}_nifti/{case}_{name}.nii.gz")]);
        }
    }
    write(root.path(), "name_mapping.csv", "Grade,ID\nLGG,UCSF-PDGM-0004\n");
    let cohort = open(root.path());
    assert_cases(
        root.path(),
        &cohort,
        &[
            "UCSF-PDGM-0004_FU001d_nifti UCSF-PDGM-0004 0 UCSF-PDGM-0004_FU001d_nifti/UCSF-PDGM-0004_FU001d_T1c.nii.gz \
             UCSF-PDGM-0004_FU001d_nifti/UCSF-PDGM-0004_FU001d_tumor_segmentation.nii.gz",
            "UCSF-PDGM-0004_nifti UCSF-PDGM-0004 0 UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_T1c.nii.gz \
             UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_tumor_segmentation.nii.gz",
        ],
    );
    fs::remove_file(root.path().join("UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_tumor_segmentation.nii.gz"))
        .unwrap();
    let left_out = open(root.path()).left_out;
    assert_eq!(left_out.len(), 1);
    for part in ["no segmentation", "UCSF-PDGM-0004_brain_segmentation.nii.gz"] {
        assert!(left_out[0].reason.contains(part), "{left_out:?}");
    }
}

#[test]
fn the_tcga_collections_and_time_points_in_folders() {
    let root = tempfile::tempdir().unwrap();
    for name in ["t1", "t1Gd", "t2", "flair", "GlistrBoost", "GlistrBoost_ManuallyCorrected"] {
        touch(root.path(), &[&format!("HGG/TCGA-02-0006/TCGA-02-0006_1996.08.23_{name}.nii.gz")]);
    }
    for time in [1, 2] {
        let case = format!("PatientID_0003_Timepoint_{time}");
        for name in ["brain_t1n", "brain_t1c", "brain_t2w", "brain_t2f", "tumorMask"] {
            touch(root.path(), &[&format!("HGG/PatientID_0003/Timepoint_{time}/{case}_{name}.nii.gz")]);
        }
        for name in ["T1", "CT1", "T2", "FLAIR", "tumor_seg"] {
            touch(root.path(), &[&format!("LGG/Patient-001/week-00{time}/{name}.nii.gz")]);
        }
    }
    assert_cases(
        root.path(),
        &open(root.path()),
        &[
            "Patient-001_week-001 Patient-001 0 LGG/Patient-001/week-001/CT1.nii.gz LGG/Patient-001/week-001/tumor_seg.nii.gz",
            "Patient-001_week-002 Patient-001 0 LGG/Patient-001/week-002/CT1.nii.gz LGG/Patient-001/week-002/tumor_seg.nii.gz",
            "PatientID_0003_Timepoint_1 PatientID_0003 1 \
             HGG/PatientID_0003/Timepoint_1/PatientID_0003_Timepoint_1_brain_t1c.nii.gz \
             HGG/PatientID_0003/Timepoint_1/PatientID_0003_Timepoint_1_tumorMask.nii.gz",
            "PatientID_0003_Timepoint_2 PatientID_0003 1 \
             HGG/PatientID_0003/Timepoint_2/PatientID_0003_Timepoint_2_brain_t1c.nii.gz \
             HGG/PatientID_0003/Timepoint_2/PatientID_0003_Timepoint_2_tumorMask.nii.gz",
            "TCGA-02-0006 TCGA-02-0006 1 HGG/TCGA-02-0006/TCGA-02-0006_1996.08.23_t1Gd.nii.gz \
             HGG/TCGA-02-0006/TCGA-02-0006_1996.08.23_GlistrBoost_ManuallyCorrected.nii.gz",
        ],
    );
}

/// A BIDS data set: `sub-01` with two sessions, `sub-02` and `sub-03` without.
fn bids(root: &Path) {
    for (place, name) in [
        ("sub-01/ses-1", "sub-01_ses-1"),
        ("sub-01/ses-2", "sub-01_ses-2"),
        ("sub-02", "sub-02"),
        ("sub-03", "sub-03"),
    ] {
        for end in ["T1w", "ce-gadolinium_T1w", "T2w", "FLAIR"] {
            touch(root, &[&format!("{place}/anat/{name}_{end}.nii.gz")]);
        }
        touch(root, &[&format!("{place}/dwi/{name}_dwi.nii.gz")]);
    }
    write(
        root,
        "participants.tsv",
        "participant_id\tage\tgrade\nsub-01\t61\tHGG\nsub-02\t45\tLGG\nsub-03\t30\tn/a\n",
    );
}

#[test]
fn bids_with_sessions_and_masks_in_derivatives() {
    let root = tempfile::tempdir().unwrap();
    bids(root.path());
    let masks = "derivatives/masks";
    for name in [
        "sub-01/ses-1/anat/sub-01_ses-1_label-tumor_mask.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_desc-brain_mask.nii.gz",
        "sub-01/ses-2/anat/sub-01_ses-2_space-MNI152_label-tumor_mask.nii.gz",
        "sub-02/anat/sub-02_label-lesion_dseg.nii.gz",
        "sub-02/anat/sub-02_T1w.nii.gz",
    ] {
        touch(root.path(), &[&format!("{masks}/{name}")]);
    }
    let cohort = open(root.path());
    assert_cases(
        root.path(),
        &cohort,
        &[
            "sub-01_ses-1 sub-01 1 sub-01/ses-1/anat/sub-01_ses-1_ce-gadolinium_T1w.nii.gz \
             derivatives/masks/sub-01/ses-1/anat/sub-01_ses-1_label-tumor_mask.nii.gz",
            "sub-01_ses-2 sub-01 1 sub-01/ses-2/anat/sub-01_ses-2_ce-gadolinium_T1w.nii.gz -",
            "sub-02 sub-02 0 sub-02/anat/sub-02_ce-gadolinium_T1w.nii.gz \
             derivatives/masks/sub-02/anat/sub-02_label-lesion_dseg.nii.gz",
        ],
    );
    let t1 = &cohort.cases[0].files.sequence("t1").unwrap().path;
    assert!(t1.ends_with("sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz"));
    assert_eq!(cohort.left_out.len(), 1);
    assert_eq!(cohort.left_out[0].case, "sub-03");
    assert!(cohort.left_out[0].reason.contains("participants.tsv"), "{:?}", cohort.left_out);
    assert!(cohort.notes.iter().any(|note| note.starts_with("1 of 3 cases")), "{:?}", cohort.notes);
}

#[test]
fn a_bids_mask_without_session_belongs_to_the_only_one() {
    let root = tempfile::tempdir().unwrap();
    bids(root.path());
    fs::remove_dir_all(root.path().join("sub-01/ses-2")).unwrap();
    touch(root.path(), &["derivatives/sub-01/sub-01_label-tumor_mask.nii.gz"]);
    let seg = |cohort: &Cohort| cohort.cases[0].files.segmentation.is_some();
    assert!(seg(&open(root.path())));
    touch(root.path(), &["derivatives/sub-02/sub-02_seg.nii.gz"]);
    bids(root.path());
    let cohort = open(root.path());
    assert!(!seg(&cohort) && cohort.cases[2].files.segmentation.is_some(), "{cohort:?}");
}

#[test]
fn bids_with_the_scans_in_rawdata() {
    let root = tempfile::tempdir().unwrap();
    bids(&root.path().join("rawdata"));
    touch(
        root.path(),
        &[
            "derivatives/sub-02/anat/sub-02_label-tumor_mask.nii.gz",
            "derivatives/sub-02/anat/sub-02_T1w.nii.gz",
        ],
    );
    for folder in [root.path().to_owned(), root.path().join("rawdata")] {
        let cohort = open(&folder);
        assert_eq!(cohort.cases.len(), 3);
        assert!(cohort.cases[2].files.segmentation.is_some(), "{cohort:?}");
    }
}

#[test]
fn bids_without_a_usable_column_says_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    bids(root.path());
    let message = |table: &str| {
        write(root.path(), "participants.tsv", table);
        Cohort::open(root.path(), &brats_sequences()).unwrap_err().to_string()
    };
    let found = message("participant_id\tage\nsub-01\t61\n");
    assert!(found.contains("participant_id and age") && !found.contains("anat:"), "{found}");
    let found = message("participant_id\tgrade\nsub-01\t3\nsub-02\t1\n");
    assert!(found.contains("\"3\"") && found.contains("sub-01_ses-1"), "{found}");
}

const TASK01: &str = r#"{"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
    "training": [{"image": "./imagesTr/BRATS_001.nii.gz", "label": "./labelsTr/BRATS_001.nii.gz"},
                 {"image": "./imagesTr/BRATS_002.nii.gz", "label": "./labelsTr/BRATS_002.nii.gz"},
                 {"image": "./imagesTr/BRATS_003.nii.gz", "label": "./labelsTr/BRATS_003.nii.gz"}]}"#;

#[test]
fn task_01_of_the_decathlon() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "Task01_BrainTumour/dataset.json", TASK01);
    for case in ["BRATS_001", "BRATS_002"] {
        touch(
            root.path(),
            &["imagesTr", "labelsTr"]
                .map(|f| format!("Task01_BrainTumour/{f}/{case}.nii.gz"))
                .each_ref()
                .map(|s| s.as_str()),
        );
    }
    let message = Cohort::open(root.path(), &brats_sequences()).unwrap_err().to_string();
    assert!(message.contains("BRATS_001: no grade") && message.contains("grades.csv"), "{message}");
    write(root.path(), "grades.csv", "case,grade\nBRATS_001,HGG\nBRATS_002,LGG\nBRATS_003,LGG\n");
    let cohort = open(root.path());
    assert_cases(
        root.path(),
        &cohort,
        &[
            "BRATS_001 BRATS_001 1 Task01_BrainTumour/imagesTr/BRATS_001.nii.gz#2 Task01_BrainTumour/labelsTr/BRATS_001.nii.gz",
            "BRATS_002 BRATS_002 0 Task01_BrainTumour/imagesTr/BRATS_002.nii.gz#2 Task01_BrainTumour/labelsTr/BRATS_002.nii.gz",
        ],
    );
    assert_eq!(cohort.left_out.len(), 1);
    assert!(cohort.left_out[0].reason.contains("no file at ./imagesTr/BRATS_003.nii.gz"), "{cohort:?}");
    // Channels may have other names.
    let other = Cohort::open(root.path(), &["adc".to_owned()]).unwrap_err().to_string();
    assert!(other.contains("no adc channel") && other.contains("t1gd"), "{other}");
}

#[test]
fn nnunets_files_of_one_channel() {
    let root = tempfile::tempdir().unwrap();
    let v1 = r#"{"modality": {"0": "T1", "1": "t1c", "2": "T2", "3": "flair"},
        "training": [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}]}"#;
    let v2 =
        r#"{"channel_names": {"0": "T1", "1": "t1c", "2": "T2", "3": "flair"}, "file_ending": ".nii.gz"}"#;
    write(root.path(), "name_mapping.csv", "Grade,case\nHGG,a\n");
    for i in 0..4 {
        touch(root.path(), &[&format!("imagesTr/a_000{i}.nii.gz")]);
    }
    touch(root.path(), &["labelsTr/a.nii.gz"]);
    for text in [v1, v2] {
        write(root.path(), "dataset.json", text);
        assert_cases(root.path(), &open(root.path()), &["a a 1 imagesTr/a_0001.nii.gz labelsTr/a.nii.gz"]);
    }
}

#[test]
fn a_broken_description_or_folder_does_not_stop_the_others() {
    let root = tempfile::tempdir().unwrap();
    for name in ["t1", "t1ce", "t2", "flair", "seg"] {
        touch(root.path(), &[&format!("HGG/a/a_{name}.nii"), &format!("HGG/link/link_{name}.nii")]);
    }
    write(root.path(), "HGG/b/dataset.json", "{\"modality\"");
    touch(root.path(), &["HGG/c/1.dcm", "HGG/d/scan.mha"]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("..", root.path().join("HGG/loop")).unwrap();
        fs::remove_file(root.path().join("HGG/link/link_t2.nii")).unwrap();
        std::os::unix::fs::symlink("absent.nii", root.path().join("HGG/link/link_t2.nii")).unwrap();
    }
    let cohort = open(root.path());
    assert_eq!(cohort.cases.iter().map(|case| case.id()).collect::<Vec<_>>(), ["a"]);
    let reasons: Vec<String> = cohort.left_out.iter().map(|l| format!("{}: {}", l.case, l.reason)).collect();
    for (case, part) in [("b", "dataset.json"), ("c", "dcm2niix"), ("d", "SimpleITK"), ("link", "absent")] {
        assert!(
            reasons.iter().any(|reason| reason.starts_with(&format!("{case}: ")) && reason.contains(part)),
            "{case}: {reasons:?}"
        );
    }
}

#[test]
fn empty_folders_and_other_formats_have_a_reason() {
    for (files, parts) in [
        (&[][..], &["no usable case", "empty"][..]),
        (&["a.dcm"], &["dcm2niix", "a.dcm"]),
        (&["p/1.3.12.2.IMA"], &["dcm2niix"]),
        (&["p/a.mha", "p/b.mha"], &["SimpleITK", "a.mha"]),
        (&["p/a.nrrd"], &["SimpleITK"]),
        (&["BraTS.zip"], &["unpack"]),
        (&["readme.txt"], &["no NIfTI file", "readme.txt"]),
    ] {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), files);
        let message = Cohort::open(root.path(), &brats_sequences()).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{files:?}: {message}");
        }
    }
    let root = tempfile::tempdir().unwrap();
    let dicom = [&[0; 128][..], b"DICM", &[0; 20]].concat();
    fs::create_dir_all(root.path().join("series")).unwrap();
    fs::write(root.path().join("series/1.2.840.113619"), dicom).unwrap();
    let message = Cohort::open(root.path(), &brats_sequences()).unwrap_err().to_string();
    assert!(message.contains("dcm2niix"), "{message}");
}

#[test]
fn pairs_of_time_points_are_grouped_and_others_are_said() {
    let root = tempfile::tempdir().unwrap();
    for case in ["PATIENT_11", "PATIENT_21", "P7_1", "P7_2", "P8_1"] {
        for name in ["t1", "t1ce", "t2", "flair", "seg"] {
            touch(root.path(), &[&format!("HGG/{case}/{case}_{name}.nii")]);
        }
    }
    let cohort = open(root.path());
    let groups: Vec<_> = cohort.groups().into_keys().collect();
    assert_eq!(groups, ["P7_1", "P7_2", "P8_1", "PATIENT"]);
    assert_eq!(cohort.notes.len(), 2, "{:?}", cohort.notes);
    assert!(cohort.notes[0].contains("PATIENT_11") && cohort.notes[1].contains("P7 (P7_1 and P7_2)"));
}
