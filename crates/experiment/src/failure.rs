//! Classification of errors into exit codes, and their messages.

use std::fmt;
use std::process::ExitCode;

/// Invalid input from the user: files, configuration or options. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InputError(pub String);

/// Invalid input, with advice of several lines. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct HelpfulError {
    message: String,
    help: String,
}

/// Creates an error of invalid input with advice.
pub fn with_help(message: impl fmt::Display, help: String) -> anyhow::Error {
    HelpfulError { message: message.to_string(), help }.into()
}

/// Returns the advice of an error, if it has any.
pub fn help(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| cause.downcast_ref::<HelpfulError>()).map(|error| error.help.as_str())
}

/// The user interrupted the command. Exit code 130.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; run the same command again to resume")]
pub struct Interrupted;

/// An artefact that an earlier stage makes is missing, or not as that stage would make it now. Exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// A shard needs an artefact that another shard or command has not made yet. Exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("not ready: {0}")]
pub struct NotReady(pub String);

/// Creates an [`InputError`] from a message.
pub fn invalid_input(message: impl fmt::Display) -> anyhow::Error {
    InputError(message.to_string()).into()
}

/// Exit status of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// The command completed.
    Success = 0,
    /// An internal error.
    InternalError = 1,
    /// Invalid input.
    InvalidInput = 2,
    /// A shard needs what another shard or command has not made yet; the same command can succeed later.
    NotReady = 3,
    /// The user interrupted the command.
    Interrupted = 130,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        ExitCode::from(status as u8)
    }
}

/// Classifies an error. Errors of the libraries about their input (files, cases, weights, settings) count as invalid
/// input; all others are internal.
pub fn exit_status(error: &anyhow::Error) -> ExitStatus {
    let mut status = ExitStatus::InternalError;
    for cause in error.chain() {
        // A library's error can wrap another's without listing it as its source.
        let of_libraries = [
            cause.downcast_ref().map(of_relevance),
            cause.downcast_ref().map(of_fill),
            cause.downcast_ref().map(of_network),
        ];
        if cause.is::<Interrupted>() || of_libraries.contains(&Some(ExitStatus::Interrupted)) {
            return ExitStatus::Interrupted;
        }
        if cause.is::<NotReady>() {
            return ExitStatus::NotReady;
        }
        if cause.is::<InputError>()
            || cause.is::<Unavailable>()
            || cause.is::<HelpfulError>()
            || cause.is::<relevox_volume::Error>()
            || cause.is::<slic3d::Error>()
            || of_libraries.contains(&Some(ExitStatus::InvalidInput))
        {
            status = ExitStatus::InvalidInput;
        }
    }
    status
}

/// Non-finite logits or maps come from the weights, so they are invalid input.
fn of_relevance(error: &relevox_relevance::Error) -> ExitStatus {
    use relevox_relevance::Error;
    match error {
        Error::Cancelled => ExitStatus::Interrupted,
        Error::Fill(error) => of_fill(error),
        Error::Network(error) => of_network(error),
        Error::NonFinite { .. } => ExitStatus::InvalidInput,
        Error::Tensor(error) => of_tensors(error),
        _ => ExitStatus::InternalError,
    }
}

fn of_fill(error: &relevox_perturb::Error) -> ExitStatus {
    use relevox_perturb::Error;
    match error {
        Error::Interrupted { .. } => ExitStatus::Interrupted,
        Error::Network(error) => of_network(error),
        Error::Tensor(error) => of_tensors(error),
        Error::NonFinite { .. }
        | Error::EmptyMask { .. }
        | Error::UnknownName { .. }
        | Error::InvalidSetting { .. }
        | Error::NoRegions { .. }
        | Error::Diverged { .. } => ExitStatus::InvalidInput,
        _ => ExitStatus::InternalError,
    }
}

