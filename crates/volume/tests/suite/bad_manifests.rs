//! Invalid manifests: the message names line and case, what was expected and what was found.

use std::fs;

use relevox_volume::{Cohort, CohortCase};

use crate::scans::touch;

#[track_caller]
fn rejected(text: &str, words: &[&str]) {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["s.nii.gz"]);
    fs::write(root.path().join("cohort.csv"), text).unwrap();
    let message = Cohort::open(root.path(), &["t1".to_owned()]).unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message:?} has several lines");
    for word in words.iter().chain([&"cohort.csv"]) {
        assert!(message.contains(word), "{message:?} does not contain {word:?}");
    }
}

#[test]
fn columns() {
    rejected(
        "case,label,t1,age\na,1,s.nii.gz,50\n",
        &["line 1", "\"age\"", "case, group, label, split, t1, seg"],
    );
    rejected("case,label\na,1\n", &["line 1", "the column \"t1\""]);
    rejected("case,t1\na,s.nii.gz\n", &["line 1", "the column \"label\""]);
    rejected("case,label,t1,t1\na,1,s.nii.gz,s.nii.gz\n", &["line 1", "\"t1\" again"]);
    rejected("", &["the column \"case\""]);
    rejected("case,lable,t1\na,1,s.nii.gz\n", &["line 1", "\"lable\"", "did you mean \"label\""]);
    rejected("case,label,t1,patient\na,1,s.nii.gz,p\n", &["\"patient\"", "did you mean \"group\""]);
    // A misspelt column of segmentations is not mistaken for one of further scans.
    for name in ["segm", "Seg", "mask", "tumour"] {
        let text = format!("case,label,t1,{name}\na,1,s.nii.gz,s.nii.gz\n");
        rejected(&text, &[&format!("{name:?}"), "did you mean \"seg\""]);
    }
    rejected("case,label,t1,T1w\na,1,s.nii.gz,s.nii.gz\n", &["one column for each sequence", "\"T1w\""]);
    rejected("case;label;t1\na;1;s.nii.gz\n", &["line 1", "separated by commas", "';'"]);
    rejected("case,label,t1\na,1,s.nii.gz\nb,1\n", &["line 3"]);
}

#[test]
fn a_case_s_name_of_several_lines_is_quoted_on_one() {
    rejected("case,label,t1\n\"a\nb\",1,s.nii.gz\n", &["line 2", "\"a\\nb\"", "name a folder"]);
    rejected("case,label,t1\na,1,\"s\nt.nii\"\n", &["left out: a: no t1 scan at", "s t.nii"]);
}

#[test]
fn rows() {
    rejected("case,label,t1\na,1,s.nii.gz\n\na,0,s.nii.gz\n", &["line 4, case a", "after line 2"]);
    rejected("case,label,t1\na,2,s.nii.gz\n", &["line 2, case a", "0, 1, LGG or HGG", "\"2\""]);
    rejected(
        "case,label,t1,split\na,1,s.nii.gz,dev\n",
        &["line 2, case a", "train, validation or test", "\"dev\""],
    );
    rejected(
        "case,label,t1\na,1,absent.nii.gz\n",
        &["no usable case", "left out: a: no t1 scan at", "absent.nii.gz"],
    );
    rejected("case,label,t1\n,1,s.nii.gz\n", &["line 2", "a case name"]);
    rejected("case,label,t1\n../a,1,s.nii.gz\n", &["line 2", "can name a folder"]);
    rejected("case,label,t1\n", &["no usable case"]);
}

#[test]
fn cases_whose_files_are_absent_are_left_out() {
    let root = tempfile::tempdir().unwrap();
    touch(root.path(), &["s.nii.gz"]);
    let text = "case,label,t1,seg\na,1,s.nii.gz,\nb,0,gone.nii,gone.nii\nc,0,s.nii.gz,s/gone.nii\nd,0,s.nii.gz,s.nii.gz\n";
    fs::write(root.path().join("cohort.csv"), text).unwrap();
    let cohort = Cohort::open(root.path(), &["t1".to_owned()]).unwrap();
    assert_eq!(cohort.cases.iter().map(CohortCase::id).collect::<Vec<_>>(), ["a", "d"]);
    let at = |file: &str| root.path().join(file).display().to_string();
    let [scan, segmentation] = [at("gone.nii"), at("s/gone.nii")];
    let left_out = [
        ("b", format!("no t1 scan at {scan}; no seg at {scan}")),
        ("c", format!("no seg at {segmentation}")),
    ];
    let found: Vec<_> = cohort.left_out.into_iter().map(|one| (one.case, one.reason)).collect();
    assert_eq!(found, left_out.map(|(case, reason)| (case.to_owned(), reason)));
}

#[test]
fn a_patient_in_two_splits() {
    let text = "case,group,label,split,t1\na,p,1,train,s.nii.gz\nb,p,0,,s.nii.gz\nc,p,0,test,s.nii.gz\n";
    rejected(text, &["line 4, case c", "group p", "test", "train", "case a"]);
    // Without groups, time points of a known data set are those of one patient.
    let text =
        "case,label,split,t1\nBraTS-GLI-00001-000,1,train,s.nii.gz\nBraTS-GLI-00001-001,1,test,s.nii.gz\n";
    rejected(text, &["line 3", "group BraTS-GLI-00001", "group column"]);
}
