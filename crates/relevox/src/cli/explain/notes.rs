//! What `explain` says about its input.

use relevox_experiment::progress::print_status;
use relevox_volume::Study;

/// What was assumed about the input, and what may be wrong with it. Each line is printed when it is added.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub(super) assumed: Vec<String>,
    pub(super) warnings: Vec<String>,
    quiet: bool,
}

impl Notes {
    /// Notes of a case that was read before: nothing is printed again.
    pub(super) fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    /// Adds and prints what other notes assume.
    pub(super) fn adopt(&mut self, other: Self) {
        other.assumed.into_iter().for_each(|line| self.assume(line));
        other.warnings.into_iter().for_each(|line| self.warn(line));
    }

    /// Prints a line.
    pub(super) fn say(&self, line: impl AsRef<str>) {
        if !self.quiet {
            print_status(line);
        }
    }

    /// Adds what was done to a case.
    pub(super) fn prepared(&mut self, study: &Study) {
        self.assume(format!("case {}: {}", study.case, study.preparation.summary()));
        for warning in study.preparation.warnings() {
            self.warn(format!("case {}: {warning}", study.case));
        }
    }

    pub(super) fn assume(&mut self, line: String) {
        self.say(&line);
        self.assumed.push(line);
    }

    pub(super) fn warn(&mut self, line: String) {
        self.say(format!("warning: {line}"));
        self.warnings.push(line);
    }
}
