//! The stages of a run in order, from the cohort to the report.

use relevox_report::tables::terminal_table;

use crate::config::{Config, PHANTOM};
use crate::device::DeviceOptions;
use crate::failure::invalid_input;
use crate::program;
use crate::progress::print_status;
use crate::run::RunSpec;
use crate::stages::cohort::Scans;
use crate::stages::learned::{self, Learned};
use crate::stages::network::Network;
use crate::stages::partition::{self, Partition};
use crate::stages::scores::{self, Scorer};
use crate::stages::session::Session;
use crate::stages::work::run_stage;
use crate::stages::{
    diffuse, evaluate, explain, faithfulness, focus, grid, leftovers, maps, phantom, pool, report, train,
};

/// Artefacts that a command requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prerequisite {
    /// None: the synthetic cohort is generated if it is needed.
    Nothing,
    /// The cohort.
    Cohort,
    /// The grid search, unless the partition is fixed.
    Grid,
    /// The trained classifier.
    Training,
}

/// Opens a run: its device, folder and scans. Prerequisites and scans are checked before anything is written.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) for a missing prerequisite, an unusable cohort or device, or a
/// configuration of several runs.
pub fn open(spec: RunSpec, device: &DeviceOptions, prerequisite: Prerequisite) -> anyhow::Result<Session> {
    let opened_device = device.open()?;
    require_single_run(&spec.config)?;
    let unusable = spec.unusable();
    let external = match spec.config.cohort.source.as_str() {
        PHANTOM => None,
        _ => Some(Scans::find(&spec.config, &spec.root, unusable)?),
    };
    match &external {
        Some(scans) => scans.refuse_inside(&spec.root)?,
        None if prerequisite != Prerequisite::Nothing => phantom::require(&spec.root, &spec.config)?,
        None => {}
    }
    match prerequisite {
        Prerequisite::Training => train::require_started(&spec.root)?,
        Prerequisite::Grid => grid::require_started(&spec.root, &spec.config)?,
        Prerequisite::Nothing | Prerequisite::Cohort => {}
    }
    let (run, config) = spec.open()?;
    run.record_environment(config.seed, &device.to_string(), rayon::current_num_threads())?;
    let scans = match external {
        Some(scans) => scans,
        None => {
            if prerequisite == Prerequisite::Nothing {
                run_stage(&run, "phantom", || Ok((phantom::run(&run, &config)?, ())))?;
            }
            Scans::find(&config, run.root(), unusable)?
        }
    };
    run_stage(&run, "cohort", || Ok((scans.record(&run)?, ())))?;
    for line in scans.left_out_line().into_iter().chain(scans.findings()) {
        print_status(format!("cohort: {line}"));
    }
    Ok(Session { run, config, scans, device: opened_device })
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

/// Runs all stages of a single run.
///
/// # Errors
/// Returns the error of the first stage that fails.
pub fn reproduce(spec: RunSpec, device: &DeviceOptions) -> anyhow::Result<()> {
    let session = open(spec, device, Prerequisite::Nothing)?;
    run_stage(&session.run, "train", || Ok((train::run(&session)?, ())))?;
    let network = trained_network(&session)?;
    search_grid(&session, &network)?;
    let partition = grid::selected(&session)?;
    make_regions(&session, &partition)?;
    if wants_learned(&session) {
        train_fill(&session, &network, &partition)?;
    }
    score_all(&session, &network, &partition)?;
    leftovers::sweep(&session, &partition)?;
    run_stage(&session.run, "evaluate", || Ok((evaluate::run(&session)?, ())))?;
    run_stage(&session.run, "report", || Ok((report::run(&session)?, ())))?;
    print_status("");
    print_status(terminal_table(&evaluate::summary(&session)?)?);
    print_status(format!("report: {}", session.run.path(report::REPORT).display()));
    Ok(())
}

/// Loads the trained classifier, which must be current.
///
/// # Errors
/// Returns an [`InputError`](crate::failure::InputError) if the classifier is not trained or was trained with other
/// inputs.
pub fn trained_network(session: &Session) -> anyhow::Result<Network> {
    train::require(session)?;
    Network::selected(session)
}

/// Returns true if the configuration includes a learned fill.
fn wants_learned(session: &Session) -> bool {
    !learned::variants(&session.config).is_empty()
}

/// Runs the grid search and prints the selected partition.
///
/// # Errors
/// Returns the error of the stage.
pub fn search_grid(session: &Session, network: &Network) -> anyhow::Result<()> {
    let partition = run_stage(&session.run, "grid", || {
        let work = grid::run(session, network)?;
        let partition = grid::selected(session)?;
        Ok((work + partition::record(session, &partition)?, partition))
    })?;
    print_status(format!("grid: selected {partition}"));
    Ok(())
}

/// Makes the partition of every case that is scored or trains the learned fills.
///
/// # Errors
/// Returns the error of the stage.
pub fn make_regions(session: &Session, partition: &Partition) -> anyhow::Result<()> {
    let mut cases: Vec<String> =
        session.scored_cases().into_iter().map(|case| case.id().to_owned()).collect();
    if wants_learned(session) {
        cases.extend(learned::cases(session));
    }
    run_stage(&session.run, "regions", || {
        let recorded = partition::record(session, partition)?;
        Ok((partition::run(session, partition, &cases)? + recorded, ()))
    })
}

/// Trains the learned fills.
///
/// # Errors
/// Returns the error of the stage.
pub fn train_fill(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<()> {
    run_stage(&session.run, "perturb-train", || Ok((learned::run(session, network, partition)?, ())))
}

/// Scores the partition with every fill and explainer, and makes maps and their faithfulness measures.
///
/// # Errors
/// Returns the error of the first stage that fails.
pub fn score_all(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<()> {
    let learned = match wants_learned(session) {
        true => Some(Learned::load(session, network, partition)?),
        false => None,
    };
    let scorer = Scorer { classifier: network.classifier(), hash: &network.hash, learned: learned.as_ref() };
    let run = &session.run;
    run_stage(run, "score", || Ok((scores::run(session, &scorer, partition)?, ())))?;
    run_stage(run, "diffuse", || Ok((diffuse::run(session, partition)?, ())))?;
    run_stage(run, "pool", || Ok((pool::run(session, network, partition)?, ())))?;
    run_stage(run, "explain", || Ok((explain::run(session, network, partition)?, ())))?;
    run_stage(run, "focus", || Ok((focus::run(session, partition)?, ())))?;
    run_stage(run, "maps", || Ok((maps::run(session, network, partition)?, ())))?;
    run_stage(run, "faithfulness", || Ok((faithfulness::run(session, network, partition)?, ())))
}
