//! Execution of a stage: counts of its artefacts, its status line and its cost.

use crate::progress::print_status;
use crate::run::{Run, StageTimer};

/// Numbers of artefacts that a stage made and that were current.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Artefacts made.
    pub made: usize,
    /// Artefacts that were current.
    pub current: usize,
}

impl Work {
    /// Counts an artefact.
    pub fn count(&mut self, made: bool) {
        if made {
            self.made += 1;
        } else {
            self.current += 1;
        }
    }
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { made: self.made + other.made, current: self.current + other.current }
    }
}

impl FromIterator<bool> for Work {
    fn from_iter<I: IntoIterator<Item = bool>>(made: I) -> Self {
        let mut work = Self::default();
        made.into_iter().for_each(|made| work.count(made));
        work
    }
}

/// Runs a stage, prints its counts, and records its cost in the manifest.
///
/// # Errors
/// Returns the error of the stage, after recording its cost.
pub fn run_stage<T>(
    run: &Run,
    name: &'static str,
    stage: impl FnOnce() -> anyhow::Result<(Work, T)>,
) -> anyhow::Result<T> {
    let timer = StageTimer::start(name);
    let result = stage();
    let resumes = match &result {
        Ok((work, _)) => {
            print_status(format!(
                "{name}: {} made, {} current, {:.1} s",
                work.made,
                work.current,
                timer.seconds()
            ));
            work.current > 0
        }
        // The next command resumes from the artefacts made so far.
        Err(_) => true,
    };
    match result {
        Ok((work, value)) => {
            if work.made > 0 {
                run.record_cost(&timer, !resumes)?;
            }
            Ok(value)
        }
        Err(error) => {
            // The stage's own error matters, even where a full disk prevents the record as well.
            let _ = run.record_cost(&timer, !resumes);
            Err(error)
        }
    }
}
