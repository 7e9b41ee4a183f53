//! `manifest.json`: version, device, machine and cost of a run. The only file of a run that contains times.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::folder::Run;
use super::host;
use super::write::replace;

const FILE: &str = "manifest.json";

/// Cost of a stage, accumulated over all commands that worked on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Peak memory in MiB.
    pub peak_memory_mib: Option<u64>,
}

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

    /// Records the fingerprint of the cohort.
    ///
    /// # Errors
    /// Returns an error if the manifest can't be written.
    pub fn record_cohort(&self, fingerprint: &str) -> anyhow::Result<()> {
        self.update_manifest(|manifest| {
            manifest.insert("cohort_fingerprint".into(), json!(fingerprint));
        })
    }

    /// Records the cost of a stage: added to the recorded cost if the stage resumed earlier work, replacing it if
    /// `restarted`.
    ///
    /// # Errors
    /// Returns an error if the manifest can't be written.
    pub fn record_cost(&self, timer: &StageTimer, restarted: bool) -> anyhow::Result<()> {
        let (seconds, peak) = (timer.seconds(), host::peak_memory_mib());
        self.update_manifest(|manifest| {
            let stages = manifest.remove("stages").unwrap_or_default();
            let mut stages: BTreeMap<String, Cost> = serde_json::from_value(stages).unwrap_or_default();
            let previous =
                if restarted { None } else { stages.get(timer.stage).copied() }.unwrap_or_default();
            let seconds = ((previous.seconds + seconds) * 1e3).round() / 1e3;
            let cost = Cost { seconds, peak_memory_mib: peak.max(previous.peak_memory_mib) };
            stages.insert(timer.stage.to_owned(), cost);
            manifest.insert("stages".into(), json!(stages));
        })
    }

    fn update_manifest(
        &self,
        change: impl FnOnce(&mut serde_json::Map<String, Value>),
    ) -> anyhow::Result<()> {
        let path = self.path(FILE);
        let mut manifest = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes).ok())
            .unwrap_or_default();
        change(&mut manifest);
        let mut text = serde_json::to_string_pretty(&manifest)?;
        text.push('\n');
        replace(&path, text.as_bytes())
    }
}
