//! `cargo xtask`: the program's commands and tools for developers; see `cargo xtask --help`.

mod bench;
mod ci;
mod cli;
mod cluster;
mod device_check;
mod licenses;
mod page;
mod python;
mod results;
mod slurm_check;
mod torture;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use relevox_experiment::device::DeviceOptions;
use relevox_experiment::memory::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    let parse = || {
        let Cli { global, command } = Cli::parse();
        (global, command)
    };
    relevox::cli::start("cargo xtask", parse, run)
}

fn run(command: Command, options: &DeviceOptions) -> anyhow::Result<()> {
    match command {
        Command::Relevox(command) => command.run(options),
        Command::Results(args) => options.require_cpu("results").and_then(|()| results::run(&args)),
        Command::Bench(what) => options.require_cpu("bench").and_then(|()| bench::run(&what)),
        Command::Ci(args) => options.require_cpu("ci").and_then(|()| ci::run(&args)),
        Command::Cluster(command) => cluster::run(command, options),
        Command::Torture(args) => options.require_cpu("torture").and_then(|()| torture::run(&args)),
        Command::Licenses => licenses::write(),
        Command::DeviceCheck(args) => device_check::run(args, options),
    }
}
