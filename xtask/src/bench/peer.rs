//! The other side of a comparison: a process of its own that makes a case ready once and does it whenever it is asked to,
//! so that each of our samples has one of the peer's beside it under the same load.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;

/// Threads of the other side wait for work for a while before they sleep.
const PAUSE: Duration = Duration::from_millis(250);

/// The other side, with one case made ready.
pub(super) struct Peer {
    process: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Versions of all that it is made of.
    pub(super) versions: Value,
}

impl Peer {
    /// Starts `script` of `xtask/peers` on as many threads as we have and waits until it is ready. `needs` says what the
    /// Python has to have.
    ///
    /// # Errors
    /// A Python that can't be run, or that lacks a package.
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
        let mut answers = BufReader::new(process.stdout.take().context("the peer's stdout")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let versions = serde_json::from_str(&line).map_err(|_| {
            invalid_input(format!("--peers {}: expected a Python with {needs}", python.display()))
        })?;
        Ok(Peer { process, ask, answers, versions })
    }

    /// The number that it answers: seconds of one run, where it is asked to run.
    ///
    /// # Errors
    /// An answer that is no number.
    pub(super) fn ask(&mut self, what: &str) -> anyhow::Result<f64> {
        writeln!(self.ask, "{what}")?;
        self.ask.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("asked to {what}, the peer said {line:?}"))
    }

    /// [`ask`](Peer::ask) once our threads are asleep.
    ///
    /// # Errors
    /// An answer that is no number, an interrupt.
    pub(super) fn timed(&mut self, what: &str) -> anyhow::Result<f64> {
        interrupt::check()?;
        std::thread::sleep(PAUSE);
        self.ask(what)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It holds nothing but memory.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Seconds of one run of ours, once the peer's threads are asleep.
///
/// # Errors
/// What `work` meets, an interrupt.
pub(super) fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<f64> {
    interrupt::check()?;
    std::thread::sleep(PAUSE);
    let start = Instant::now();
    drop(work()?);
    Ok(start.elapsed().as_secs_f64())
}
