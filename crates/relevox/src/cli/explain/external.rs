//! External programs in place of weights.

use ndarray::ArrayView4;

use super::super::library_error::of_command;
use super::args::ExplainArgs;
use crate::CommandClassifier;

/// Starts the program of `--command` with an image `[c, z, y, x]` as the network takes it.
///
/// # Errors
/// Returns an input error that names the program.
pub(super) fn start(
    args: &ExplainArgs,
    command: &str,
    image: ArrayView4<'_, f32>,
) -> anyhow::Result<CommandClassifier> {
    CommandClassifier::start(command, args.command_timeout, image).map_err(|error| of_command(error.into()))
}
