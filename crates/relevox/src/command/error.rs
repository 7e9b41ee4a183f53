//! Errors of external classifiers.

/// Why an external program could not classify.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The command is empty, or a quote in it is not closed.
    #[error("command: expected words, with quotes around spaces, found {found}")]
    Words {
        /// The command.
        found: String,
    },
    /// The program could not be started.
    #[error("command {program}: cannot start: {source}")]
    Start {
        /// The program.
        program: String,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The program ended, or closed its input or output.
    #[error(
        "command {program}: expected an answer, found that it {how}; what it printed to stderr stands above"
    )]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        how: String,
    },
    /// The program did not answer in time, and was stopped.
    #[error("command {program}: expected an answer within {seconds} s, found none")]
    TimedOut {
        /// The program.
        program: String,
        /// The time limit.
        seconds: f64,
    },
    /// The program answered something else than the protocol states.
    #[error("command {program}: expected a line `ok` or {{\"error\": …}} on stdout, found {found}")]
    Answer {
        /// The program.
        program: String,
        /// The beginning of the answer.
        found: String,
    },
    /// The program reported an error of its own.
    #[error("command {program}: {message}")]
    Reported {
        /// The program.
        program: String,
        /// Its message, on one line.
        message: String,
    },
    /// The program's outputs cannot be used.
    #[error("command {program}: {what}: expected {expected}, found {found}")]
    Outputs {
        /// The program.
        program: String,
        /// What was compared.
        what: &'static str,
        /// What the protocol states.
        expected: String,
        /// What the program wrote.
        found: String,
    },
    /// A file of the exchange could not be written or read.
    #[error("command {program}: {source}")]
    File {
        /// The program.
        program: String,
        /// The error, which names the file.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
