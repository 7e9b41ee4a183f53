//! `cargo xtask bench all`: renews every comparison with peers, and the table of memory, with as many samples as an hour allows.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use relevox::cli::print_result;
use relevox_experiment::failure::message;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;
use relevox_experiment::run::{Host, git_revision, load_average};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::performance::{self, Comparison, processor};
use super::{explain, memory, models, networks, slic};
use crate::cli::{
    AllBenchArgs, ExplainBenchArgs, MemoryBenchArgs, ModelsBenchArgs, NetworksBenchArgs, SlicBenchArgs,
};

/// Section of docs/PERFORMANCE.md.
pub(super) const COMPARISON: Comparison = Comparison { name: "all", section };

/// Samples per side of `slic`, each of which takes scikit-image seconds: 100 cases.
const SLIC_SAMPLES: u16 = 2;
/// Samples of `explain` and `networks`.
const MAP_SAMPLES: u16 = 2;
/// Regions that Captum computes of slow networks.
const PEER_REGIONS: u16 = 8;
/// Samples per side of `models`.
const MODELS_SAMPLES: u16 = 5;

/// Outcome of a benchmark.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Done {
    bench: String,
    /// Options besides `--peers`.
    options: String,
    seconds: f64,
    /// Load average before it started.
    load: Option<f64>,
    error: Option<String>,
}

/// Runs the benchmarks one after the other and updates the page after each.
///
/// # Errors
/// Returns an error if the user interrupts, and after all of them if one failed; the others have then updated their tables.
pub(super) fn run(args: &AllBenchArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    let AllBenchArgs { peers, case, only } = args;
    let (peers, case, only) = (peers.clone(), case.clone(), only.clone());
    let slic_args =
        SlicBenchArgs { peers: peers.clone(), case: case.clone(), samples: SLIC_SAMPLES, only: only.clone() };
    let models_args = ModelsBenchArgs { peers: peers.clone(), samples: MODELS_SAMPLES, only: only.clone() };
    let networks_args = NetworksBenchArgs {
        peers: peers.clone(),
        case: case.clone(),
        samples: MAP_SAMPLES,
        peer_regions: PEER_REGIONS,
        only: only.clone(),
    };
    let memory_args = MemoryBenchArgs { only, step: None };
    let explain_args = ExplainBenchArgs { peers, case, samples: MAP_SAMPLES, peer_regions: PEER_REGIONS };
    let maps = format!("--samples {MAP_SAMPLES} --peer-regions {PEER_REGIONS}");
    let is_whole = args.only.is_empty();
    let mut done = Vec::new();
    let mut bench =
        |name: &str, options: &str, run: &mut dyn FnMut() -> anyhow::Result<()>| -> anyhow::Result<()> {
            interrupt::check()?;
            let (start, load) = (Instant::now(), load_average());
            let error = run().err().map(|error| message(&error));
            interrupt::check()?;
            if let Some(error) = &error {
                print_status(format!("bench {name}: {error}"));
                // Not every comparison has a case with the text of --only.
                if !is_whole && error.starts_with("--only") {
                    return Ok(());
                }
            }
            let (bench, options) = (name.to_owned(), options.to_owned());
            done.push(Done { bench, options, seconds: start.elapsed().as_secs_f64(), load, error });
            Ok(())
        };
    bench("models", &format!("--samples {MODELS_SAMPLES}"), &mut || models::run(&models_args))?;
    bench("memory", "", &mut || memory::run(&memory_args))?;
    bench("slic", &format!("--samples {SLIC_SAMPLES}"), &mut || slic::run(&slic_args))?;
    bench("networks", &maps, &mut || networks::run(&networks_args))?;
    if is_whole {
        bench("explain", &maps, &mut || explain::run(&explain_args))?;
    }
    let result = json!({
        "machine": Host::current(),
        "threads": rayon::current_num_threads(),
        "revision": git_revision(),
        "load_at_end": load_average(),
        "benches": done,
    });
    if is_whole {
        performance::write(root, &COMPARISON, &result)?;
    }
    print_result(&result)?;
    let failed: Vec<&str> =
        done.iter().filter(|one| one.error.is_some()).map(|one| one.bench.as_str()).collect();
    anyhow::ensure!(failed.is_empty(), "these benchmarks failed: {}", failed.join(", "));
    Ok(())
}

fn section(result: &Value) -> anyhow::Result<String> {
    let benches = Vec::<Done>::deserialize(&result["benches"])?;
    let minutes = benches.iter().map(|one| one.seconds).sum::<f64>() / 60.0;
    let mut section = format!(
        "## All tables\n\n`cargo xtask bench all --peers PYTHON` renewed the tables of these commands in {minutes:.0} minutes, with {} threads of {}. \
         A table may be newer, if its command was run by itself. Load is the load average before each.\n\n\
         | command | options | minutes | load |\n|---|---|---:|---:|\n",
        result["threads"],
        processor(&result["machine"]),
    );
    for Done { bench, options, seconds, load, .. } in benches {
        let load = performance::load(load);
        let options = if options.is_empty() { String::new() } else { format!("`{options}`") };
        section += &format!("| `bench {bench}` | {options} | {:.1} | {load} |\n", seconds / 60.0);
    }
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_show_minutes() {
        let done = Done {
            bench: "slic".to_owned(),
            options: "--samples 2".to_owned(),
            seconds: 90.0,
            load: Some(1.0),
            error: None,
        };
        let machine = json!({ "processor": "P", "instruction_set": "AVX2" });
        let page = section(&json!({ "threads": 2, "machine": machine, "benches": [done] })).unwrap();
        assert!(page.contains("in 2 minutes, with 2 threads of P with AVX2"), "{page}");
        assert!(page.ends_with("| `bench slic` | `--samples 2` | 1.5 | 1.0 |\n"), "{page}");
    }
}
