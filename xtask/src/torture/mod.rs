//! `cargo xtask torture`: kills runs of all stages at random times, resumes them, and compares what they leave with an
//! uninterrupted run. Every second run is made by several shards at the same time.

mod attempt;
mod printed;
mod shards;
mod stages;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use relevox::cli::print_result;
use relevox_experiment::commands::RunRequest;
use relevox_experiment::config::{Config, Profile};
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;
use relevox_experiment::steps::steps;
use serde_json::json;

use crate::cli::TortureArgs;
use attempt::{Attempt, End};
use printed::failure;
use shards::ShardedRun;
use stages::Stages;
use tree::Tree;

/// Sizes with which a run takes seconds, on top of the profile `smoke`, whose stages it has.
const QUICK: [&str; 20] = [
    "phantom.cases=12",
    "phantom.shape=[20, 24, 20]",
    "phantom.spacing_mm=[8.0, 8.0, 8.0]",
    "preprocess.crop=[20, 24, 20]",
    "cohort.train=0.5",
    "cohort.validation=0.25",
    "cohort.test=0.25",
    "classifier.width=2",
    "classifier.epochs=2",
    // Networks are what shards of training divide.
    "classifier.networks=2",
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
    let steps = steps(&config(settings, folder)?, usize::from(args.shards));
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
        let out = folder.join(format!("killed-{runs}"));
        // However slow the machine, the first run leaves kills to shards.
        let most = (args.kills - kills).min(args.kills.div_ceil(2));
        let is_sharded = args.shards > 1 && runs % 2 == 1;
        let (of_run, how) = match is_sharded {
            true => {
                let run = ShardedRun { out: out.clone(), settings, steps: &steps };
                (run.run(most, &mut stages, &mut rng)?, "in shards")
            }
            false => {
                let attempt = Attempt { out: out.clone(), settings };
                (kill_process(&attempt, most, &mut stages, &mut rng)?, "of one process")
            }
        };
        kills += of_run;
        let different = Tree::read(&out)?.differences(&expected);
        if !different.is_empty() {
            bail!(
                "{}: expected the files of an uninterrupted run after {of_run} kills {how}, found others: {}",
                out.display(),
                different.join(", ")
            );
        }
        std::fs::remove_dir_all(&out).with_context(|| format!("removing {}", out.display()))?;
        runs += 1;
        print_status(format!(
            "torture: run {runs}, {how}, after {of_run} kills: the same files; {kills} kills so far: {}",
            stages.summary()
        ));
    }
    let missed = stages.without_kill();
    if !missed.is_empty() {
        print_status(format!("torture: NO KILL FELL IN {}", missed.join(", ")));
    }
    Ok((stages.kills(), runs))
}

/// Returns the configuration of the runs.
fn config(settings: &[&str], folder: &Path) -> anyhow::Result<Config> {
    let request = RunRequest {
        profile: Some(Profile::Smoke),
        set: settings.iter().map(ToString::to_string).collect(),
        out: Some(folder.join("whole")),
        ..RunRequest::default()
    };
    Ok((*request.resolve()?.config).clone())
}

/// Kills and resumes a run until it is complete, with at most `most` kills. Returns their number.
fn kill_process(
    attempt: &Attempt<'_>,
    most: usize,
    stages: &mut Stages,
    rng: &mut impl Rng,
) -> anyhow::Result<usize> {
    stages.start_run();
    for kills in 0..most {
        match attempt.run(Some(stages.draw_kill(rng)))? {
            End::Killed { log } => stages.count_kill(&log),
            End::Exited { success: true, .. } => return Ok(kills),
            End::Exited { log, .. } => bail!("{}", failure(&attempt.out, &log)),
        }
    }
    complete(attempt)?;
    Ok(most)
}

/// Runs to the end and returns what was printed.
fn complete(attempt: &Attempt<'_>) -> anyhow::Result<String> {
    match attempt.run(None)? {
        End::Exited { success: true, log } => Ok(log),
        End::Exited { log, .. } | End::Killed { log } => bail!("{}", failure(&attempt.out, &log)),
    }
}
