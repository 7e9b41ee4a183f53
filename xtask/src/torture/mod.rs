//! `cargo xtask torture`: kills runs of all stages at random times, resumes them, and compares what they leave with an
//! uninterrupted run.

mod attempt;
mod printed;
mod stages;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use relevox::cli::print_result;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;
use serde_json::json;

use crate::cli::TortureArgs;
use attempt::{Attempt, End};
use stages::Stages;
use tree::Tree;

/// Sizes with which a run takes seconds, on top of the profile `smoke`, whose stages it has.
const QUICK: [&str; 19] = [
    "phantom.cases=12",
    "phantom.shape=[20, 24, 20]",
    "phantom.spacing_mm=[8.0, 8.0, 8.0]",
    "preprocess.crop=[20, 24, 20]",
    "cohort.train=0.5",
    "cohort.validation=0.25",
    "cohort.test=0.25",
    "classifier.width=2",
    "classifier.epochs=2",
    "fill.widths=[2, 4]",
    "fill.cases=1",
    "fill.passes=1",
    "grid.sequences=[\"t2\"]",
    "grid.counts=[6, 10]",
    "grid.cases=1",
    "evaluate.bootstrap=100",
    "evaluate.focus_epochs=2",
    "evaluate.focus_cases=1",
    "evaluate.figure_cases=1",
];

/// Kills runs until there were `kills` kills, completes each and compares it.
///
/// # Errors
/// Returns an error if a run fails or leaves other files than an uninterrupted one; its folder then remains.
pub fn run(args: &TortureArgs) -> anyhow::Result<()> {
    let folder =
        tempfile::Builder::new().prefix("relevox-torture-").tempdir().context("creating a folder")?;
    let settings: Vec<&str> = match args.quick {
        true => QUICK.to_vec(),
        false => Vec::new(),
    };
    let start = Instant::now();
    let result = kill_runs(args, &settings, folder.path());
    if result.is_err() && interrupt::check().is_ok() {
        print_status(format!("torture: the runs remain in {}", folder.keep().display()));
    }
    let (kills, runs) = result?;
    let (seconds, seed) = (start.elapsed().as_secs_f64().round(), args.seed);
    print_result(
        &json!({ "kills": args.kills, "runs": runs, "seed": seed, "by_stage": kills, "seconds": seconds }),
    )
}

/// Returns the number of kills by stage, and of runs.
fn kill_runs(
    args: &TortureArgs,
    settings: &[&str],
    folder: &Path,
) -> anyhow::Result<(BTreeMap<String, usize>, usize)> {
    let whole = folder.join("whole");
    let start = Instant::now();
    let log = complete(&Attempt { out: whole.clone(), settings })?;
    let took = start.elapsed();
    let expected = Tree::read(&whole)?;
    print_status(format!(
        "torture: seed {}; an uninterrupted run takes {:.1} s and leaves {} files",
        args.seed,
        took.as_secs_f64(),
        expected.len()
    ));

    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut stages = Stages::new(&log);
    let (mut kills, mut runs) = (0, 0);
    while kills < args.kills {
        let attempt = Attempt { out: folder.join(format!("killed-{runs}")), settings };
        let before = kills;
        stages.start_run();
        loop {
            if kills == args.kills {
                complete(&attempt)?;
                break;
            }
            match attempt.run(Some(stages.draw_kill(&mut rng)))? {
                End::Killed { log } => {
                    kills += 1;
                    stages.count_kill(&log);
                }
                End::Exited { success: true, .. } => break,
                End::Exited { log, .. } => bail!("{}", failure(&attempt.out, &log)),
            }
        }
        let different = Tree::read(&attempt.out)?.differences(&expected);
        if !different.is_empty() {
            bail!(
                "{}: expected the files of an uninterrupted run after {} kills, found others: {}",
                attempt.out.display(),
                kills - before,
                different.join(", ")
            );
        }
        std::fs::remove_dir_all(&attempt.out)
            .with_context(|| format!("removing {}", attempt.out.display()))?;
        runs += 1;
        print_status(format!(
            "torture: run {runs} after {} kills: the same files; {kills} kills so far: {}",
            kills - before,
            stages.summary()
        ));
    }
    let missed = stages.without_kill();
    if !missed.is_empty() {
        print_status(format!("torture: NO KILL FELL IN {}", missed.join(", ")));
    }
    Ok((stages.kills(), runs))
}

/// Runs to the end and returns what was printed.
fn complete(attempt: &Attempt<'_>) -> anyhow::Result<String> {
    match attempt.run(None)? {
        End::Exited { success: true, log } => Ok(log),
        End::Exited { log, .. } | End::Killed { log } => bail!("{}", failure(&attempt.out, &log)),
    }
}

fn failure(out: &Path, log: &str) -> String {
    let last: Vec<&str> = log.lines().rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    format!("{}: the run failed: {}", out.display(), last.join(" / "))
}
