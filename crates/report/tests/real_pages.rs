//! The size of viewer pages of real BraTS cases, from the folder in the environment variable RELEVOX_REAL_DATA.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::io::Write;
use std::path::{Path, PathBuf};

use relevox_report::viewer::{Image, Outline, Overlay, Viewer};
use relevox_volume::{Volume, nifti};

const SEQUENCES: [&str; 4] = ["t1", "t1ce", "t2", "flair"];
const LARGEST: usize = 8_000_000;
const CASES: usize = 3;

fn cases() -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("RELEVOX_REAL_DATA") else {
        // Directly to stderr: the test harness captures the output of passing tests.
        let _ = std::io::stderr().write_all(b"skipped: RELEVOX_REAL_DATA is not set\n");
        return Vec::new();
    };
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases.truncate(CASES);
    cases
}

fn read(case: &Path, file: &str) -> Volume {
    let name = case.file_name().unwrap().to_str().unwrap();
    nifti::read(&case.join(format!("{name}_{file}.nii.gz"))).unwrap()
}

/// Four sequences in all 256 levels, with an overlay that varies from voxel to voxel.
#[test]
fn a_page_of_four_sequences_has_at_most_8_mb() {
    for case in cases() {
        let scans = SEQUENCES.map(|sequence| read(&case, sequence));
        let outline = read(&case, "seg").voxels.mapv(|label| label != 0.0);
        let map = scans[3].voxels.mapv(|value| value / 100.0);
        let viewer = Viewer {
            title: "case".to_owned(),
            images: SEQUENCES
                .iter()
                .zip(&scans)
                .map(|(name, scan)| Image { name: (*name).to_owned(), voxels: scan.voxels.view() })
                .collect(),
            overlays: vec![Overlay::new("map", map.view())],
            outline: Some(Outline { name: "expert".to_owned(), voxels: outline.view() }),
            ..Viewer::on(&scans[0].geometry)
        };
        let page = viewer.to_html().unwrap();
        let bytes = page.len();
        assert!(bytes <= LARGEST, "{}: {bytes} bytes", case.display());
        assert_eq!(
            page.matches("is stored in 256 levels from").count(),
            SEQUENCES.len(),
            "{}",
            case.display()
        );
    }
}
