//! `manifest.json`: where, with what and how fast a run was made. The only file of a run that holds times.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Run, host, replace};

const FILE: &str = "manifest.json";

/// What a stage took, all commands that worked at it together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Most memory held, MiB.
    pub peak_memory_mib: Option<u64>,
}

/// Measures one stage.
#[derive(Debug)]
pub struct StageClock {
    stage: &'static str,
    start: Instant,
}

impl StageClock {
    /// A stage begins.
    pub fn start(stage: &'static str) -> Self {
        host::reset_peak_memory();
        Self { stage, start: Instant::now() }
    }

    /// Seconds since.
    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

impl Run {
    /// Writes what holds for the whole run.
    ///
    /// # Errors
    /// A folder that can't be written to.
    pub fn describe(&self, seed: u64, device: &str, threads: usize) -> anyhow::Result<()> {
        self.amend(|manifest| {
            manifest.insert("version".into(), json!(env!("CARGO_PKG_VERSION")));
            manifest.insert("git_revision".into(), json!(host::git_revision()));
            manifest.insert("seed".into(), json!(seed));
            manifest.insert("device".into(), json!(device));
            manifest.insert("threads".into(), json!(threads));
            manifest.insert("host".into(), json!(host::Host::here()));
        })
    }

    /// Notes whose scans the run is about.
    ///
    /// # Errors
    /// A folder that can't be written to.
    pub fn note_cohort(&self, fingerprint: &str) -> anyhow::Result<()> {
        self.amend(|manifest| {
            manifest.insert("cohort_fingerprint".into(), json!(fingerprint));
        })
    }

    /// Adds what a stage took. One that did its work anew, not only went on with it, forgets what it took
    /// before.
    ///
    /// # Errors
    /// A folder that can't be written to.
    pub fn note_cost(&self, clock: &StageClock, anew: bool) -> anyhow::Result<()> {
        let (seconds, peak) = (clock.seconds(), host::peak_memory_mib());
        self.amend(|manifest| {
            let stages = manifest.remove("stages").unwrap_or_default();
            let mut stages: BTreeMap<String, Cost> = serde_json::from_value(stages).unwrap_or_default();
            let before = if anew { None } else { stages.get(clock.stage).copied() }.unwrap_or_default();
            let seconds = ((before.seconds + seconds) * 1e3).round() / 1e3;
            let cost = Cost { seconds, peak_memory_mib: peak.max(before.peak_memory_mib) };
            stages.insert(clock.stage.to_owned(), cost);
            manifest.insert("stages".into(), json!(stages));
        })
    }

    fn amend(&self, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> anyhow::Result<()> {
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
