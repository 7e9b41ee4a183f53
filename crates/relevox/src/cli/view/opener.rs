//! The desktop's program for opening files.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::bail;

/// Some openers run as long as the browser does.
const PATIENCE: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);

/// Opens a file with the program that the desktop has for it.
///
/// # Errors
/// Returns an error if there is no such program, or it fails at once.
pub(super) fn open(file: &Path) -> anyhow::Result<()> {
    let program = opener();
    let mut command = Command::new(program);
    let child = command.arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => bail!("cannot open {} with {program}: {error}", file.display()),
    };
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match child.try_wait()? {
            // Windows' explorer reports 1 in any case.
            Some(status) if status.success() || cfg!(windows) => return Ok(()),
            Some(status) => bail!("cannot open {} with {program}: {status}", file.display()),
            None => std::thread::sleep(POLL),
        }
    }
    Ok(())
}

fn opener() -> &'static str {
    if cfg!(target_os = "macos") {
        "open"
    } else if cfg!(windows) {
        "explorer"
    } else {
        "xdg-open"
    }
}
