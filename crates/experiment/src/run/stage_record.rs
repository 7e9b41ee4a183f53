//! Records of stages: the outcome of each share, in `stages/STAGE/I-of-N.json`, or `all.json` of a command without a shard.
//!
//! Each file has one owner. Only commands that are given stages write them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::artefacts::STAGES;
use super::folder::Run;
use super::write::replace;
use crate::shard::Shard;

/// State of a stage's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageState {
    /// The command has not ended, or was killed.
    Started,
    /// All artefacts of the share are current.
    Done,
    /// The user interrupted it, or a scheduler asked it to stop.
    Interrupted,
    /// It needs artefacts that are not made yet.
    NotReady,
    /// It ended with an error.
    Failed,
}

/// Record of a stage's share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    /// State at the time of writing.
    pub state: StageState,
    /// Hash of the configuration, `run.toml`.
    pub config: String,
    /// Name of the host.
    pub host: Option<String>,
    /// Process of the host.
    pub process: u32,
    /// Number of the Slurm job, of one that Slurm runs.
    pub job: Option<String>,
    /// Artefacts made.
    pub made: usize,
    /// Artefacts that were current.
    pub current: usize,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Peak memory in MiB.
    pub peak_memory_mib: Option<u64>,
    /// Message of the error, if it ended with one.
    pub error: Option<String>,
}

impl StageRecord {
    /// Creates the record of a stage that starts in this process.
    pub(super) fn start(config: &str) -> Self {
        let text = |variable| std::env::var(variable).ok();
        // An array job has a number for all of it and one for the task.
        let job = match (text("SLURM_ARRAY_JOB_ID"), text("SLURM_ARRAY_TASK_ID")) {
            (Some(job), Some(task)) => Some(format!("{job}_{task}")),
            _ => text("SLURM_JOB_ID"),
        };
        Self {
            state: StageState::Started,
            config: config.to_owned(),
            host: fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned()),
            process: std::process::id(),
            job,
            made: 0,
            current: 0,
            seconds: 0.0,
            peak_memory_mib: None,
            error: None,
        }
    }

    /// Reads the record of a stage's share; `None` if there is none. `shard` is `None` for a command without a shard.
    ///
    /// # Errors
    /// Returns an error that names the file if it can't be read.
    pub fn read(root: &Path, stage: &str, shard: Option<Shard>) -> anyhow::Result<Option<Self>> {
        let path = file(root, stage, shard);
        if !path.exists() {
            return Ok(None);
        }
        let read = || anyhow::Ok(serde_json::from_slice(&fs::read(&path)?)?);
        read().map(Some).with_context(|| format!("reading {}", path.display()))
    }
}

impl Run {
    /// Writes the record of a stage in this command's share.
    ///
    /// # Errors
    /// Returns an error if the file can't be written.
    pub(super) fn write_record(&self, stage: &str, record: &StageRecord) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(record)?;
        text.push('\n');
        replace(&file(self.root(), stage, self.share.shard), text.as_bytes())
    }
}

fn file(root: &Path, stage: &str, shard: Option<Shard>) -> PathBuf {
    let name = match shard {
        Some(shard) => format!("{}-of-{}.json", shard.number(), shard.count()),
        None => "all.json".to_owned(),
    };
    root.join(STAGES).join(stage).join(name)
}
