//! `cargo xtask bench cohort`: processor time and memory of the stages that read all cases, of ever larger synthetic cohorts.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use relevox::cli::print_result;
use relevox_experiment::progress::print_status;
use relevox_experiment::run::{Host, StageRecord, git_revision, load_average};
use relevox_experiment::stage::Stage;
use relevox_report::figures::{Growth, growth};
use serde_json::{Value, json};

use super::performance::{Comparison, text, write};
use crate::cli::CohortBenchArgs;

/// The section of docs/PERFORMANCE.md.
const PAGE: Comparison = Comparison { name: "cohort", section };

/// The figure of the section, relative to the page.
const FIGURE: &str = "figures/cohort.png";

/// Memory that the processes believe to have, in MiB, so that the cache of scans has its limit.
const MEMORY_MIB: usize = 1024;

/// Stages that are measured, each in its own process.
const MEASURED: [Stage; 3] = [Stage::Cohort, Stage::Evaluate, Stage::Report];

/// Cases of 32³ voxels, and as little as possible of what does not depend on their number.
const SETTINGS: [&str; 16] = [
    "phantom.shape=[32, 32, 32]",
    "phantom.spacing_mm=[5.0, 5.5, 5.0]",
    "preprocess.crop=[32, 32, 32]",
    "classifier.width=2",
    "classifier.epochs=1",
    "grid.sequences=[\"t2\"]",
    "grid.counts=[20]",
    "grid.cases=1",
    "diffuse.fills=[\"blank\"]",
    "pool.methods=[]",
    "explain.methods=[]",
    "evaluate.fills=[\"blank\", \"mean\"]",
    "evaluate.page_cases=10",
    "evaluate.focus_epochs=1",
    "evaluate.focus_cases=1",
    "evaluate.figure_cases=1",
];

