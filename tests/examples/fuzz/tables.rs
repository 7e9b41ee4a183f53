//! Tables and descriptions of cohorts: manifests, grades, participants, `dataset.json`.

use std::path::Path;

use relevox_volume::Cohort;

use super::Read;

const SEQUENCES: [&str; 2] = ["t1", "t2"];

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

pub(super) fn manifest_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "case,group,label,split,t1,t2,seg\na,p,1,train,x.nii,x.nii,x.nii\nb,q,LGG,,x.nii,x.nii#0,\n",
        "\u{feff}case,label,t1,t2,orientation,spacing_mm\n\"a,b\",HGG,x.nii,x.nii,LPS,1x1x1\n\n\nc,,x.nii,,,\n",
    ])
}

pub(super) fn mapping_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID\nHGG,NA,case\nLGG,other,other\n",
        "BraTS_ID,Grade\r\ncase,HGG\r\n\"quoted, id\",LGG\r\n",
    ])
}

pub(super) fn participant_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "participant_id\tage\tgrade\nsub-01\t40\tHGG\nsub-02\t50\tLGG\n",
        "participant_id\tlabel\nsub-01\t1\nsub-02\t0\n",
    ])
}

pub(super) fn data_set_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"modality":{"0":"T1w","1":"T2w"},"training":[{"image":"./imagesTr/a.nii.gz","label":"./labelsTr/a.nii.gz"}]}"#,
        r#"{"channel_names":{"0":"t1","1":"t2"},"labels":{"0":"background"},"training":["imagesTr/a.nii.gz"],"test":[]}"#,
    ])
}

pub(super) fn read_manifest(input: &[u8]) -> Result<Read, String> {
    opened(input, "cohort.csv", &["x.nii"])
}

pub(super) fn read_mapping(input: &[u8]) -> Result<Read, String> {
    opened(input, "name_mapping.csv", &["case/case_t1.nii", "case/case_t2.nii", "case/case_seg.nii"])
}

pub(super) fn read_participants(input: &[u8]) -> Result<Read, String> {
    opened(input, "participants.tsv", &["sub-01/anat/sub-01_T1w.nii", "sub-01/anat/sub-01_T2w.nii"])
}

pub(super) fn read_data_set(input: &[u8]) -> Result<Read, String> {
    opened(input, "dataset.json", &["imagesTr/a.nii.gz", "labelsTr/a.nii.gz"])
}

/// Opens a cohort with this table beside empty files.
fn opened(input: &[u8], table: &str, files: &[&str]) -> Result<Read, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let write = |name: &str, bytes: &[u8]| -> std::io::Result<()> {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        std::fs::write(path, bytes)
    };
    write(table, input).map_err(|error| error.to_string())?;
    for file in files {
        write(file, b"").map_err(|error| error.to_string())?;
    }
    let sequences = SEQUENCES.map(str::to_owned);
    match Cohort::open(folder.path(), &sequences) {
        Ok(cohort) if cohort.cases.iter().any(|case| case.files.sequences.len() != SEQUENCES.len()) => {
            Err("a case without all sequences".to_owned())
        }
        Ok(_) => Ok(Read { decoded_bytes: input.len(), accepted: true }),
        Err(error) if error.to_string().contains('\n') => {
            Err(format!("an error of several lines: {error:?}"))
        }
        Err(_) => Ok(Read { decoded_bytes: input.len(), accepted: false }),
    }
}
