//! Errors of the library as those of a command.

use relevox_experiment::failure::{invalid_input, with_help};

use crate::{CommandError, Error, RuntimeError};

/// Converts an error of the library, so that the exit code and the options' names are those of the command.
pub(super) fn of_command(error: Error) -> anyhow::Error {
    match error {
        Error::Volume(relevox_volume::Error::UnknownName { what: "channel", expected, found }) => {
            invalid_input(format!("--sequence: expected {expected}, found {found}"))
        }
        Error::Volume(error) => error.into(),
        Error::Model(error) => error.into(),
        Error::Fill(error) => error.into(),
        Error::Relevance(relevox_relevance::Error::BlackBox(error))
            if error.is::<CommandError>() || error.is::<RuntimeError>() =>
        {
            invalid_input(error)
        }
        Error::Relevance(relevox_relevance::Error::InvalidSetting { setting: "method", expected, found }) => {
            invalid_input(format!("--method: expected {expected}, found {found}"))
        }
        Error::Relevance(error) => error.into(),
        Error::Command(error) => invalid_input(error),
        Error::Runtime(_) | Error::Unsupported { .. } | Error::UnknownName { .. } => invalid_input(error),
        Error::Supervoxels(error) => error.into(),
        Error::Eval(error) => error.into(),
        Error::Contract { example: Some(ref example), .. } => {
            with_help(&error, format!("a contract to fill in:\n{example}"))
        }
        Error::Contract { .. } => invalid_input(error),
        Error::InvalidSetting { setting, expected, found } => {
            invalid_input(format!("--{setting}: expected {expected}, found {found}"))
        }
    }
}
