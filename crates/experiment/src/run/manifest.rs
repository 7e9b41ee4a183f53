//! `manifest.json`: version, device, machine and cost of a run. No other artefact contains times. Shards, which work at the same time,
//! leave it alone.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::artefacts::MANIFEST as FILE;
use super::folder::Run;
use super::host;
use super::stage_record::{StageRecord, StageState};
use super::write::replace;
use crate::failure::{ExitStatus, exit_status, message};

/// Cost of a stage, accumulated over all commands that worked on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Peak memory in MiB.
    pub peak_memory_mib: Option<u64>,
}

/// Result of a stage: numbers of artefacts that were made and that were current, or its error.
pub type Outcome<'a> = Result<(usize, usize), &'a anyhow::Error>;

/// Measures the cost of a stage.
#[derive(Debug)]
pub struct StageTimer {
    stage: &'static str,
    start: Instant,
}

impl StageTimer {
    /// Starts the measurement.
    pub fn start(stage: &'static str) -> Self {
        host::reset_peak_memory();
        Self { stage, start: Instant::now() }
    }

    /// Returns the seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

impl Run {
    /// Records version, seed, device and machine.
    ///
    /// # Errors
    /// Returns an error if the manifest can't be written.
    pub fn record_environment(&self, seed: u64, device: &str, threads: usize) -> anyhow::Result<()> {
        self.update_manifest(|manifest| {
            manifest.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
            manifest.insert("git_revision".into(), json!(host::git_revision()));
            manifest.insert("seed".into(), json!(seed));
            manifest.insert("device".into(), json!(device));
            manifest.insert("threads".into(), json!(threads));
            manifest.insert("host".into(), json!(host::Host::current()));
        })
    }

    /// Returns the instruction set of the host that the manifest describes and that of this one, if they differ.
    ///
    /// # Errors
    /// Returns an error if the description of this host can't be represented in JSON.
    pub fn other_instruction_set(&self) -> anyhow::Result<Option<(String, String)>> {
        let of = |host: &Value| host["instruction_set"].as_str().map(ToOwned::to_owned);
        let started = self.manifest().get("host").and_then(of);
        let here = of(&serde_json::to_value(host::Host::current())?);
        Ok(started.zip(here).filter(|(started, here)| started != here))
    }

    /// Records the fingerprint of the cohort.
    ///
    /// # Errors
    /// Returns an error if the manifest can't be written.
    pub fn record_cohort(&self, fingerprint: &str) -> anyhow::Result<()> {
        self.update_manifest(|manifest| {
            manifest.insert("cohort_fingerprint".into(), json!(fingerprint));
        })
    }

    /// Starts a stage: the measurement of its cost, and its record if the command has records.
    ///
    /// # Errors
    /// Returns an error if the record can't be written.
    pub fn start_stage(&self, stage: &'static str) -> anyhow::Result<StageTimer> {
        let timer = StageTimer::start(stage);
        if let Some(config) = &self.recorded {
            self.write_record(stage, &StageRecord::start(config))?;
        }
        Ok(timer)
    }

    /// Records the end of a stage: its cost in the manifest unless this is a shard, and its outcome if the command has records.
    ///
    /// # Errors
    /// Returns an error if a file can't be written.
    pub fn end_stage(&self, timer: &StageTimer, outcome: Outcome<'_>) -> anyhow::Result<()> {
        let (made, current) = outcome.unwrap_or((0, 0));
        if let Some(config) = &self.recorded {
            let state = match outcome.map_err(exit_status) {
                Ok(_) => StageState::Done,
                Err(ExitStatus::Interrupted) => StageState::Interrupted,
                Err(ExitStatus::NotReady) => StageState::NotReady,
                Err(_) => StageState::Failed,
            };
            let record = StageRecord {
                state,
                made,
                current,
                seconds: rounded(timer.seconds()),
                peak_memory_mib: host::peak_memory_mib(),
                error: outcome.err().map(message),
                ..StageRecord::start(config)
            };
            self.write_record(timer.stage, &record)?;
        }
        // A stage that made nothing cost nothing; one that failed resumes from the artefacts made so far.
        if self.share.is_whole() && (outcome.is_err() || made > 0) {
            self.record_cost(timer, outcome.is_ok() && current == 0)?;
        }
        Ok(())
    }

    /// Records the cost of a stage: added to the recorded cost if the stage resumed earlier work, replacing it if
    /// `restarted`.
    fn record_cost(&self, timer: &StageTimer, restarted: bool) -> anyhow::Result<()> {
        let (seconds, peak) = (timer.seconds(), host::peak_memory_mib());
        self.update_manifest(|manifest| {
            let stages = manifest.remove("stages").unwrap_or_default();
            let mut stages: BTreeMap<String, Cost> = serde_json::from_value(stages).unwrap_or_default();
            let previous =
                if restarted { None } else { stages.get(timer.stage).copied() }.unwrap_or_default();
            let seconds = rounded(previous.seconds + seconds);
            let cost = Cost { seconds, peak_memory_mib: peak.max(previous.peak_memory_mib) };
            stages.insert(timer.stage.to_owned(), cost);
            manifest.insert("stages".into(), json!(stages));
        })
    }

    fn update_manifest(
        &self,
        change: impl FnOnce(&mut serde_json::Map<String, Value>),
    ) -> anyhow::Result<()> {
        let mut manifest = self.manifest();
        change(&mut manifest);
        let mut text = serde_json::to_string_pretty(&manifest)?;
        text.push('\n');
        replace(&self.path(FILE), text.as_bytes())
    }

    /// Reads the manifest; empty if there is none that can be read.
    fn manifest(&self) -> serde_json::Map<String, Value> {
        fs::read(self.path(FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }
}

/// Rounds seconds to milliseconds.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
