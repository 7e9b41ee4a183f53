//! Several whole runs in folders below one: the parts of a cross-validation, pooled; other seeds, compared.

use crate::commands::reproduce_one;
use crate::config::Config;
use crate::failure::input;
use crate::place::Place;
use crate::program;
use crate::progress::say;
use crate::run::Opening;
use crate::stages::evaluate::{SUMMARY, pool, spread};
use crate::stages::{Work, stage};
use relevox_report::tables::{Summary, terminal_table};

/// Whether a config is about several runs.
fn is_several(config: &Config) -> bool {
    !config.seeds.is_empty() || (config.cohort.folds > 0 && config.cohort.fold == 0)
}

/// Commands on the parts of an experiment work on one run: says how to name it.
///
/// # Errors
/// A config that is about several runs.
pub fn refuse(config: &Config) -> anyhow::Result<()> {
    if !is_several(config) {
        return Ok(());
    }
    Err(input(format!(
        "seeds and cohort.folds: this folder holds several runs, which `{} reproduce` makes in folders below it: name \
         one of those with --out",
        program::name()
    )))
}

/// One run, or all that the config asks for.
///
/// # Errors
/// What any stage of any of them meets.
pub fn reproduce(opening: Opening, place: &Place) -> anyhow::Result<()> {
    if !is_several(&opening.config) {
        return reproduce_one(opening, place);
    }
    let config = &opening.config;
    let below: Vec<(String, Vec<String>)> = if config.seeds.is_empty() {
        let fold = |fold: usize| (format!("fold-{fold}"), vec![format!("cohort.fold={fold}")]);
        (1..=config.cohort.folds).map(fold).collect()
    } else {
        let seed = |seed: &u64| (format!("seed-{seed}"), vec![format!("seed={seed}"), "seeds=[]".to_owned()]);
        config.seeds.iter().map(seed).collect()
    };
    let mut runs = Vec::new();
    for (folder, set) in &below {
        runs.push(opening.below(folder, set.clone())?);
    }
    let (run, config) = opening.take()?;
    run.describe(config.seed, &place.to_string(), rayon::current_num_threads())?;
    for (opening, (folder, _)) in runs.into_iter().zip(&below) {
        say(format!("{folder}:"));
        reproduce(opening, place)?;
    }
    let folders: Vec<String> = below.into_iter().map(|(folder, _)| folder).collect();
    if !config.seeds.is_empty() {
        let made = stage(&run, "spread", || {
            let made = spread::run(&run, &config.seeds, &folders)?;
            Ok((Work::from_iter([made]), made))
        })?;
        say(format!(
            "spread between seeds{}: {}",
            if made { "" } else { " (kept)" },
            run.path(spread::SPREAD).display()
        ));
        return Ok(());
    }
    stage(&run, "pool", || Ok((Work::from_iter([pool::run(&run, &config, &folders)?]), ())))?;
    let summary: Summary = serde_json::from_slice(&std::fs::read(run.path(SUMMARY))?)?;
    say("");
    say(terminal_table(&summary)?);
    Ok(())
}
