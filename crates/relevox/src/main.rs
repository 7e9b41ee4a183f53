//! The program `relevox`: see `relevox --help`.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use relevox::cli::{Command, GlobalArgs, LICENSES, print_text, start};
use relevox_experiment::memory::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Shows where a 3D image classifier looks, and evaluates the result as a segmentation.
///
/// `explain`, `inspect`, `slic`, `verify` and `view` print their result for programs as one JSON object, the last line of stdout; the stages
/// of a run write files, and everything else goes to stderr. Exit codes: 0 done, 1 internal error, 2 invalid input, 3 not ready (of a
/// shard), 130 interrupted (run the same command again to resume).
#[derive(Debug, Parser)]
#[command(name = "relevox", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    /// Lists the licences of the packages that the program contains, and the sources of their texts.
    #[arg(long, exclusive = true)]
    licenses: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

fn main() -> ExitCode {
    let parse = || {
        let Cli { global, licenses, command } = Cli::parse();
        if licenses {
            return (global, None);
        }
        let missing =
            || Cli::command().error(ErrorKind::MissingSubcommand, "expected a command, found none").exit();
        (global, Some(command.unwrap_or_else(missing)))
    };
    start("relevox", parse, |command, options| match command {
        None => print_text(LICENSES),
        Some(command) => command.run(options),
    })
}