fn of_network(error: &relevox_models::Error) -> ExitStatus {
    match error {
        relevox_models::Error::Interrupted { .. } => ExitStatus::Interrupted,
        relevox_models::Error::Candle(error) => of_tensors(error),
        _ => ExitStatus::InvalidInput,
    }
}

/// A single example that exceeds the device's memory is invalid input: the user can select another device.
fn of_tensors(error: &relevox_models::candle_core::Error) -> ExitStatus {
    if relevox_models::memory::is_exhausted(error) {
        ExitStatus::InvalidInput
    } else {
        ExitStatus::InternalError
    }
}

/// Formats an error and its causes on one line, omitting causes whose text is already included.
pub fn message(error: &anyhow::Error) -> String {
    // The step at which the user interrupted the work is of no interest.
    if exit_status(error) == ExitStatus::Interrupted {
        return Interrupted.to_string();
    }
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let cause = cause.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn context_does_not_change_the_exit_status() {
        assert_eq!(exit_status(&anyhow::anyhow!("a bug")), ExitStatus::InternalError);
        assert_eq!(exit_status(&invalid_input("bad key")), ExitStatus::InvalidInput);
        let wrapped = Err::<(), _>(invalid_input("bad key")).context("reading the config");
        assert_eq!(exit_status(&wrapped.unwrap_err()), ExitStatus::InvalidInput);
        let interrupted = Err::<(), _>(anyhow::Error::from(Interrupted)).context("training");
        assert_eq!(exit_status(&interrupted.unwrap_err()), ExitStatus::Interrupted);
    }

    #[test]
    fn what_is_unavailable_is_invalid_input_and_not_ready_for_a_shard() {
        let error = anyhow::Error::from(Unavailable("grid.json: not found".to_owned()));
        assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
        let error = anyhow::Error::from(NotReady(message(&error))).context("score");
        assert_eq!(exit_status(&error), ExitStatus::NotReady);
        assert_eq!(message(&error), "score: not ready: grid.json: not found");
    }

    #[test]
    fn errors_nested_in_library_errors_determine_the_exit_status() {
        use ExitStatus::{InternalError, Interrupted, InvalidInput};
        let weights = || relevox_models::Error::MissingKey { key: "conv1.weight".into(), expected: vec![8] };
        let tensors =
            || relevox_models::Error::Candle(relevox_models::candle_core::Error::Msg("shape".into()));
        let interrupted = || relevox_models::Error::Interrupted { epoch: 1 };
        let brain = relevox_perturb::Error::EmptyMask { fill: "min".into() };
        let logit =
            relevox_relevance::Error::NonFinite { what: "the logit of region 3".into(), value: f32::NAN };
        let full = || relevox_models::candle_core::Error::Cuda("CUDA_ERROR_OUT_OF_MEMORY".into());
        let cases: [(anyhow::Error, ExitStatus); 10] = [
            (relevox_relevance::Error::from(full()).into(), InvalidInput),
            (relevox_perturb::Error::from(full()).into(), InvalidInput),
            (relevox_models::Error::from(full()).into(), InvalidInput),
            (relevox_relevance::Error::from(weights()).into(), InvalidInput),
            (relevox_relevance::Error::from(relevox_perturb::Error::from(weights())).into(), InvalidInput),
            (relevox_relevance::Error::from(brain).into(), InvalidInput),
            (logit.into(), InvalidInput),
            (relevox_perturb::Error::from(interrupted()).into(), Interrupted),
            (relevox_perturb::Error::from(tensors()).into(), InternalError),
            (relevox_relevance::Error::from(tensors()).into(), InternalError),
        ];
        for (error, expected) in cases {
            assert_eq!(exit_status(&error), expected, "{error}");
        }
    }

    #[test]
    fn messages_are_one_line_without_repetition() {
        let inner = invalid_input("no such file\nin here");
        let error = Err::<(), _>(inner).context("t1.nii: no such file in here").context("case 7");
        assert_eq!(message(&error.unwrap_err()), "case 7: t1.nii: no such file in here");
    }
}
