//! `cargo xtask`: the program's commands and tools for developers; see `cargo xtask --help`.

mod bench;
mod ci;
mod cli;
mod device_check;
mod page;
mod results;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use relevox_experiment::place::Place;

fn main() -> ExitCode {
    let parse = || {
        let Cli { global, command } = Cli::parse();
        (global, command)
    };
    relevox::cli::start("cargo xtask", parse, run)
}

fn run(command: Command, place: &Place) -> anyhow::Result<()> {
    match command {
        Command::Relevox(command) => command.run(place),
        Command::Results(args) => place.refuse("results").and_then(|()| results::run(&args)),
        Command::Bench(what) => place.refuse("bench").and_then(|()| bench::run(&what)),
        Command::Ci(args) => place.refuse("ci").and_then(|()| ci::run(args)),
        Command::DeviceCheck(args) => device_check::run(args, place),
    }
}
