//! `cargo xtask bench models`: networks and convolutions beside PyTorch and MONAI, both sides in turn.
//!
//! The peer is a process of its own that makes a case ready once and runs it whenever it is asked to, so that each of
//! our samples has one of the peer's beside it under the same load.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::performance;
use super::work::{Case, Kind, Work};
use crate::cli::ModelsBenchArgs;
use crate::commands::print_result;
use crate::failure::input;
use crate::interrupt;
use crate::progress::say;
use crate::run::{Host, git_revision};

/// Threads of the other side wait for work for a while before they sleep.
const PAUSE: Duration = Duration::from_millis(250);

/// A case with every sample of both sides, in the order in which they were taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Compared {
    pub(super) name: String,
    pub(super) case: Case,
    pub(super) gflop: f64,
    pub(super) ours_seconds: Vec<f64>,
    pub(super) peer_seconds: Vec<f64>,
}

/// Runs all cases and renews the samples and the page that is made from them.
///
/// # Errors
/// A peer that can't be run, files that can't be written.
pub(super) fn run(args: &ModelsBenchArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    let threads = rayon::current_num_threads();
    let mut compared = Vec::new();
    let mut versions = Value::Null;
    for case in cases().into_iter().filter(|case| case.name().contains(&args.only)) {
        interrupt::check()?;
        let name = case.name();
        say(format!("bench: {name}"));
        let mut work = Work::new(&case)?;
        let mut peer = Peer::start(&args.peers, root, &case, threads)?;
        versions = peer.versions.clone();
        work.once()?;
        let (mut ours_seconds, mut peer_seconds) = (Vec::new(), Vec::new());
        for _ in 0..args.samples {
            interrupt::check()?;
            std::thread::sleep(PAUSE);
            let start = Instant::now();
            work.once()?;
            ours_seconds.push(start.elapsed().as_secs_f64());
            std::thread::sleep(PAUSE);
            peer_seconds.push(peer.once()?);
        }
        compared.push(Compared { name, case, gflop: work.gflop(), ours_seconds, peer_seconds });
    }
    if compared.is_empty() {
        return Err(input(format!("--only: no case is named like {}", args.only)));
    }
    let host = Host::here();
    let result = json!({
        "machine": host,
        "threads": threads,
        "revision": git_revision(),
        "versions": versions,
        "cases": compared,
    });
    if args.only.is_empty() {
        performance::write(root, &result, &compared)?;
    }
    print_result(&result)
}

/// What the comparison is made of.
fn cases() -> Vec<Case> {
    let conv = |from, to, kernel, stride, size| Case {
        kind: Kind::Conv,
        channels: [from, to],
        kernel,
        stride,
        size: [size; 3],
        ..Case::default()
    };
    let network = |kind, depth, stem_stride, batch, size| Case {
        kind,
        depth,
        stem_stride,
        batch,
        size: [size; 3],
        ..Case::default()
    };
    let small =
        Case { kind: Kind::Train, depth: 10, width: 16, batch: 4, size: [56, 64, 56], ..Case::default() };
    vec![
        conv(64, 64, 3, 1, 32),
        conv(64, 64, 3, 1, 64),
        conv(32, 32, 3, 1, 128),
        conv(4, 64, 7, 2, 128),
        network(Kind::Forward, 18, 2, 1, 128),
        network(Kind::Forward, 10, 2, 1, 128),
        network(Kind::Forward, 18, 1, 1, 128),
        network(Kind::Forward, 0, 1, 1, 64),
        network(Kind::Train, 10, 2, 2, 64),
        network(Kind::Train, 10, 2, 1, 128),
        network(Kind::Train, 18, 2, 1, 128),
        small,
    ]
}

/// The other side, with one case made ready.
struct Peer {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    versions: Value,
}

impl Peer {
    fn start(python: &Path, root: &Path, case: &Case, threads: usize) -> anyhow::Result<Peer> {
        let mut process = Command::new(python)
            .arg(root.join("xtask/peers/models.py"))
            .arg(serde_json::to_string(case)?)
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| input(format!("--peers {}: {error}", python.display())))?;
        let ask = process.stdin.take().context("the peer's stdin")?;
        let mut answers = BufReader::new(process.stdout.take().context("the peer's stdout")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let versions = serde_json::from_str(&line).map_err(|_| {
            input(format!("--peers {}: expected a Python with torch and monai", python.display()))
        })?;
        Ok(Peer { process, ask, answers, versions })
    }

    /// Seconds of one run.
    fn once(&mut self) -> anyhow::Result<f64> {
        self.ask.write_all(b"run\n")?;
        self.ask.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("the peer said {line:?}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It holds nothing but memory.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
