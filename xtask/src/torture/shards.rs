//! A run that shards make: several processes at the same time in one folder. Some are killed and started again; some have a former process,
//! believed lost, which works on the same share.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context, bail};
use rand::Rng;
use relevox_experiment::failure::ExitStatus;
use relevox_experiment::interrupt;
use relevox_experiment::shard::Shard;
use relevox_experiment::steps::Step;

use super::attempt::POLL;
use super::printed::failure;
use super::stages::Stages;

/// Probability that a process is to be killed.
const KILL: f64 = 0.4;
/// Longest wait of a process that must be killed, relative to that of others: it has not ended by then.
const EARLY: f64 = 0.1;
/// Probability that a shard of a step has two processes.
const TWIN: f64 = 0.3;
/// Times that a process finds files of others not ready, before it is an error.
const ATTEMPTS: usize = 200;

/// A run, and the keys that differ from the profile `smoke`.
#[derive(Debug)]
pub struct ShardedRun<'a> {
    /// Folder of the run.
    pub out: PathBuf,
    /// Keys with their values.
    pub settings: &'a [&'a str],
    /// Steps of the run.
    pub steps: &'a [Step],
}

/// A process that works on a share. Dropped, it is killed.
struct Process {
    shard: Option<Shard>,
    child: Child,
    log: PathBuf,
    /// When it is to be killed.
    kill: Option<Instant>,
    not_ready: usize,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl ShardedRun<'_> {
    /// Runs all steps, with at most `most` kills, which are counted in `stages`. Returns their number. One at least falls in a process that
    /// works on a share, unless `most` is 0.
    ///
    /// # Errors
    /// Returns an error if a process fails, or if the user interrupts it.
    pub fn run(&self, most: usize, stages: &mut Stages, rng: &mut impl Rng) -> anyhow::Result<usize> {
        let (mut kills, mut of_shards) = (0, 0);
        for step in self.steps {
            let is_shared = step.shards.is_some();
            // Others may have used up the kills before the first step of shards.
            let kept = usize::from(!is_shared && of_shards == 0);
            let left = (most - kills).saturating_sub(kept);
            let of_step = self.run_step(step, left, is_shared && of_shards == 0, stages, rng)?;
            kills += of_step;
            of_shards += if is_shared { of_step } else { 0 };
        }
        Ok(kills)
    }

    fn run_step(
        &self,
        step: &Step,
        most: usize,
        must_kill: bool,
        stages: &mut Stages,
        rng: &mut impl Rng,
    ) -> anyhow::Result<usize> {
        let longest = stages.longest_wait(&step.stages);
        let draw = |rng: &mut dyn rand::RngCore| {
            rng.random_bool(KILL).then(|| Instant::now() + longest.mul_f64(rng.random_range(0.0..1.0)))
        };
        let mut shards = step.tasks();
        if step.shards.is_some() && rng.random_bool(TWIN) {
            shards.push(shards[rng.random_range(0..shards.len())]);
        }
        let mut running = Vec::new();
        for (number, shard) in shards.into_iter().enumerate() {
            let log = self.out.with_extension(format!("{number}.log"));
            let early = (must_kill && number == 0)
                .then(|| Instant::now() + longest.mul_f64(EARLY * rng.random_range(0.0..1.0)));
            running.push(self.start(step, shard, log, early.or_else(|| draw(rng)))?);
        }
        let mut kills = 0;
        while !running.is_empty() {
            interrupt::check()?;
            sleep(POLL);
            for mut process in std::mem::take(&mut running) {
                let status = process.child.try_wait()?;
                let (not_ready, kill) = match status.map(|status| status.code()) {
                    Some(Some(0)) => continue,
                    // Its former process, or it itself, was writing.
                    Some(Some(code))
                        if code == ExitStatus::NotReady as i32 && process.not_ready < ATTEMPTS =>
                    {
                        (process.not_ready + 1, process.kill)
                    }
                    Some(_) => {
                        let log = fs::read_to_string(&process.log).unwrap_or_default();
                        bail!("{}", failure(&self.out, &log));
                    }
                    None if kills < most && process.kill.is_some_and(|time| Instant::now() >= time) => {
                        kills += 1;
                        stages.count_kill_of_shard(step);
                        (process.not_ready, draw(rng))
                    }
                    None => {
                        running.push(process);
                        continue;
                    }
                };
                let (shard, log) = (process.shard, process.log.clone());
                drop(process);
                let mut again = self.start(step, shard, log, kill)?;
                again.not_ready = not_ready;
                running.push(again);
            }
        }
        Ok(kills)
    }

    fn start(
        &self,
        step: &Step,
        shard: Option<Shard>,
        log: PathBuf,
        kill: Option<Instant>,
    ) -> anyhow::Result<Process> {
        let stderr = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let program = std::env::current_exe().context("finding this program")?;
        let mut command = Command::new(&program);
        command
            .args(["reproduce", "--profile", "smoke", "--threads", "1", "--stage", &step.stages_option()])
            .arg("--out")
            .arg(&self.out)
            .args(self.settings.iter().flat_map(|setting| ["--set", setting]));
        if let Some(shard) = shard {
            command.args(["--shard", &shard.to_string()]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Process { shard, child, log, kill, not_ready: 0 })
    }
}
