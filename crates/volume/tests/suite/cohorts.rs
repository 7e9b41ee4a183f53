//! BraTS folders of every edition, with their known defects, and manifests.

use std::fs;
use std::path::Path;

use relevox_volume::{CaseFiles, Cohort, Error, ScanFile, ScanList, Split};

use crate::scans::{brats_sequences, touch};

const OLD: [&str; 5] = ["_t1.nii.gz", "_t1ce.nii.gz", "_t2.nii.gz", "_flair.nii.gz", "_seg.nii.gz"];
const NEW: [&str; 5] = ["-t1n.nii.gz", "-t1c.nii.gz", "-t2w.nii.gz", "-t2f.nii.gz", "-seg.nii.gz"];

/// Creates the files of a case in its own folder, except those of `without`.
fn case(root: &Path, folder: &str, suffixes: [&str; 5], without: &[usize]) {
    let name = folder.rsplit('/').next().unwrap();
    for (i, suffix) in suffixes.iter().enumerate() {
        if !without.contains(&i) {
            touch(root, &[&format!("{folder}/{name}{suffix}")]);
        }
    }
}

fn open(root: &Path) -> Result<Cohort, Error> {
    Cohort::open(root, &brats_sequences())
}

fn names(cohort: &Cohort) -> Vec<(&str, bool)> {
    cohort.cases.iter().map(|c| (c.id(), c.label)).collect()
}

#[test]
fn grade_folders_of_2017_to_2019() {
    let root = tempfile::tempdir().unwrap();
    case(root.path(), "data/HGG/Brats18_X_B_1", OLD, &[]);
    case(root.path(), "data/HGG/Brats18_X_A_1", OLD, &[]);
    case(root.path(), "data/LGG/Brats18_X_C_2", OLD.map(|s| s.trim_end_matches(".gz")), &[]);
    let cohort = open(root.path()).unwrap();
    assert_eq!(names(&cohort), [("Brats18_X_A_1", true), ("Brats18_X_B_1", true), ("Brats18_X_C_2", false)]);
    assert_eq!(cohort.left_out, []);
    let first = &cohort.cases[0];
    let files: Vec<_> = first.files.paths().map(|p| p.file_name().unwrap().to_owned()).collect();
    assert_eq!(files, OLD.map(|suffix| format!("Brats18_X_A_1{suffix}")).map(std::ffi::OsString::from));
    assert_eq!(first.group, "Brats18_X_A");
    // The folder of one grade is a cohort of one class, which opens: the caller decides.
    let high = open(&root.path().join("data/HGG")).unwrap();
    assert_eq!(high.cases.len(), 2);
    let message = high.require_both_classes(None).unwrap_err().to_string();
    assert!(message.contains("2 positive and 0 negative"), "{message}");
    cohort.require_both_classes(None).unwrap();
}

#[test]
fn name_mapping_by_any_id_column_beside_or_above() {
    for place in ["cases/name_mapping.csv", "name_mapping.csv"] {
        let root = tempfile::tempdir().unwrap();
        case(root.path(), "cases/BraTS20_Training_001", OLD, &[]);
        case(root.path(), "cases/BraTS19_X_1", OLD, &[]);
        case(root.path(), "cases/BraTS20_Training_003", OLD, &[]);
        case(root.path(), "cases/BraTS20_Training_004", OLD, &[]);
        let table = "Grade,BraTS_2019_subject_ID,BraTS_2020_subject_ID\n\
                     HGG,BraTS19_W_1,BraTS20_Training_001\nLGG,BraTS19_X_1,NA\nIII,NA,BraTS20_Training_003\n";
        fs::write(root.path().join(place), table).unwrap();
        let cohort = open(&root.path().join("cases")).unwrap();
        assert_eq!(names(&cohort), [("BraTS19_X_1", false), ("BraTS20_Training_001", true)]);
        let reasons: Vec<_> = cohort.left_out.iter().map(|l| (l.case.as_str(), l.reason.as_str())).collect();
        assert_eq!(reasons[0].0, "BraTS20_Training_003");
        assert!(reasons[0].1.contains("\"III\""), "{reasons:?}");
        assert_eq!(reasons[1].0, "BraTS20_Training_004");
        assert!(reasons[1].1.contains("no grade"), "{reasons:?}");
    }
}

