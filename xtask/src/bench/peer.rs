//! The peer of a comparison: a process that prepares a case once and runs it on request, so that our samples and the
//! peer's are taken in turn under the same load.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;

/// Time after which idle worker threads of the other side are asleep.
const PAUSE: Duration = Duration::from_millis(250);

/// A peer with a prepared case.
pub(super) struct Peer {
    process: Child,
    ask: ChildStdin,
    replies: BufReader<ChildStdout>,
    /// Versions of its packages.
    pub(super) versions: Value,
}

impl Peer {
    /// Starts a script of `xtask/peers` with our number of threads and waits until it is ready. `needs` names the required
    /// packages.
    ///
    /// # Errors
    /// Returns an input error if the Python can't be run or lacks a package.
    pub(super) fn start(
        python: &Path,
        root: &Path,
        script: &str,
        case: &Value,
        needs: &str,
    ) -> anyhow::Result<Peer> {
        let mut process = Command::new(python)
            .arg(root.join("xtask/peers").join(script))
            .arg(case.to_string())
            .arg(rayon::current_num_threads().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| invalid_input(format!("--peers {}: {error}", python.display())))?;
        let ask = process.stdin.take().context("the peer's stdin")?;
        let mut replies = BufReader::new(process.stdout.take().context("the peer's stdout")?);
        let mut line = String::new();
        replies.read_line(&mut line)?;
        let versions = serde_json::from_str(&line).map_err(|_| {
            invalid_input(format!("--peers {}: expected a Python with {needs}", python.display()))
        })?;
        Ok(Peer { process, ask, replies, versions })
    }

    /// Sends a request and returns the number that the peer replies with, such as the seconds of a run.
    ///
    /// # Errors
    /// Returns an error if the reply is not a number.
    pub(super) fn ask(&mut self, what: &str) -> anyhow::Result<f64> {
        writeln!(self.ask, "{what}")?;
        self.ask.flush()?;
        let mut line = String::new();
        self.replies.read_line(&mut line)?;
        line.trim()
            .parse()
            .with_context(|| format!("peer: expected a number in reply to {what:?}, found {line:?}"))
    }

    /// As [`ask`](Peer::ask), once our threads are asleep.
    ///
    /// # Errors
    /// Returns an error if the reply is not a number or the user interrupts.
    pub(super) fn timed(&mut self, what: &str) -> anyhow::Result<f64> {
        interrupt::check()?;
        std::thread::sleep(PAUSE);
        self.ask(what)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The process has no state to save.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Times one of our runs, in seconds, once the peer's threads are asleep.
///
/// # Errors
/// Returns the error of `work`, or an error if the user interrupts.
pub(super) fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    interrupt::check()?;
    std::thread::sleep(PAUSE);
    timed_at_once(work)
}

/// Times one of our runs, in seconds.
///
/// # Errors
/// Returns the error of `work`.
pub(super) fn timed_at_once<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    let start = Instant::now();
    drop(work()?);
    Ok(start.elapsed().as_secs_f64())
}
