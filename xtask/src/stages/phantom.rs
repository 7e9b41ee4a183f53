//! The synthetic cohort: NIfTI files in BraTS's layout, read back as any other cohort is.

use std::fs;
use std::path::Path;

use relevox_volume::phantom;

use super::Work;
use super::cohort::PHANTOM;
use crate::config::Config;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, Run, State, stream_seed};

/// What the cohort is made from.
pub fn inputs(config: &Config) -> Inputs {
    Inputs::new().setting("seed", &config.seed).setting("phantom", &config.phantom)
}

/// Makes the cohort, case by case, going on after the last that a killed command finished.
///
/// # Errors
/// A folder that can't be written to.
pub fn run(run: &Run, config: &Config) -> anyhow::Result<Work> {
    let inputs = inputs(config);
    let state = run.state(PHANTOM, &inputs);
    if state == State::Current {
        return Ok(Work { made: 0, kept: config.phantom.cases });
    }
    if state != State::Begun {
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
        let case = phantom::generate(&config.phantom, seed, index);
        phantom::write_case(&case, config.phantom.spacing_mm, &folder)?;
        work.count(true);
        progress.advance(1);
    }
    run.finish(PHANTOM, &inputs)?;
    Ok(work)
}

/// Cases that are whole. They are made in order, and a case's segmentation is its last file.
fn finished(folder: &Path) -> anyhow::Result<usize> {
    let mut count = 0;
    for grade in ["HGG", "LGG"].map(|grade| folder.join(grade)) {
        if !grade.is_dir() {
            continue;
        }
        for case in fs::read_dir(grade)? {
            let whole = fs::read_dir(case?.path())?
                .filter_map(Result::ok)
                .any(|file| file.file_name().to_string_lossy().ends_with("_seg.nii.gz"));
            count += usize::from(whole);
        }
    }
    Ok(count)
}
