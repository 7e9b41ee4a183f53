//! The program `relevox`: see `relevox --help`.

use std::process::ExitCode;

use clap::Parser;
use relevox::cli::{Command, GlobalArgs, start};

/// Shows where a 3D image classifier looks, and evaluates the result as a segmentation.
///
/// `explain`, `inspect`, `slic`, `verify` and `view` print their result for programs as one JSON object, the last line of stdout; the stages
/// of a run write files, and everything else goes to stderr. Exit codes: 0 done, 1 internal error, 2 invalid input, 3 not ready (of a
/// shard), 130 interrupted (run the same command again to resume).
#[derive(Debug, Parser)]
#[command(name = "relevox", version)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let parse = || {
        let Cli { global, command } = Cli::parse();
        (global, command)
    };
    start("relevox", parse, Command::run)
}
