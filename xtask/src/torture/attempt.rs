//! One attempt at a run, killed after some time.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use relevox_experiment::interrupt;

use super::printed::finished;

/// Interval at which processes are polled: kills fall between any two of their system calls.
pub const POLL: Duration = Duration::from_millis(1);

/// Time of a kill.
#[derive(Clone, Debug, PartialEq)]
pub struct Kill {
    /// Stage that must have ended; `None` for the start of the process.
    pub after: Option<String>,
    /// Time after that.
    pub wait: Duration,
}

/// A run, and the keys that differ from the profile `smoke`.
#[derive(Clone, Debug)]
pub struct Attempt<'a> {
    /// Folder of the run.
    pub out: PathBuf,
    /// Keys with their values.
    pub settings: &'a [&'a str],
}

/// End of an attempt, with what it printed.
#[derive(Clone, Debug)]
pub enum End {
    /// It was killed.
    Killed {
        /// Its status lines.
        log: String,
    },
    /// It ended before.
    Exited {
        /// True if it completed the run.
        success: bool,
        /// Its status lines.
        log: String,
    },
}

impl Attempt<'_> {
    /// Starts this program on the run, and kills it (SIGKILL) at a time; without one, it runs to its end.
    ///
    /// # Errors
    /// Returns an error if the process can't be started, or if the user interrupts it.
    pub fn run(&self, kill: Option<Kill>) -> anyhow::Result<End> {
        let log_file = self.out.with_extension("log");
        let log = File::create(&log_file).with_context(|| format!("creating {}", log_file.display()))?;
        let program = std::env::current_exe().context("finding this program")?;
        let mut child = Command::new(&program)
            .args(["reproduce", "--profile", "smoke", "--out"])
            .arg(&self.out)
            .args(self.settings.iter().flat_map(|setting| ["--set", setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        // Of the wait, once the stage before has ended.
        let mut start: Option<Instant> = None;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if let (Some(kill), None) = (&kill, start) {
                let has_ended = match &kill.after {
                    None => true,
                    Some(stage) => finished(&fs::read_to_string(&log_file)?).contains(stage),
                };
                start = has_ended.then(Instant::now);
            }
            let is_due = matches!((&kill, start), (Some(kill), Some(start)) if start.elapsed() >= kill.wait);
            let interrupted = interrupt::check();
            if interrupted.is_err() || is_due {
                child.kill()?;
                child.wait()?;
                interrupted?;
                break None;
            }
            sleep(POLL);
        };
        interrupt::check()?;
        let log = fs::read_to_string(&log_file).with_context(|| format!("reading {}", log_file.display()))?;
        Ok(match status {
            None => End::Killed { log },
            Some(status) => End::Exited { success: status.success(), log },
        })
    }
}
