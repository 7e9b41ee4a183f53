//! The parts of the experiment, one file each: what a stage reads, what it leaves, and what that is made
//! from. The mechanism that skips what is current is [`mod@crate::run`].

pub mod cohort;
pub mod diffuse;
pub mod evaluate;
pub mod explain;
pub mod explained;
pub mod faithfulness;
pub mod focus;
pub mod grid;
pub mod learned;
pub mod leftovers;
pub mod maps;
pub mod methods;
pub mod network;
pub mod partition;
pub mod phantom;
pub mod report;
pub mod scores;
pub mod shortcut;
pub mod studies;
pub mod train;

use relevox_models::candle_core::Device;
use relevox_volume::{CaseFiles, Split};

pub use cohort::Scans;
pub use partition::Partition;

use crate::config::Config;
use crate::progress::say;
use crate::run::{Run, StageClock, hash_bytes};

/// A run at work: its folder, its config, its scans, and where networks run.
#[derive(Debug)]
pub struct Session {
    /// The folder.
    pub run: Run,
    /// The effective config.
    pub config: Config,
    /// The cohort.
    pub scans: Scans,
    /// Where networks run.
    pub device: Device,
}

/// What a stage did: artefacts that it made, and those that were current.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Made.
    pub made: usize,
    /// Kept.
    pub kept: usize,
}

impl Work {
    /// Counts one artefact.
    pub fn count(&mut self, made: bool) {
        if made {
            self.made += 1;
        } else {
            self.kept += 1;
        }
    }
}

impl std::ops::Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { made: self.made + other.made, kept: self.kept + other.kept }
    }
}

impl FromIterator<bool> for Work {
    fn from_iter<I: IntoIterator<Item = bool>>(made: I) -> Self {
        let mut work = Self::default();
        made.into_iter().for_each(|made| work.count(made));
        work
    }
}

/// Runs a stage, says what it did, and notes what it took.
///
/// # Errors
/// What the stage meets; its time until then is noted all the same.
pub fn stage<T>(
    run: &Run,
    name: &'static str,
    work: impl FnOnce() -> anyhow::Result<(Work, T)>,
) -> anyhow::Result<T> {
    let clock = StageClock::start(name);
    let result = work();
    let kept = match &result {
        Ok((done, _)) => {
            say(format!("{name}: {} made, {} kept, {:.1} s", done.made, done.kept, clock.seconds()));
            done.kept
        }
        // What is done so far will be kept.
        Err(_) => 1,
    };
    if result.as_ref().map_or(true, |(done, _)| done.made > 0) {
        run.note_cost(&clock, kept == 0)?;
    }
    result.map(|(_, value)| value)
}

impl Session {
    /// The cases that scores and maps are made of: those of the validation and test splits.
    pub fn scored_cases(&self) -> Vec<&CaseFiles> {
        [Split::Validation, Split::Test].into_iter().flat_map(|split| self.scans.split(split)).collect()
    }

    /// The hash of those cases: names, labels, splits and scans.
    ///
    /// # Errors
    /// Scans that can't be read.
    pub fn scored_hash(&self) -> anyhow::Result<String> {
        let mut cases = Vec::new();
        for case in self.scored_cases() {
            let scan = self.scans.inputs(&case.case)?.to_value();
            cases.push(serde_json::json!([case.case, case.label, case.split, scan]));
        }
        Ok(hash_bytes(serde_json::to_string(&cases)?.as_bytes()))
    }
}
