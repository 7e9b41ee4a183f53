//! `cargo xtask`: see `cargo xtask --help`.

use std::process::ExitCode;

use clap::Parser;
use xtask::cli::Cli;
use xtask::failure::{Ending, ending, message};
use xtask::progress::say;

fn main() -> ExitCode {
    xtask::memory::keep();
    match xtask::run(Cli::parse()) {
        Ok(()) => Ending::Done.into(),
        Err(error) => {
            say(format!("error: {}", message(&error)));
            ending(&error).into()
        }
    }
}
