//! Several runs in subfolders of one folder: the folds of a cross-validation, which are pooled, or different seeds,
//! which are compared.

use relevox_report::tables::{Summary, terminal_table};

use crate::config::Config;
use crate::device::DeviceOptions;
use crate::pipeline;
use crate::progress::print_status;
use crate::run::RunSpec;
use crate::stage::Stage;
use crate::stages::evaluate::{SUMMARY, pool, spread};
use crate::stages::work::{Work, not_ready, run_stage};

/// Runs stages of a single run, or of every run of the configuration, whose results are combined after their evaluation.
///
/// # Errors
/// Returns the error of the first stage that fails.
pub fn reproduce(spec: RunSpec, device: &DeviceOptions, stages: &[Stage]) -> anyhow::Result<()> {
    if !spec.config.has_several_runs() {
        return pipeline::run(spec, device, stages);
    }
    let share = spec.share;
    let (folders, overrides): (Vec<String>, Vec<Vec<String>>) = subruns(&spec.config).into_iter().unzip();
    let mut runs = Vec::new();
    for (position, (folder, set)) in folders.iter().zip(overrides).enumerate() {
        // Of several seeds with folds, all runs are counted.
        let position = share.run * folders.len() + position;
        runs.push(spec.subrun(position, folder, set)?);
    }
    let (run, config) = spec.open().map_err(|error| not_ready(share, error))?;
    if share.is_whole() {
        run.record_environment(config.seed, &device.to_string(), rayon::current_num_threads())?;
    }
    for (spec, folder) in runs.into_iter().zip(&folders) {
        print_status(format!("{folder}:"));
        reproduce(spec, device, stages)?;
    }
    if !stages.contains(&Stage::Evaluate) {
        return Ok(());
    }
    if !config.seeds.is_empty() {
        let made = run_stage(&run, "spread", || {
            let made = spread::run(&run, &config.seeds, &folders)?;
            Ok((Work::from_iter([made]), made))
        })?;
        let unchanged = if made { "" } else { " (unchanged)" };
        print_status(format!("spread between seeds{unchanged}: {}", run.path(spread::SPREAD).display()));
        return Ok(());
    }
    run_stage(&run, "pool", || Ok((Work::from_iter([pool::run(&run, &config, &folders)?]), ())))?;
    let summary: Summary = serde_json::from_slice(&std::fs::read(run.path(SUMMARY))?)?;
    print_status("");
    print_status(terminal_table(&summary)?);
    Ok(())
}

/// Returns the subfolders and their replaced keys: one per seed, or one per fold.
fn subruns(config: &Config) -> Vec<(String, Vec<String>)> {
    if config.seeds.is_empty() {
        let fold = |fold: usize| (format!("fold-{fold}"), vec![format!("cohort.fold={fold}")]);
        (1..=config.cohort.folds).map(fold).collect()
    } else {
        let seed = |seed: &u64| (format!("seed-{seed}"), vec![format!("seed={seed}"), "seeds=[]".to_owned()]);
        config.seeds.iter().map(seed).collect()
    }
}
