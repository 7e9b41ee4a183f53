//! The synthetic cohort: NIfTI files in BraTS's layout, read back as any other cohort is.

use std::fs;
use std::path::{Path, PathBuf};

use relevox_volume::phantom::{self, SEQUENCES};

use super::Work;
use super::cohort::PHANTOM;
use crate::config::{Config, ValidConfig};
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{self, Inputs, Run, State, stream_seed};

/// What the cohort is made from.
pub fn inputs(config: &Config) -> Inputs {
    Inputs::new().setting("seed", &config.seed).setting("phantom", &config.phantom)
}

/// Makes the cohort, case by case, going on after the last that a killed command finished.
///
/// # Errors
/// A folder that can't be written to.
pub fn run(run: &Run, config: &ValidConfig) -> anyhow::Result<Work> {
    let inputs = inputs(config);
    let state = run.state(PHANTOM, &inputs);
    if state == State::Current && whole(run.root(), config) {
        return Ok(Work { made: 0, kept: config.phantom.cases });
    }
    if state != State::InProgress {
        run.discard(PHANTOM)?;
        run.begin(PHANTOM, &inputs)?;
    }
    let folder = run.path(PHANTOM);
    let done = finished(&folder)?;
    let progress = Progress::start("phantom", config.phantom.cases - done, "cases");
    let seed = stream_seed(config.seed, "phantom");
    let mut work = Work { made: 0, kept: done };
    for index in done..config.phantom.cases {
        interrupt::check()?;
        let case = phantom::generate(config.phantom(), seed, index);
        phantom::write_case(&case, config.phantom.spacing_mm, &folder)?;
        work.count(true);
        progress.advance(1);
    }
    run.finish(PHANTOM, &inputs, Vec::new())?;
    Ok(work)
}

/// Says what to run first where a run folder does not hold all of the cohort.
///
/// # Errors
/// A cohort that is missing, unfinished, of another config, or lacks a file.
pub fn require(root: &Path, config: &Config) -> anyhow::Result<()> {
    run::require(root, PHANTOM, &inputs(config), PHANTOM)?;
    if whole(root, config) {
        return Ok(());
    }
    Err(run::unavailable(&root.join(PHANTOM), "incomplete, a scan is missing", PHANTOM))
}

/// Whether every file of every case is there. One that is not would silently leave its case out of the cohort.
fn whole(root: &Path, config: &Config) -> bool {
    let folder = root.join(PHANTOM);
    let scans: usize = cases(&folder).map_or(0, |cases| {
        cases.iter().filter_map(|case| fs::read_dir(case).ok()).map(|files| files.flatten().count()).sum()
    });
    scans == config.phantom.cases * (SEQUENCES.len() + 1)
}

/// The folders of the cases.
fn cases(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut cases = Vec::new();
    for grade in ["HGG", "LGG"].map(|grade| folder.join(grade)).iter().filter(|grade| grade.is_dir()) {
        for case in fs::read_dir(grade)? {
            cases.push(case?.path());
        }
    }
    Ok(cases)
}

/// Cases that are whole. They are made in order, and a case's segmentation is its last file.
fn finished(folder: &Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for case in cases(folder)? {
        let whole = fs::read_dir(case)?
            .filter_map(Result::ok)
            .any(|file| file.file_name().to_string_lossy().ends_with("_seg.nii.gz"));
        count += usize::from(whole);
    }
    Ok(count)
}