/// Makes a run of each number of cases and measures its stages.
///
/// # Errors
/// Returns an error if a run fails or a file can't be written.
pub(super) fn run(args: &CohortBenchArgs) -> anyhow::Result<()> {
    let mut rows: Vec<Value> = Vec::new();
    for &cases in &args.cases {
        let folder = tempfile::tempdir()?;
        let run = folder.path().join("run");
        let mut row = json!({ "cases": cases, "load": load_average() });
        let between: Vec<&str> =
            Stage::ALL.into_iter().filter(|stage| !MEASURED.contains(stage)).map(Stage::name).collect();
        for stages in [Stage::Cohort.name(), &between.join(","), Stage::Evaluate.name(), Stage::Report.name()]
        {
            let seconds = stage(&run, cases, stages)?;
            if let Some(record) = StageRecord::read(&run, stages, None)? {
                let memory = record.peak_memory_mib.map_or(String::new(), |mib| format!(", {mib} MiB"));
                print_status(format!("{cases} cases, {stages}: {seconds:.1} s{memory}"));
                row[stages] = json!({ "seconds": seconds, "peak_memory_mib": record.peak_memory_mib });
            }
        }
        rows.push(row);
    }
    let processor = serde_json::to_value(Host::current())?["processor"].clone();
    let result = json!({
        "revision": git_revision(),
        "processor": processor,
        "threads": rayon::current_num_threads(),
        "memory_mib": MEMORY_MIB,
        "rows": rows,
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    write(root, &PAGE, &result)?;
    let figure = root.join("docs").join(FIGURE);
    std::fs::write(&figure, draw(&result)?).with_context(|| format!("writing {}", figure.display()))?;
    print_result(&result)
}

/// Draws seconds and memory of each stage by the number of cases.
fn draw(result: &Value) -> anyhow::Result<Vec<u8>> {
    let rows = result["rows"].as_array().context("samples without rows")?;
    let lines = |key: &str| -> Vec<Growth> {
        let point =
            |row: &Value, stage: Stage| Some((row["cases"].as_f64()?, row[stage.name()][key].as_f64()?));
        let of = |stage: Stage| Growth {
            name: stage.name().to_owned(),
            points: rows.iter().filter_map(|row| point(row, stage)).collect(),
        };
        MEASURED.map(of).into()
    };
    let (seconds, memory) = (lines("seconds"), lines("peak_memory_mib"));
    let charts = [("seconds of processor time", &seconds[..]), ("peak memory, MiB", &memory[..])];
    Ok(growth("cases", charts)?)
}

/// Runs stages in a process and returns the seconds of processor time that it took, which other work on the machine hardly changes.
fn stage(run: &Path, cases: usize, stages: &str) -> anyhow::Result<f64> {
    let before = processor_seconds()?;
    let status = Command::new(std::env::current_exe().context("finding this program")?)
        .args(["reproduce", "--profile", "smoke", "--stage", stages, "--out"])
        .arg(run)
        .args(["--set", &format!("phantom.cases={cases}")])
        .args(SETTINGS.iter().flat_map(|pair| ["--set", pair]))
        .env("SLURM_MEM_PER_NODE", MEMORY_MIB.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    ensure!(status.success(), "the stages {stages} of {cases} cases failed ({status})");
    Ok(processor_seconds()? - before)
}

/// Returns the processor time of all processes that this one has waited for (proc(5), `cutime` and `cstime`), on Linux.
fn processor_seconds() -> anyhow::Result<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").context("reading the times of processes")?;
    // The name of the program, in parentheses, may contain spaces.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>().context("reading the times of processes")? / TICKS_PER_SECOND)
}

fn section(result: &Value) -> anyhow::Result<String> {
    let rows = result["rows"].as_array().context("samples without rows")?;
    let mut page = format!(
        "## Cohorts\n\n`cargo xtask bench cohort`, {} threads of {}: synthetic cohorts of 32³ voxels and four sequences, a quarter of which \
         are tested, with {} MiB of memory (`SLURM_MEM_PER_NODE`), half of which may cache scans. Seconds are the processor time of all \
         threads. They include reading the files of all cases to compare their hashes and, for `cohort`, generating them. Memory is the peak \
         of the stage.\n\n| cases |",
        result["threads"],
        text(result, "processor"),
        result["memory_mib"],
    );
    for stage in MEASURED {
        page += &format!(" `{}`, s | per 1,000 | MiB |", stage.name());
    }
    page += &format!(" load |\n|---:|{}---:|\n", "---:|".repeat(3 * MEASURED.len()));
    for row in rows {
        let cases = row["cases"].as_f64().context("a row without cases")?;
        page += &format!("| {cases:.0} |");
        for stage in MEASURED {
            let found = &row[stage.name()];
            let seconds = found["seconds"].as_f64().context("a row without seconds")?;
            page +=
                &format!(" {seconds:.1} | {:.1} | {} |", 1000.0 * seconds / cases, found["peak_memory_mib"]);
        }
        page += &format!(" {:.1} |\n", row["load"].as_f64().unwrap_or(f64::NAN));
    }
    page += &format!("\n![Seconds and memory of the stages by the number of cases]({FIGURE})\n");
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_the_samples() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        super::super::performance::assert_current(root, &PAGE);
    }

    #[test]
    fn processor_time_is_that_of_ended_processes() {
        let before = processor_seconds().unwrap();
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done";
        assert!(Command::new("sh").args(["-c", busy]).status().unwrap().success());
        let spent = processor_seconds().unwrap() - before;
        assert!((0.02..60.0).contains(&spent), "{spent}");
    }

    #[test]
    fn rows_show_time_by_case() {
        let stage = json!({ "seconds": 3.0, "peak_memory_mib": 70 });
        let row = json!({ "cases": 500, "load": 1.0, "cohort": stage, "evaluate": stage, "report": stage });
        let page = section(&json!({ "threads": 2, "memory_mib": 1024, "rows": [row] })).unwrap();
        let row = "| 500 | 3.0 | 6.0 | 70 | 3.0 | 6.0 | 70 | 3.0 | 6.0 | 70 | 1.0 |\n";
        assert!(page.contains(row), "{page}");
    }
}