#[test]
fn names_of_2023_with_time_points() {
    let root = tempfile::tempdir().unwrap();
    case(root.path(), "HGG/BraTS-GLI-00001-000", NEW, &[]);
    case(root.path(), "HGG/BraTS-GLI-00001-001", NEW, &[]);
    case(root.path(), "LGG/BraTS-GLI-00002-000", NEW, &[]);
    let cohort = open(root.path()).unwrap();
    let groups: Vec<_> =
        cohort.groups().into_iter().map(|(name, members)| (name.to_owned(), members.len())).collect();
    assert_eq!(groups, [("BraTS-GLI-00001".to_owned(), 2), ("BraTS-GLI-00002".to_owned(), 1)]);
}

#[test]
fn the_segmentation_of_case_355() {
    let root = tempfile::tempdir().unwrap();
    case(root.path(), "HGG/BraTS20_Training_355", OLD.map(|s| s.trim_end_matches(".gz")), &[4]);
    touch(root.path(), &["HGG/BraTS20_Training_355/W39_1998.09.19_Segm.nii"]);
    let cohort = open(root.path()).unwrap();
    assert!(cohort.cases[0].files.segmentation.as_ref().unwrap().path.ends_with("W39_1998.09.19_Segm.nii"));
}

#[test]
fn defects_are_listed_with_their_reasons() {
    let root = tempfile::tempdir().unwrap();
    case(root.path(), "HGG/a", OLD, &[]);
    case(root.path(), "HGG/b", OLD, &[1, 3]);
    case(root.path(), "HGG/c", OLD, &[4]);
    case(root.path(), "d", OLD, &[]);
    case(root.path(), "HGG/e", OLD, &[]);
    touch(root.path(), &["HGG/e/other_t2.nii.gz"]);
    case(root.path(), "HGG/f", OLD, &[4]);
    touch(root.path(), &["HGG/f/one_seg_a.nii", "HGG/f/two_seg_b.nii"]);
    case(root.path(), "HGG/g", OLD, &[]);
    case(root.path(), "HGG/h", OLD, &[]);
    touch(root.path(), &["HGG/g/g_t1.nii", "HGG/h/h_tumor_mask.nii.gz"]);
    touch(root.path(), &["atlas.nii.gz", "HGG/.DS_Store", "HGG/a/._a_t1.nii.gz", "readme.txt"]);
    let cohort = open(root.path()).unwrap();
    assert_eq!(names(&cohort), [("a", true)]);
    let expected = [
        ("b", "no t1ce scan; no flair scan (scans: b_seg.nii.gz, b_t1.nii.gz and b_t2.nii.gz)"),
        ("c", "no segmentation"),
        ("d", "no grade: neither an HGG or LGG folder nor a row of name_mapping.csv"),
        ("e", "more than one t2 scan: e_t2.nii.gz and other_t2.nii.gz"),
        (
            "f",
            "no segmentation: one_seg_a.nii and two_seg_b.nii are not named as this case's tumour (X_seg, X_tumor_mask)",
        ),
        ("g", "more than one t1 scan: g_t1.nii and g_t1.nii.gz"),
        ("h", "more than one segmentation: h_seg.nii.gz and h_tumor_mask.nii.gz"),
    ];
    assert_eq!(
        cohort.left_out.iter().map(|l| (l.case.as_str(), l.reason.as_str())).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn scans_are_listed_without_class_and_segmentation() {
    let root = tempfile::tempdir().unwrap();
    case(root.path(), "a", OLD, &[]);
    case(root.path(), "b", OLD, &[4]);
    case(root.path(), "c", OLD, &[1, 4]);
    case(root.path(), "LGG/PATIENT_11", OLD, &[]);
    case(root.path(), "LGG/PATIENT_21", OLD, &[4]);
    let listed = |path: &Path| {
        let list = ScanList::open(path, &brats_sequences()).unwrap();
        let case = |(files, patient): &(CaseFiles, String)| {
            assert_eq!(files.sequences.len(), 4);
            (files.id.clone(), files.segmentation.is_some(), patient.clone())
        };
        (list.cases.iter().map(case).collect::<Vec<_>>(), list.left_out)
    };
    let (cases, left_out) = listed(root.path());
    let expected = [
        ("PATIENT_11", true, "PATIENT"),
        ("PATIENT_21", false, "PATIENT"),
        ("a", true, "a"),
        ("b", false, "b"),
    ];
    assert_eq!(cases, expected.map(|(id, seg, patient)| (id.to_owned(), seg, patient.to_owned())));
    assert_eq!(left_out.len(), 1);
    assert!(left_out[0].case == "c" && left_out[0].reason.starts_with("no t1ce scan"), "{left_out:?}");
    // The same in a manifest without labels, which an experiment refuses.
    let files = ["t1", "t1ce", "t2", "flair"].map(|name| format!("b/b_{name}.nii.gz")).join(",");
    let manifest = root.path().join("list.csv");
    fs::write(&manifest, format!("case,group,t1,t1ce,t2,flair\nx,anna,{files}\n")).unwrap();
    assert_eq!(listed(&manifest).0, [("x".to_owned(), false, "anna".to_owned())]);
    let message = open(&manifest).unwrap_err().to_string();
    assert!(message.contains("the column \"label\""), "{message}");
    fs::write(&manifest, format!("case,label,t1,t1ce,t2,flair\nx,,{files}\ny,high,{files}\n")).unwrap();
    assert_eq!(listed(&manifest).0.len(), 2);
}

#[test]
fn cohorts_without_a_usable_case() {
    let root = tempfile::tempdir().unwrap();
    let message = open(root.path()).unwrap_err().to_string();
    assert!(
        message.contains("no usable case") && message.contains(&*root.path().to_string_lossy()),
        "{message}"
    );
    case(root.path(), "x", OLD, &[]);
    case(root.path(), "y", OLD, &[]);
    let message = open(root.path()).unwrap_err().to_string();
    assert!(message.contains("x: no grade") && message.contains("and 1 more"), "{message}");
    // The first three reasons are given.
    for (i, name) in ["z1", "z2", "z3"].into_iter().enumerate() {
        case(root.path(), &format!("HGG/{name}"), OLD, &[i]);
    }
    let message = open(root.path()).unwrap_err().to_string();
    for part in ["x: no grade", "z1: no t1 scan", "z2: no t1ce scan", "and 1 others"] {
        assert!(message.contains(part), "{message}");
    }
    let message = open(&root.path().join("absent")).unwrap_err().to_string();
    assert!(message.contains("absent"), "{message}");
    touch(root.path(), &["notes.txt"]);
    let message = open(&root.path().join("notes.txt")).unwrap_err().to_string();
    assert!(message.contains("notes.txt") && message.contains("manifest"), "{message}");
}

#[test]
fn the_folder_of_a_single_case() {
    let root = tempfile::tempdir().unwrap();
    case(root.path(), "a", OLD, &[]);
    let files = CaseFiles::in_folder(&root.path().join("a"), &brats_sequences()).unwrap();
    assert_eq!(files.id, "a");
    assert!(files.sequence("t1ce").unwrap().path.ends_with("a/a_t1ce.nii.gz"));
    case(root.path(), "b", OLD, &[1]);
    touch(root.path(), &["b/other_t2.nii.gz"]);
    let message = CaseFiles::in_folder(&root.path().join("b"), &brats_sequences()).unwrap_err().to_string();
    assert!(message.contains("no t1ce scan; more than one t2 scan"), "{message}");
}

#[test]
fn two_folders_of_the_same_name() {
    let root = tempfile::tempdir().unwrap();
    case(root.path(), "HGG/a", OLD, &[]);
    case(root.path(), "LGG/a", OLD, &[]);
    let message = open(root.path()).unwrap_err().to_string();
    assert!(message.contains("case a") && message.contains("HGG") && message.contains("LGG"), "{message}");
}

#[test]
fn manifests_with_and_without_optional_columns() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["b/x.nii.gz", "b/y.nii.gz", "b/s.nii.gz", "a/x.nii.gz", "a/y.nii.gz"]);
    let text = "seg,case,group,y,x,label,split\nb/s.nii.gz,b,p,b/y.nii.gz, b/x.nii.gz ,1,train\n\
                ,a,,a/y.nii.gz,a/x.nii.gz,LGG,\n,c,,a/y.nii.gz,,0,\n,d,,a/y.nii.gz,a/x.nii.gz,,\n";
    fs::write(root.path().join("cohort.csv"), text).unwrap();
    let sequences = ["x".to_owned(), "y".to_owned()];
    let cohort = Cohort::open(root.path(), &sequences).unwrap();
    assert_eq!(cohort, Cohort::open(&root.path().join("cohort.csv"), &sequences).unwrap());
    assert_eq!(names(&cohort), [("a", false), ("b", true)]);
    let [a, b] = cohort.cases.as_slice() else { panic!() };
    assert_eq!((a.group.as_str(), a.split, a.files.segmentation.as_ref()), ("a", None, None));
    assert_eq!((b.group.as_str(), b.split), ("p", Some(Split::Train)));
    let expected = ["b/x.nii.gz", "b/y.nii.gz", "b/s.nii.gz"].map(|p| root.path().join(p));
    assert!(b.files.paths().eq(&expected));
    assert_eq!(b.files.sequence("y").map(ScanFile::path), Some(expected[1].as_path()));
    assert_eq!(
        cohort.left_out.iter().map(|l| l.reason.as_str()).collect::<Vec<_>>(),
        ["no x scan", "no label"]
    );

    fs::write(root.path().join("short.csv"), "case,label,x\na,1,a/x.nii.gz\n").unwrap();
    let short = Cohort::open(&root.path().join("short.csv"), &sequences[..1]).unwrap();
    assert_eq!(short.cases.len(), 1);
}

