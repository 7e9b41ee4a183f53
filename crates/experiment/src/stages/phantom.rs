//! The synthetic cohort: NIfTI files in BraTS's layout, read like any other cohort.

use std::fs;
use std::path::{Path, PathBuf};

use relevox_volume::phantom::{self, SEQUENCES};

use super::cohort::PHANTOM;
use super::work::Work;
use crate::config::{Config, ValidConfig};
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{self, Inputs, Run, State, stream_seed};

/// Returns the inputs of the cohort.
pub fn inputs(config: &Config) -> Inputs {
    Inputs::new().setting("seed", &config.seed).setting("phantom", &config.phantom)
}

/// Generates the cohort case by case, resuming after the last complete case.
///
/// # Errors
/// Returns an error if a file can't be written.
pub fn run(run: &Run, config: &ValidConfig) -> anyhow::Result<Work> {
    let inputs = inputs(config);
    let state = run.state(PHANTOM, &inputs)?;
    if state == State::Current && is_complete(run.root(), config) {
        return Ok(Work { made: 0, current: config.phantom.cases });
    }
    if state != State::InProgress {
        run.discard_outdated(PHANTOM, &state)?;
        run.begin(PHANTOM, &inputs)?;
    }
    let folder = run.path(PHANTOM);
    let done = complete_cases(&folder)?;
    let progress = Progress::start("phantom", config.phantom.cases - done, "cases");
    let seed = stream_seed(config.seed, "phantom");
    let mut work = Work { made: 0, current: done };
    for index in done..config.phantom.cases {
        interrupt::check()?;
        let case = phantom::generate(config.phantom(), seed, index);
        phantom::write_case(&case, config.phantom.spacing_mm, &folder)?;
        work.count(true);
        progress.advance(1);
    }
    run.finish(PHANTOM, &inputs, files(run.root())?, Vec::new())?;
    Ok(work)
}

/// Requires the complete cohort in a run folder.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the cohort is missing, unfinished, of another
/// configuration, or incomplete.
pub fn require(root: &Path, config: &Config) -> anyhow::Result<()> {
    run::require(root, PHANTOM, &inputs(config), PHANTOM)?;
    if is_complete(root, config) {
        return Ok(());
    }
    Err(run::unavailable(root, &root.join(PHANTOM), "incomplete, a scan is missing", PHANTOM))
}

/// Returns true if every file of every case exists. A missing file would silently exclude its case from the cohort.
fn is_complete(root: &Path, config: &Config) -> bool {
    let folder = root.join(PHANTOM);
    let scans: usize = cases(&folder).map_or(0, |cases| {
        cases.iter().filter_map(|case| fs::read_dir(case).ok()).map(|files| files.flatten().count()).sum()
    });
    scans == config.phantom.cases * (SEQUENCES.len() + 1)
}

/// Lists the files of all cases, relative to the run's folder.
fn files(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut files = Vec::new();
    for case in cases(&root.join(PHANTOM))? {
        for file in fs::read_dir(case)? {
            let path = file?.path();
            let name: Vec<_> = path.strip_prefix(root)?.iter().map(|part| part.to_string_lossy()).collect();
            files.push(name.join("/"));
        }
    }
    files.sort();
    Ok(files)
}

/// Lists the folders of the cases.
fn cases(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut cases = Vec::new();
    for grade in ["HGG", "LGG"].map(|grade| folder.join(grade)).iter().filter(|grade| grade.is_dir()) {
        for case in fs::read_dir(grade)? {
            cases.push(case?.path());
        }
    }
    Ok(cases)
}

/// Counts the complete cases. Cases are written in order, and the segmentation is the last file of each.
fn complete_cases(folder: &Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for case in cases(folder)? {
        let complete = fs::read_dir(case)?
            .filter_map(Result::ok)
            .any(|file| file.file_name().to_string_lossy().ends_with("_seg.nii.gz"));
        count += usize::from(complete);
    }
    Ok(count)
}
