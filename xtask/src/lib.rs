//! The experiment: command line, config, stages, artefacts, tables, figures, report.
//!
//! [`cli`] says what can be asked for, [`config`] what a run is, [`mod@run`] what it leaves and when that still
//! holds, [`stages`] how each part is made, [`commands`] which stages a command runs.

pub mod cli;
pub mod commands;
pub mod config;
pub mod failure;
pub mod figures;
pub mod interrupt;
pub mod memory;
pub mod page;
pub mod place;
pub mod progress;
pub mod report;
pub mod run;
pub mod stages;
pub mod tables;

use anyhow::Context;
use cli::{Cli, Command};
use place::Place;

/// Does what the command line asks for.
///
/// # Errors
/// See [`failure::ending`] for whose fault they are.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    interrupt::listen()?;
    let threads = usize::from(cli.threads.unwrap_or(0));
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().context("starting threads")?;
    let place = &Place { device: cli.device, precision: cli.precision };
    match cli.command {
        Command::Ci(args) => place.refuse("ci").and_then(|()| commands::ci::run(args)),
        Command::DeviceCheck(args) => commands::device_check::run(args, place),
        Command::Results(args) => place.refuse("results").and_then(|()| commands::results::run(&args)),
        Command::Bench(what) => place.refuse("bench").and_then(|()| commands::bench::run(&what)),
        Command::Slic(args) => place.refuse("slic").and_then(|()| commands::slic::run(&args)),
        Command::Explain(args) => commands::explain::run(&args, place),
        Command::Reproduce(args) => commands::experiment::reproduce(args, place),
        Command::Phantom(args) => commands::experiment::phantom(args, place),
        Command::Train(args) => commands::experiment::train(args, place),
        Command::Grid(args) => commands::experiment::grid(args, place),
        Command::Regions(args) => commands::experiment::regions(args, place),
        Command::PerturbTrain(args) => commands::experiment::perturb_train(args, place),
        Command::Score(args) => commands::experiment::score(args, place),
        Command::Evaluate(args) => commands::experiment::evaluate(args, place),
        Command::Report(args) => commands::experiment::report(args, place),
    }
}
