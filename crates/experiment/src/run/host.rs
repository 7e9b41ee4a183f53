//! Facts about the machine and the build that a run's manifest keeps.

use std::fs;
use std::process::Command;

use serde::Serialize;

use crate::memory;

/// The machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Host {
    os: &'static str,
    architecture: &'static str,
    processor: Option<String>,
    cores: usize,
    memory_gib: Option<f64>,
}

impl Host {
    /// The machine that we are on.
    pub fn here() -> Self {
        let processor = field("/proc/cpuinfo", "model name");
        let memory_gib = kibibytes("/proc/meminfo", "MemTotal").map(|kib| kib as f64 / f64::from(1 << 20));
        Self {
            os: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            processor,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_gib.map(|gib| (gib * 10.0).round() / 10.0),
        }
    }
}

/// The git revision of this program's source, with `+` where files differ from it: not of the folder that it is
/// called from, which may be of another repository.
pub fn git_revision() -> Option<String> {
    let git = |arguments: &[&str]| {
        let source = env!("CARGO_MANIFEST_DIR");
        let output = Command::new("git").args(["-C", source]).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|s| !s.is_empty());
    Some(if changed { revision + "+" } else { revision })
}

/// Starts the measure of peak memory anew, where the system can.
pub fn reset_peak_memory() {
    memory::give_back();
    // 5 resets the peak (proc(5), clear_refs). Without it the peak is that of the whole process so far.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process has held since, in MiB, where the system says.
pub fn peak_memory_mib() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM").map(|kib| kib >> 10)
}

/// Memory that programs can still have, in bytes, where the system says.
pub fn available_memory() -> Option<u64> {
    kibibytes("/proc/meminfo", "MemAvailable").map(|kib| kib << 10)
}

/// Processes that wanted to run during the last minute, on average, where the system says.
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

fn kibibytes(file: &str, name: &str) -> Option<u64> {
    field(file, name)?.split_whitespace().next()?.parse().ok()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
