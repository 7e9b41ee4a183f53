//! Opening of a run for its stages: prerequisites, device, folder and cohort.

use relevox_models::candle_core::Device;

use crate::config::{Config, PHANTOM};
use crate::device::DeviceOptions;
use crate::failure::invalid_input;
use crate::program;
use crate::progress::print_status;
use crate::run::{Run, RunSpec};
use crate::stage::Stage;
use crate::stages::cohort::Scans;
use crate::stages::session::Session;
use crate::stages::work::run_stage;
use crate::stages::{grid, phantom, train};

/// Opens a run for its stages from `first` on, or a share of them.
///
/// For all of a run, prerequisites and scans are checked before anything is written; the synthetic cohort is generated if `first` is
/// the cohort. A shard requires the configuration and the lists of cases, and writes nothing.
///
/// # Errors
/// Returns [`Unavailable`](crate::failure::Unavailable) for a missing prerequisite, and an
/// [`InputError`](crate::failure::InputError) for an unusable cohort or device, or a configuration of several runs.
pub fn open(spec: RunSpec, device: &DeviceOptions, first: Stage) -> anyhow::Result<Session> {
    let opened_device = device.open()?;
    require_single_run(&spec.config)?;
    if !spec.share.is_whole() {
        return open_share(spec, opened_device);
    }
    let unusable = spec.unusable();
    let external = match spec.config.cohort.source.as_str() {
        PHANTOM => None,
        _ => Some(Scans::find(&spec.config, &spec.root, unusable)?),
    };
    match &external {
        Some(scans) => scans.refuse_inside(&spec.root)?,
        None if first > Stage::Cohort => phantom::require(&spec.root, &spec.config)?,
        None => {}
    }
    match first {
        Stage::Cohort | Stage::Train => {}
        Stage::Regions => grid::require_started(&spec.root, &spec.config)?,
        _ => train::require_started(&spec.root)?,
    }
    let (run, config) = spec.open()?;
    report_other_instruction_set(&run)?;
    run.record_environment(config.seed, &device.to_string(), rayon::current_num_threads())?;
    if external.is_none() && first == Stage::Cohort {
        run_stage(&run, "phantom", || Ok((phantom::run(&run, &config)?, ())))?;
    }
    let scans = run_stage(&run, Stage::Cohort.name(), || {
        let scans = match external {
            Some(scans) => scans,
            None => Scans::find(&config, run.root(), unusable)?,
        };
        Ok((scans.record(&run)?, scans))
    })?;
    for line in scans.left_out_line().into_iter().chain(scans.findings()) {
        print_status(format!("cohort: {line}"));
    }
    Ok(Session::new(run, config, scans, opened_device))
}

fn open_share(spec: RunSpec, device: Device) -> anyhow::Result<Session> {
    let unusable = spec.unusable();
    let (run, config) = spec.open()?;
    if config.cohort.source == PHANTOM {
        phantom::require(run.root(), &config)?;
    }
    let scans = Scans::find(&config, run.root(), unusable)?;
    scans.require_recorded(&run)?;
    report_other_instruction_set(&run)?;
    Ok(Session::new(run, config, scans, device))
}

/// Says so if earlier commands on the run, which the manifest describes, computed with another instruction set.
fn report_other_instruction_set(run: &Run) -> anyhow::Result<()> {
    if let Some((started, here)) = run.other_instruction_set()? {
        print_status(format!(
            "this command computes with {here}, the run was started with {started}: sums are rounded in another order, so that the \
             bytes are not those of a run on one host; --portable, given to all commands, avoids that"
        ));
    }
    Ok(())
}

/// Requires a configuration of a single run.
fn require_single_run(config: &Config) -> anyhow::Result<()> {
    if !config.has_several_runs() {
        return Ok(());
    }
    Err(invalid_input(format!(
        "seeds and cohort.folds: expected a single run, found several runs in subfolders, made by `{} reproduce`; select one of \
         them with --out",
        program::name()
    )))
}