/// Opens a manifest for the sequences `t1` and `flair`, next to the scan `s.nii.gz`.
fn open_manifest(text: &str) -> Cohort {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["s.nii.gz", "K_t1.nii/inner.nii"]);
    fs::write(root.path().join("cohort.csv"), text).unwrap();
    Cohort::open(root.path(), &["t1".to_owned(), "flair".to_owned()]).unwrap()
}

#[test]
fn further_scans_and_information_in_a_manifest_are_ignored() {
    let scans = ["s.nii.gz"; 6].join(",");
    let text = format!("case,group,label,split,t1,t1ce,t2,flair,dwi,seg\na,p,1,,{scans}\n");
    let cohort = open_manifest(&text);
    assert_eq!((cohort.cases.len(), cohort.cases[0].files.sequences.len()), (1, 2));
    assert!(cohort.notes[0].contains("t1ce, t2 and dwi"), "{:?}", cohort.notes);

    let information = relevox_volume::INFORMATION_COLUMNS.join(",");
    let text = format!("case,label,t1,flair,{information}\na,1,s.nii.gz,s.nii.gz,LPS,1,0,,0.1,\n");
    assert_eq!(open_manifest(&text).notes, [""; 0]);
}

#[test]
fn columns_of_a_manifest_may_have_other_names_of_a_sequence() {
    let cohort = open_manifest("case,label,T1w,T2_FLAIR\na,1,s.nii.gz#2,K_t1.nii\n");
    let files = &cohort.cases[0].files;
    assert_eq!(files.sequence("t1").unwrap().volume, Some(2));
    assert!(files.sequence("flair").unwrap().path.ends_with("K_t1.nii/inner.nii"));
}

