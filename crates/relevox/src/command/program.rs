//! A running program that answers each line on its stdin with a line on its stdout.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::error::CommandError;

/// Longest answer that is read.
const LONGEST_ANSWER: u64 = 1 << 16;
/// How long a program may take to end after its input has ended.
const GRACE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(10);

/// A running program. It is stopped, with the processes that it started, when it does not answer in time or does not end.
pub(super) struct Program {
    pub(super) name: String,
    child: Child,
    /// Whether the child was waited for, so that its id belongs to it no more.
    reaped: bool,
    stdin: Option<ChildStdin>,
    answers: Receiver<io::Result<String>>,
    timeout: Duration,
}

impl Program {
    /// Starts the program of a command, without a shell. What it prints to stderr goes to this process's stderr.
    pub(super) fn start(command: &str, timeout: Duration) -> Result<Self, CommandError> {
        let invalid = || CommandError::Words { found: format!("`{command}`") };
        let words = shlex::split(command).ok_or_else(invalid)?;
        let (name, arguments) = words.split_first().ok_or_else(invalid)?;
        let mut start = Command::new(name);
        start.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut start, 0);
        let failed = |source| CommandError::Start { program: name.clone(), source };
        let mut child = start.spawn().map_err(failed)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (sender, answers) = mpsc::channel();
        let mut program = Self { name: name.clone(), child, reaped: false, stdin, answers, timeout };
        let read = move || {
            let Some(stdout) = stdout else { return };
            let mut stdout = BufReader::new(stdout);
            loop {
                let mut line = Vec::new();
                let read = stdout.by_ref().take(LONGEST_ANSWER).read_until(b'\n', &mut line);
                let answer = match read {
                    Ok(0) => return,
                    Ok(_) => Ok(String::from_utf8_lossy(&line).trim().to_owned()),
                    Err(error) => Err(error),
                };
                let ended = answer.is_err();
                if sender.send(answer).is_err() || ended {
                    return;
                }
            }
        };
        if let Err(source) = thread::Builder::new().name("command".to_owned()).spawn(read) {
            program.kill();
            return Err(CommandError::Start { program: name.clone(), source });
        }
        Ok(program)
    }

    /// Sends a line and waits for the answer.
    pub(super) fn ask(&mut self, line: &str) -> Result<String, CommandError> {
        let sent = self.stdin.as_mut().map(|stdin| writeln!(stdin, "{line}").and_then(|()| stdin.flush()));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.ended());
        }
        match self.answers.recv_timeout(self.timeout) {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(self.ended()),
            Err(RecvTimeoutError::Timeout) => {
                self.kill();
                Err(CommandError::TimedOut {
                    program: self.name.clone(),
                    seconds: self.timeout.as_secs_f64(),
                })
            }
        }
    }

    /// The error of a program that does not take lines or answer any more.
    fn ended(&mut self) -> CommandError {
        self.stdin = None;
        let how = match self.wait(GRACE) {
            Some(status) => status
                .code()
                .map_or_else(|| format!("was stopped by {status}"), |code| format!("exited with {code}")),
            None => {
                self.kill();
                "closed its stdin or stdout".to_owned()
            }
        };
        CommandError::Ended { program: self.name.clone(), how }
    }

    /// Waits for the program's end.
    fn wait(&mut self, most: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.reaped = true;
                    return Some(status);
                }
                Ok(None) if start.elapsed() < most => thread::sleep(POLL),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Stops the program, and on Unix the processes that it started.
    fn kill(&mut self) {
        self.stdin = None;
        if self.reaped {
            return;
        }
        #[cfg(unix)]
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = nix::sys::signal::killpg(
                nix::unistd::Pid::from_raw(group),
                nix::sys::signal::Signal::SIGKILL,
            );
        }
        let _ = self.child.kill();
        self.reaped = self.child.wait().is_ok();
    }
}

impl Drop for Program {
    /// Ends the program's input, and stops the program if it does not end.
    fn drop(&mut self) {
        self.stdin = None;
        if self.wait(GRACE).is_none() {
            self.kill();
        }
    }
}
