//! Commands that work on a run: the stages of each, and its prerequisites.
//!
//! Each function implements the command of the same name of the program `relevox`.

use std::path::PathBuf;

use crate::config::{Layers, PHANTOM, Profile, Source};
use crate::device::DeviceOptions;
use crate::failure::invalid_input;
use crate::run::{CONFIG, OpenMode, RunSpec};
use crate::shard::{Shard, Share};
use crate::stage::Stage;
use crate::stages::phantom as synthetic;
use crate::stages::work::run_stage;
use crate::{multi_run, pipeline};

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

impl RunRequest {
    /// Resolves the folder and the effective configuration.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) for an invalid configuration, or a folder that refuses it.
    pub fn resolve(self) -> anyhow::Result<RunSpec> {
        resolve(self)
    }
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

/// The part of the experiment that a command runs.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Stages; empty for all.
    pub stages: Vec<Stage>,
    /// Share of the stages; `None` for all of them.
    pub shard: Option<Shard>,
}

/// Runs the experiment, or a part of it, for each seed or fold of the configuration. With stages, their outcome is recorded in the
/// run's folder.
///
/// # Errors
/// Returns the error of the first stage that fails, an [`InputError`](crate::failure::InputError) for a shard of a stage that has no
/// shares, and [`NotReady`](crate::failure::NotReady) if a shard lacks an artefact that others make.
pub fn reproduce(args: RunRequest, part: &Part, device: &DeviceOptions) -> anyhow::Result<()> {
    if part.stages.is_empty() {
        return multi_run::reproduce(resolve(args)?, device, &Stage::ALL);
    }
    if let (Some(_), Some(stage)) = (part.shard, part.stages.iter().find(|stage| !stage.has_shares())) {
        let shared = Stage::ALL.into_iter().filter(|stage| stage.has_shares()).map(Stage::name);
        return Err(invalid_input(format!(
            "--shard: expected stages that shards can divide ({}), found {}",
            shared.collect::<Vec<_>>().join(", "),
            stage.name()
        )));
    }
    let spec = resolve(args)?.recorded(Share { shard: part.shard, run: 0 });
    multi_run::reproduce(spec, device, &part.stages)
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
    pipeline::run(resolve(args)?, device, &[Stage::Train])
}

/// Searches partitions and fills (Table 3), and selects a partition.
///
/// # Errors
/// Returns [`Unavailable`](crate::failure::Unavailable) if the classifier is not trained, or the error of the search.
pub fn grid(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    pipeline::run(resolve(args)?, device, &[Stage::Grid])
}

/// Computes the selected partition of each case.
///
/// # Errors
/// Returns [`Unavailable`](crate::failure::Unavailable) if a partition has to be selected and the grid search was not run.
pub fn regions(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    pipeline::run(resolve(args)?, device, &[Stage::Regions])
}

/// Trains the learned fills.
///
/// # Errors
/// Returns [`Unavailable`](crate::failure::Unavailable) if an artefact it requires is missing, or the error of training.
pub fn perturb_train(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    pipeline::run(resolve(args)?, device, &[Stage::PerturbTrain])
}

/// Computes scores and maps.
///
/// # Errors
/// Returns [`Unavailable`](crate::failure::Unavailable) if an artefact it requires is missing, or the error of a stage.
pub fn score(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    let stages = Stage::ALL.into_iter().filter(|stage| (Stage::Score..=Stage::Faithfulness).contains(stage));
    pipeline::run(resolve(args)?, device, &stages.collect::<Vec<_>>())
}

/// Computes tables and summary.
///
/// # Errors
/// Returns [`Unavailable`](crate::failure::Unavailable) if scores or maps are missing.
pub fn evaluate(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    pipeline::run(resolve(args)?, device, &[Stage::Evaluate])
}

/// Draws the figures and writes `report.html`.
///
/// # Errors
/// Returns [`Unavailable`](crate::failure::Unavailable) if the summary is missing.
pub fn report(args: RunRequest, device: &DeviceOptions) -> anyhow::Result<()> {
    pipeline::run(resolve(args)?, device, &[Stage::Report])
}