#[test]
fn groups_of_a_manifest_are_final() {
    let rows = "BraTS-GLI-00001-000,1,s.nii.gz,s.nii.gz,\nBraTS-GLI-00001-001,1,s.nii.gz,s.nii.gz,\n\
                P_11,1,s.nii.gz,s.nii.gz,\nP_21,1,s.nii.gz,s.nii.gz,\n";
    let given = open_manifest(&format!("case,label,t1,flair,group\n{rows}"));
    assert_eq!((given.groups().len(), given.notes.len()), (4, 1));
    let repeated = "cases BraTS-GLI-00001-000, BraTS-GLI-00001-001, P_11 and P_21 have the same scans;";
    assert!(given.notes[0].starts_with(repeated), "{:?}", given.notes);
    let derived = open_manifest(&format!("case,label,t1,flair,seg\n{rows}"));
    assert_eq!(derived.groups().into_keys().collect::<Vec<_>>(), ["BraTS-GLI-00001", "P"]);
    assert!(derived.notes[0].contains("P_11"), "{:?}", derived.notes);
}

#[test]
fn names_that_occur_in_several_folders_are_refused() {
    let root = tempfile::tempdir().unwrap();
    for site in ["site1", "site2"] {
        for name in ["case0", "case1", "case2"] {
            case(root.path(), &format!("{site}/HGG/{name}"), OLD, &[]);
        }
    }
    let error = open(root.path()).unwrap_err();
    assert!(matches!(error, Error::DuplicateCase { others: 2, .. }), "{error}");
    let message = error.to_string();
    for part in ["case case0:", "site1/HGG/case0", "site2/HGG/case0", "2 other names", "manifest (.csv)"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn folders_of_other_formats_say_how_to_convert_them() {
    for (file, part) in [
        ("a.tif", "TIFF images such as a.tif; convert them to .nii.gz with SimpleITK"),
        ("a.vtk", "VTK files such as a.vtk; convert them to .nii.gz with SimpleITK"),
        ("a.npy", "NumPy arrays such as a.npy; save their arrays as .nii.gz with nibabel, with the affine"),
        ("a.npz", "save their arrays as .nii.gz with nibabel"),
        ("a.mat", "MATLAB files such as a.mat; save their arrays"),
        ("a.nii.zst", "compressed files such as a.nii.zst; unpack them"),
    ] {
        let root = tempfile::tempdir().unwrap();
        touch(root.path(), &[&format!("x/{file}")]);
        for folder in [root.path().to_owned(), root.path().join("x")] {
            let message = open(&folder).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
