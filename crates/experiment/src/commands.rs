//! Commands that work on a run: the stages of each, and its prerequisites.
//!
//! Each function implements the command of the same name of the program `relevox`.

use std::path::PathBuf;

use relevox_report::tables::terminal_table;

use crate::config::{Layers, PHANTOM, Profile, Source};
use crate::device::DeviceOptions;
use crate::failure::invalid_input;
use crate::multi_run;
use crate::pipeline::{
    Prerequisite, make_regions, open, score_all, search_grid, train_fill, trained_network,
};
use crate::progress::print_status;
use crate::run::{CONFIG, OpenMode, RunSpec};
use crate::stages::work::run_stage;
use crate::stages::{
    evaluate as evaluation, grid as search, phantom as synthetic, report as page, train as training,
};

/// A run, and the options that determine its configuration.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    /// Profile to start from. Defaults to the run folder's own configuration, else to `desk`, or `scans` if `cohort` is
    /// set.
    pub profile: Option<Profile>,
    /// TOML file whose keys override the profile's.
    pub config: Option<PathBuf>,
    /// Overridden keys, each in the form `key=value`.
    pub set: Vec<String>,
    /// BraTS folder or manifest of scans, instead of the synthetic cohort.
    pub cohort: Option<PathBuf>,
    /// Folder of the run. Defaults to the profile's name in `runs/`.
    pub out: Option<PathBuf>,
    /// Seed of all random numbers.
    pub seed: Option<u64>,
    /// Removes existing artefacts from the folder.
    pub fresh: bool,
    /// Continues the run with a different configuration.
    pub update: bool,
    /// Refuses a cohort with a case that can't be used, instead of leaving the case out.
    pub strict: bool,
}

fn resolve(args: RunRequest) -> anyhow::Result<RunSpec> {
    // The crop of `desk` fits phantoms, and would cut off most of a scan.
    let default = if args.cohort.is_some() { Profile::Scans } else { Profile::Desk };
    let root = args.out.unwrap_or_else(|| PathBuf::from("runs").join(args.profile.unwrap_or(default).name()));
    let is_new = args.fresh || !root.join(CONFIG).exists();
    let layers = Layers {
        base: args.profile.or((is_new && args.config.is_none()).then_some(default)).map(Source::profile),
        file: args.config.as_deref().map(Source::read).transpose()?,
        set: args.set,
        seed: args.seed,
        cohort: args.cohort,
    };
    let mode = match (args.fresh, args.update) {
        (true, _) => OpenMode::Fresh,
        (_, true) => OpenMode::Update,
        _ => OpenMode::Resume,
    };
    Ok(RunSpec::resolve(std::path::absolute(root)?, layers, mode)?.strict(args.strict))
}

/// Runs the whole experiment, for each seed or fold of the configuration.
///
/// # Errors
/// Returns the error of the first stage that fails.
pub fn reproduce(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    multi_run::reproduce(resolve(args)?, device)
}

/// Generates the synthetic cohort.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the configuration is invalid or names a cohort of scans, or the
/// folder can't be written to.
pub fn phantom(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    device.open()?;
    let spec = resolve(args)?;
    let source = &spec.config.cohort.source;
    if source != PHANTOM {
        return Err(invalid_input(format!(
            "cohort.source: expected {PHANTOM}, which is what this command generates, found {source}"
        )));
    }
    let (run, config) = spec.open()?;
    run.record_environment(config.seed, &device.to_string(), rayon::current_num_threads())?;
    run_stage(&run, "phantom", || Ok((synthetic::run(&run, &config)?, ())))
}

/// Trains the classifier.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the cohort can't be used, or the error of training.
pub fn train(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    let session = open(resolve(args)?, device, Prerequisite::Cohort)?;
    run_stage(&session.run, "train", || Ok((training::run(&session)?, ())))
}

/// Searches partitions and fills (Table 3), and selects a partition.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the classifier is not trained, or the error of the search.
pub fn grid(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    let session = open(resolve(args)?, device, Prerequisite::Training)?;
    search_grid(&session, &trained_network(&session)?)
}

/// Computes the selected partition of each case.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if a partition has to be selected and the grid search was not
/// run.
pub fn regions(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    let session = open(resolve(args)?, device, Prerequisite::Grid)?;
    make_regions(&session, &search::selected(&session)?)
}

/// Trains the learned fills.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if an artefact it requires is missing, or the error of
/// training.
pub fn perturb_train(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    let session = open(resolve(args)?, device, Prerequisite::Training)?;
    let network = trained_network(&session)?;
    train_fill(&session, &network, &search::selected(&session)?)
}

/// Computes scores and maps.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if an artefact it requires is missing, or the error of a
/// stage.
pub fn score(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    let session = open(resolve(args)?, device, Prerequisite::Training)?;
    let network = trained_network(&session)?;
    score_all(&session, &network, &search::selected(&session)?)
}

/// Computes tables and summary.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if scores or maps are missing.
pub fn evaluate(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    let session = open(resolve(args)?, device, Prerequisite::Training)?;
    run_stage(&session.run, "evaluate", || Ok((evaluation::run(&session)?, ())))?;
    print_status(terminal_table(&evaluation::summary(&session)?)?);
    Ok(())
}

/// Draws the figures and writes `report.html`.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the summary is missing.
pub fn report(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    let session = open(resolve(args)?, device, Prerequisite::Training)?;
    evaluation::require(&session)?;
    run_stage(&session.run, "report", || Ok((page::run(&session)?, ())))?;
    print_status(format!("report: {}", session.run.path(page::REPORT).display()));
    Ok(())
}
