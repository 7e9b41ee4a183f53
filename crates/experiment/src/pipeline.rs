//! The stages of a run in order, from the cohort to the report.

use std::cell::OnceCell;

use relevox_report::tables::terminal_table;

use crate::device::DeviceOptions;
use crate::opening::open;
use crate::progress::print_status;
use crate::run::RunSpec;
use crate::stage::Stage;
use crate::stages::learned::{self, Learned};
use crate::stages::network::Network;
use crate::stages::partition::{self, Partition};
use crate::stages::scores::{self, Scorer};
use crate::stages::session::Session;
use crate::stages::work::{Work, not_ready, run_stage};
use crate::stages::{
    diffuse, evaluate, explain, faithfulness, focus, grid, leftovers, maps, pool, report, train,
};

/// Runs stages of a single run in their order, or a share of them, and prints results.
///
/// # Errors
/// Returns the error of the first stage that fails; for a shard, [`NotReady`](crate::failure::NotReady) if it lacks an artefact that
/// others make.
pub fn run(spec: RunSpec, device: &DeviceOptions, stages: &[Stage]) -> anyhow::Result<()> {
    let mut stages = stages.to_vec();
    stages.sort_unstable();
    stages.dedup();
    let Some(&first) = stages.first() else { return Ok(()) };
    let share = spec.share;
    let session = open(spec, device, first).map_err(|error| not_ready(share, error))?;
    let pipeline = Pipeline { session: &session, network: OnceCell::new(), partition: OnceCell::new() };
    for &stage in stages.iter().filter(|stage| **stage != Stage::Cohort) {
        // Of a folder that holds results, those of the configuration are made again, not shown.
        if stage == Stage::Report && !stages.contains(&Stage::Evaluate) {
            evaluate::require(&session)?;
        }
        run_stage(&session.run, stage.name(), || Ok((pipeline.run(stage)?, ())))?;
        if stage == Stage::Grid && share.is_whole() {
            print_status(format!("grid: selected {}", pipeline.partition()?));
        }
    }
    if stages.contains(&Stage::Evaluate) {
        print_status("");
        print_status(terminal_table(&evaluate::summary(&session)?)?);
    }
    if stages.contains(&Stage::Report) {
        print_status(format!("report: {}", session.run.path(report::REPORT).display()));
    }
    Ok(())
}

/// Stages of an open run, and what several of them use, loaded when it is first needed.
struct Pipeline<'a> {
    session: &'a Session,
    network: OnceCell<Network>,
    partition: OnceCell<Partition>,
}

impl Pipeline<'_> {
    fn run(&self, stage: Stage) -> anyhow::Result<Work> {
        let session = self.session;
        match stage {
            // Recorded when the run is opened.
            Stage::Cohort => Ok(Work::default()),
            Stage::Train => train::run(session),
            Stage::Grid => self.grid(),
            Stage::Regions => self.regions(),
            Stage::PerturbTrain => learned::run(session, self.network()?, self.partition()?),
            Stage::Score => self.score(),
            Stage::Select => diffuse::select_settings(session, self.partition()?),
            Stage::Diffuse => diffuse::run(session, self.partition()?),
            Stage::Pool => pool::run(session, self.network()?, self.partition()?),
            Stage::Explain => explain::run(session, self.network()?, self.partition()?),
            Stage::Focus => focus::run(session, self.partition()?),
            Stage::Maps => maps::run(session, self.network()?, self.partition()?),
            Stage::Faithfulness => faithfulness::run(session, self.network()?, self.partition()?),
            Stage::Evaluate => {
                let work = evaluate::run(session)?;
                leftovers::sweep(session, self.partition()?)?;
                Ok(work)
            }
            Stage::Report => report::run(session),
        }
    }

    /// Returns the trained classifier, which must be current.
    fn network(&self) -> anyhow::Result<&Network> {
        if let Some(network) = self.network.get() {
            return Ok(network);
        }
        train::require(self.session)?;
        let network = Network::selected(self.session)?;
        Ok(self.network.get_or_init(|| network))
    }

    fn partition(&self) -> anyhow::Result<&Partition> {
        if let Some(partition) = self.partition.get() {
            return Ok(partition);
        }
        let partition = grid::selected(self.session)?;
        Ok(self.partition.get_or_init(|| partition))
    }

    fn grid(&self) -> anyhow::Result<Work> {
        let work = grid::run(self.session, self.network()?)?;
        self.record_partition(work)
    }

    /// Makes the partition of every case that is scored or trains the learned fills, in the command's share.
    fn regions(&self) -> anyhow::Result<Work> {
        let (session, partition) = (self.session, self.partition()?);
        let mut cases: Vec<String> =
            session.owned_scored_cases().into_iter().map(|case| case.id().to_owned()).collect();
        if !learned::variants(&session.config).is_empty() {
            cases.extend(learned::cases(session).into_iter().filter(|case| session.owns(case)));
        }
        self.record_partition(partition::run(session, partition, &cases)?)
    }

    /// Writes the selected partition next to the weights, which belong to no shard.
    fn record_partition(&self, work: Work) -> anyhow::Result<Work> {
        match self.session.run.share.is_whole() {
            true => Ok(work + partition::record(self.session, self.partition()?)?),
            false => Ok(work),
        }
    }

    fn score(&self) -> anyhow::Result<Work> {
        let (session, network, partition) = (self.session, self.network()?, self.partition()?);
        let learned = match learned::variants(&session.config).is_empty() {
            true => None,
            false => Some(Learned::load(session, network, partition)?),
        };
        let scorer =
            Scorer { classifier: network.classifier(), hash: &network.hash, learned: learned.as_ref() };
        scores::run(session, &scorer, partition)
    }
}
