//! What ends a command, and the exit code that says so.

use std::fmt;
use std::process::ExitCode;

/// The user's input is at fault: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InputError(pub String);

/// The user asked to stop: exit code 130.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: the same command goes on from here")]
pub struct Interrupted;

/// An [`InputError`] from a message.
pub fn input(message: impl fmt::Display) -> anyhow::Error {
    InputError(message.to_string()).into()
}

/// What a program that calls us learns from the way we end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All done.
    Done = 0,
    /// Our fault.
    Fault = 1,
    /// The user's input.
    Input = 2,
    /// Stopped by the user.
    Interrupted = 130,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        ExitCode::from(ending as u8)
    }
}

/// Whose fault an error is. The libraries' errors are about what they were given: files, cases, weights,
/// parameters; ours is what is left.
pub fn ending(error: &anyhow::Error) -> Ending {
    let mut ending = Ending::Fault;
    for cause in error.chain() {
        // A library's error may stand for another's without showing it among its causes.
        let of_libraries = [
            cause.downcast_ref().map(of_relevance),
            cause.downcast_ref().map(of_fill),
            cause.downcast_ref().map(of_network),
        ];
        if cause.is::<Interrupted>() || of_libraries.contains(&Some(Ending::Interrupted)) {
            return Ending::Interrupted;
        }
        if cause.is::<InputError>()
            || cause.is::<relevox_volume::Error>()
            || cause.is::<slic3d::Error>()
            || of_libraries.contains(&Some(Ending::Input))
        {
            ending = Ending::Input;
        }
    }
    ending
}

/// A network that gives no numbers has weights that hold none.
fn of_relevance(error: &relevox_relevance::Error) -> Ending {
    use relevox_relevance::Error;
    match error {
        Error::Cancelled => Ending::Interrupted,
        Error::Fill(error) => of_fill(error),
        Error::Network(error) => of_network(error),
        Error::NonFinite { .. } => Ending::Input,
        Error::Tensor(error) => of_tensors(error),
        _ => Ending::Fault,
    }
}

fn of_fill(error: &relevox_perturb::Error) -> Ending {
    use relevox_perturb::Error;
    match error {
        Error::Interrupted { .. } => Ending::Interrupted,
        Error::Network(error) => of_network(error),
        Error::Tensor(error) => of_tensors(error),
        Error::NonFinite { .. }
        | Error::EmptyMask { .. }
        | Error::UnknownName { .. }
        | Error::InvalidSetting { .. }
        | Error::NoRegions { .. }
        | Error::Diverged { .. } => Ending::Input,
        _ => Ending::Fault,
    }
}

fn of_network(error: &relevox_models::Error) -> Ending {
    match error {
        relevox_models::Error::Interrupted { .. } => Ending::Interrupted,
        relevox_models::Error::Candle(error) => of_tensors(error),
        _ => Ending::Input,
    }
}

/// One example that is too large for the device's memory is the user's, who can take another device.
fn of_tensors(error: &relevox_models::candle_core::Error) -> Ending {
    if relevox_models::memory::is_exhausted(error) { Ending::Input } else { Ending::Fault }
}

/// The error and what caused it on one line, without what a cause repeats of the line before.
pub fn message(error: &anyhow::Error) -> String {
    // Where the work was when the user stopped it is no news to them.
    if ending(error) == Ending::Interrupted {
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
    fn wrapped_errors_keep_their_ending() {
        assert_eq!(ending(&anyhow::anyhow!("a bug")), Ending::Fault);
        assert_eq!(ending(&input("bad key")), Ending::Input);
        let wrapped = Err::<(), _>(input("bad key")).context("reading the config");
        assert_eq!(ending(&wrapped.unwrap_err()), Ending::Input);
        let stopped = Err::<(), _>(anyhow::Error::from(Interrupted)).context("training");
        assert_eq!(ending(&stopped.unwrap_err()), Ending::Interrupted);
    }

    #[test]
    fn an_error_inside_a_library_s_error_keeps_its_ending() {
        let weights = || relevox_models::Error::MissingKey { key: "conv1.weight".into(), expected: vec![8] };
        let tensors =
            || relevox_models::Error::Candle(relevox_models::candle_core::Error::Msg("shape".into()));
        let stopped = || relevox_models::Error::Interrupted { epoch: 1 };
        let brain = relevox_perturb::Error::EmptyMask { fill: "min".into() };
        let logit =
            relevox_relevance::Error::NonFinite { what: "the logit of region 3".into(), value: f32::NAN };
        let full = || relevox_models::candle_core::Error::Cuda("CUDA_ERROR_OUT_OF_MEMORY".into());
        let cases: [(anyhow::Error, Ending); 10] = [
            (relevox_relevance::Error::from(full()).into(), Ending::Input),
            (relevox_perturb::Error::from(full()).into(), Ending::Input),
            (relevox_models::Error::from(full()).into(), Ending::Input),
            (relevox_relevance::Error::from(weights()).into(), Ending::Input),
            (relevox_relevance::Error::from(relevox_perturb::Error::from(weights())).into(), Ending::Input),
            (relevox_relevance::Error::from(brain).into(), Ending::Input),
            (logit.into(), Ending::Input),
            (relevox_perturb::Error::from(stopped()).into(), Ending::Interrupted),
            (relevox_perturb::Error::from(tensors()).into(), Ending::Fault),
            (relevox_relevance::Error::from(tensors()).into(), Ending::Fault),
        ];
        for (error, expected) in cases {
            assert_eq!(ending(&error), expected, "{error}");
        }
    }

    #[test]
    fn a_message_is_one_line_and_repeats_nothing() {
        let inner = input("no such file\nin here");
        let error = Err::<(), _>(inner).context("t1.nii: no such file in here").context("case 7");
        assert_eq!(message(&error.unwrap_err()), "case 7: t1.nii: no such file in here");
    }
}
