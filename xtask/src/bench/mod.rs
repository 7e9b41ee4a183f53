//! `cargo xtask bench`: times parts of this workspace. Each command prints one JSON line; `seconds` is a median.

mod all;
mod cohort;
mod explain;
mod explain_samples;
mod explain_table;
mod measured;
mod memory;
mod models;
mod networks;
mod networks_samples;
mod networks_table;
mod peak;
mod peer;
mod performance;
mod regions;
mod scan;
mod slic;
mod timing;
mod work;

use anyhow::Context;

use crate::cli::{Bench, ConvBenchArgs, NetworkBenchArgs};
use relevox::cli::print_result;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::run::{peak_memory_mib, reset_peak_memory};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::process::Command;
use std::time::Instant;
use timing::median;
use work::{Case, Kind, Work};

/// Number of timed runs, after a warm-up.
const RUNS: usize = 5;

/// Runs a benchmark in a process of its own, whose peak of memory is the work's alone, with the same number of threads; returns
/// what its last line says.
fn in_process<T: DeserializeOwned>(arguments: &[&str]) -> anyhow::Result<T> {
    let output = Command::new(std::env::current_exe().context("finding this program")?)
        .arg("bench")
        .args(arguments)
        .args(["--threads", &rayon::current_num_threads().to_string()])
        .output()
        .with_context(|| format!("starting bench {}", arguments.join(" ")))?;
    interrupt::check()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(stdout.lines().last().unwrap_or_default()).with_context(|| {
        format!("running bench {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr))
    })
}

/// Runs a benchmark.
///
/// # Errors
/// Returns an error if a shape is invalid, a peer can't be run, or a file can't be written.
pub fn run(what: &Bench) -> anyhow::Result<()> {
    match what {
        Bench::Forward(args) => single(&network(args, Kind::Forward)?),
        Bench::Train(args) => single(&network(args, Kind::Train)?),
        Bench::Conv(args) => single(&convolution(args)?),
        Bench::Models(args) => models::run(args),
        Bench::Networks(args) => networks::run(args),
        Bench::Slic(args) => slic::run(args),
        Bench::Regions(args) => regions::run(args),
        Bench::Explain(args) => explain::run(args),
        Bench::Cohort(args) => cohort::run(args),
        Bench::Memory(args) => memory::run(args),
        Bench::All(args) => all::run(args),
    }
}

fn single(case: &Case) -> anyhow::Result<()> {
    let mut work = Work::new(case)?;
    // `Work::new` compiled a plan to count operations, which has been dropped.
    reset_peak_memory();
    work.once()?;
    let mut seconds = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        work.once()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    let seconds = median(&seconds);
    print_result(&json!({
        "case": case.name(),
        "seconds": seconds,
        "gflops": work.gflop() / seconds,
        "threads": rayon::current_num_threads(),
        "peak_memory_mib": peak_memory_mib(),
    }))
}

fn network(args: &NetworkBenchArgs, kind: Kind) -> anyhow::Result<Case> {
    let &NetworkBenchArgs { depth, stem_stride, width, batch, .. } = args;
    let size = size(&args.size)?;
    Ok(Case { kind, depth, stem_stride, width, size, batch, ..Case::default() })
}

fn convolution(args: &ConvBenchArgs) -> anyhow::Result<Case> {
    let &[from, to] = args.channels.as_slice() else {
        return Err(invalid_input("--channels: expected two numbers"));
    };
    let &ConvBenchArgs { kernel, stride, batch, .. } = args;
    let size = size(&args.size)?;
    Ok(Case { kind: Kind::Conv, channels: [from, to], kernel, stride, size, batch, ..Case::default() })
}

fn size(sizes: &[usize]) -> anyhow::Result<[usize; 3]> {
    match sizes {
        &[size] => Ok([size; 3]),
        &[z, y, x] => Ok([z, y, x]),
        other => Err(invalid_input(format!("--size: expected one number or z,y,x, found {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A table that was edited by hand, or is older than its samples, fails here.
    #[test]
    fn the_page_matches_its_samples() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for comparison in [
            models::COMPARISON,
            slic::COMPARISON,
            explain::COMPARISON,
            networks::COMPARISON,
            memory::COMPARISON,
        ] {
            performance::assert_current(&root, &comparison);
        }
    }
}
