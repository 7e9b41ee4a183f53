//! Execution of a stage: counts of its artefacts, its status line and its cost.

use crate::failure::{NotReady, Unavailable, message};
use crate::progress::print_status;
use crate::run::Run;
use crate::shard::Share;

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

/// Runs a stage, prints its counts, and records its cost and outcome. What a shard lacks is not ready: others make it.
///
/// # Errors
/// Returns the error of the stage, after recording it.
pub fn run_stage<T>(
    run: &Run,
    name: &'static str,
    stage: impl FnOnce() -> anyhow::Result<(Work, T)>,
) -> anyhow::Result<T> {
    let timer = run.start_stage(name)?;
    let result = stage().map_err(|error| not_ready(run.share, error));
    if let Ok((work, _)) = &result {
        let share = run.share.shard.map(|shard| format!(" {shard}")).unwrap_or_default();
        let Work { made, current } = work;
        print_status(format!("{name}{share}: {made} made, {current} current, {:.1} s", timer.seconds()));
    }
    let recorded = run.end_stage(&timer, result.as_ref().map(|(work, _)| (work.made, work.current)));
    // The stage's own error matters, even where a full disk prevents the record as well.
    let (_, value) = result?;
    recorded?;
    Ok(value)
}

/// Converts the error of an artefact that a shard lacks: others make it.
pub fn not_ready(share: Share, error: anyhow::Error) -> anyhow::Error {
    match error.chain().any(|cause| cause.is::<Unavailable>()) {
        true if !share.is_whole() => NotReady(message(&error)).into(),
        _ => error,
    }
}
