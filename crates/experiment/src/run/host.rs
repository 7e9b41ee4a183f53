//! Machine and build, as recorded in a run's manifest.

use std::fs;
use std::process::Command;

use serde::Serialize;

use crate::memory::release_freed;

/// Operating system and hardware.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Host {
    os: &'static str,
    architecture: &'static str,
    processor: Option<String>,
    cores: usize,
    memory_gib: Option<f64>,
    /// Instruction set of the convolutions: with another one, sums are rounded in another order, and training amplifies that.
    instruction_set: &'static str,
}

impl Host {
    /// Describes the current machine.
    pub fn current() -> Self {
        let processor = field("/proc/cpuinfo", "model name");
        let memory_gib = kibibytes("/proc/meminfo", "MemTotal").map(|kib| kib as f64 / f64::from(1 << 20));
        Self {
            os: std::env::consts::OS,
            architecture: std::env::consts::ARCH,
            processor,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_gib.map(|gib| (gib * 10.0).round() / 10.0),
            instruction_set: relevox_models::conv3d::Isa::current().name(),
        }
    }
}

/// Returns the git revision of this program's source, with `+` if tracked files were changed. The working directory is
/// irrelevant; it may be another repository.
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

/// Resets the measurement of peak memory, on Linux.
pub fn reset_peak_memory() {
    release_freed();
    // 5 resets the peak (proc(5), clear_refs). If this fails, the peak is that of the whole process so far.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Returns the peak resident memory of this process since the last reset, in MiB, on Linux.
pub fn peak_memory_mib() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM").map(|kib| kib >> 10)
}

/// Returns the load average of the last minute, on Linux.
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

pub(super) fn kibibytes(file: &str, name: &str) -> Option<u64> {
    field(file, name)?.split_whitespace().next()?.parse().ok()
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
