//! `cargo ci --slurm`: a run divided into jobs of a real Slurm, one of them killed in the middle and requeued, against a run of one
//! process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;
use serde_json::Value;

/// Time after which jobs are given up.
const PATIENCE: Duration = Duration::from_secs(1800);
/// Step of which a job is killed.
const KILLED: &str = "relevox-score";
const SHARDS: &str = "3";

/// Starts a cluster of two nodes on this host, runs the profile `smoke` on it and in one process, and compares the folders.
///
/// # Errors
/// Returns an error if Slurm is missing, a job fails, or the folders differ.
pub fn run(root: &Path) -> anyhow::Result<()> {
    for program in ["slurmctld", "slurmd", "munged"] {
        if Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            return Err(invalid_input(format!(
                "ci --slurm: expected {program} on PATH, found none: on Debian, install slurm-wlm and munge"
            )));
        }
    }
    let folder = tempfile::Builder::new().prefix("relevox-slurm-").tempdir()?;
    let [local, shared] = ["local", "shared"].map(|name| folder.path().join(name));
    print_status("ci: the profile smoke in one process");
    ours(None, &["reproduce", "--profile", "smoke", "--out", text(&local)?])?;
    let cluster = Loopback::start(root, folder.path().join("slurm"))?;
    let smoke = ["cluster", "slurm", "--profile", "smoke", "--out", text(&shared)?, "--shards", SHARDS];
    let limits = ["--cpus", "1", "--memory", "1G", "--time", "0:30:00", "--submit"];
    ours(Some(&cluster), &[&smoke[..], &limits].concat())?;
    let killed = cluster.kill_one()?;
    cluster.wait()?;
    let restarts = cluster.ask("scontrol", &["show", "job", &killed])?;
    ensure!(restarts.contains("Restarts=1"), "job {killed} was not started again: {restarts}");

    let status = ours(None, &[&smoke[..], &["--status"]].concat())?;
    for state in ["started", "failed", "left"] {
        ensure!(status[state] == 0, "{state}: {} tasks; see {}", status[state], keep(folder));
    }
    let differ = differences(&artefacts(&local)?, &artefacts(&shared)?);
    ensure!(
        differ.is_empty(),
        "files that differ from the run of one process: {differ:?}; see {}",
        keep(folder)
    );
    print_status(format!(
        "ci: {} tasks of Slurm, one killed and requeued, made the bytes of one process",
        status["done"]
    ));
    Ok(())
}

/// Leaves the folder, so that logs can be read, and returns its path.
fn keep(folder: tempfile::TempDir) -> String {
    folder.keep().display().to_string()
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("a temporary folder whose name is UTF-8")
}

/// Runs this program and returns its result, if it prints one.
fn ours(cluster: Option<&Loopback>, arguments: &[&str]) -> anyhow::Result<Value> {
    interrupt::check()?;
    let mut command = Command::new(std::env::current_exe().context("finding this program")?);
    command.args(arguments).stderr(Stdio::inherit());
    if let Some(cluster) = cluster {
        // Jobs inherit it: they wait less for files that are not visible yet.
        command.env("SLURM_CONF", cluster.config()).env("RELEVOX_WAIT", "1");
    }
    let output = command.output().context("starting this program")?;
    ensure!(output.status.success(), "`{}` failed ({})", arguments.join(" "), output.status);
    Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
}

/// A cluster on this host, which ends when it is dropped.
struct Loopback {
    script: PathBuf,
    folder: PathBuf,
}

impl Loopback {
    fn start(root: &Path, folder: PathBuf) -> anyhow::Result<Self> {
        let cluster = Self { script: root.join("xtask/slurm/loopback.sh"), folder };
        print_status("ci: starting two nodes of Slurm on this host");
        let status = Command::new("sh").arg(&cluster.script).arg("up").arg(&cluster.folder).status()?;
        // Dropped, and so ended, if a part of it did not start.
        ensure!(status.success(), "the cluster did not start ({status})");
        Ok(cluster)
    }

    fn config(&self) -> PathBuf {
        self.folder.join("slurm.conf")
    }

    /// Runs a program of Slurm and returns its output.
    fn ask(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(program).args(arguments).env("SLURM_CONF", self.config()).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "`{program} {}` failed: {said}", arguments.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Returns the queued and running jobs: number, state and name.
    fn jobs(&self) -> anyhow::Result<Vec<[String; 3]>> {
        let listed = self.ask("squeue", &["--noheader", "--array", "--format=%i %T %j"])?;
        let fields = |line: &str| {
            let mut fields = line.split_whitespace().map(ToOwned::to_owned);
            Some([fields.next()?, fields.next()?, fields.next()?])
        };
        Ok(listed.lines().filter_map(fields).collect())
    }

    /// Waits for a running job of the step that is to be disturbed, has Slurm kill and requeue it, and returns its number.
    fn kill_one(&self) -> anyhow::Result<String> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            interrupt::check()?;
            let jobs = self.jobs()?;
            if let Some([number, ..]) =
                jobs.iter().find(|[_, state, name]| name == KILLED && state == "RUNNING")
            {
                // It has to have begun, and must not have ended.
                sleep(Duration::from_millis(700));
                self.ask("scontrol", &["requeue", number])?;
                print_status(format!(
                    "ci: job {number} was killed and requeued; Slurm starts it again after two minutes"
                ));
                return Ok(number.clone());
            }
            ensure!(!jobs.is_empty(), "no job is left, and none of {KILLED} was seen");
            sleep(Duration::from_millis(100));
        }
        bail!("no job of {KILLED} ran within {} s", PATIENCE.as_secs())
    }

    /// Waits until no job is left.
    fn wait(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            interrupt::check()?;
            if self.jobs()?.is_empty() {
                return Ok(());
            }
            sleep(Duration::from_secs(1));
        }
        bail!("jobs are left after {} s: {:?}", PATIENCE.as_secs(), self.jobs()?)
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        let _ = Command::new("scancel").arg("--me").env("SLURM_CONF", self.config()).output();
        let _ = Command::new("sh").arg(&self.script).arg("down").arg(&self.folder).status();
    }
}

/// Reads the files of a run but for those that contain times.
fn artefacts(run: &Path) -> anyhow::Result<BTreeMap<PathBuf, Vec<u8>>> {
    fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            let name = path.strip_prefix(root)?.to_owned();
            if path.is_dir() {
                if name != Path::new("stages") {
                    collect(root, &path, found)?;
                }
            } else if name != Path::new("manifest.json") {
                found.insert(name, fs::read(&path)?);
            }
        }
        Ok(())
    }
    let mut found = BTreeMap::new();
    collect(run, run, &mut found)?;
    Ok(found)
}

fn differences(one: &BTreeMap<PathBuf, Vec<u8>>, other: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<PathBuf> {
    let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
    names.filter(|name| one.get(*name) != other.get(*name)).cloned().collect()
}
