//! Stages in which kills fell, read from what the killed runs printed.

use std::collections::{BTreeMap, BTreeSet};

/// Kills while a run that was killed before passes through what is complete.
const RESUMING: &str = "resuming";
/// Kills after the last stage.
const END: &str = "end";

/// Kills by stage.
#[derive(Debug)]
pub struct Stages {
    order: Vec<String>,
    /// Stages that some attempt of the current run finished.
    finished: BTreeSet<String>,
    kills: BTreeMap<String, usize>,
}

impl Stages {
    /// Creates counts of the stages of a run, in their order.
    pub fn new(order: Vec<String>) -> Self {
        Self { order, finished: BTreeSet::new(), kills: BTreeMap::new() }
    }

    /// Starts another run.
    pub fn start_run(&mut self) {
        self.finished.clear();
    }

    /// Counts a kill in the stage after the last that the attempt finished; as [`RESUMING`] if an earlier attempt finished
    /// that stage.
    pub fn count_kill(&mut self, log: &str) {
        let done = finished(log);
        let next = match done.last() {
            None => self.order.first(),
            Some(last) => {
                let at = self.order.iter().position(|stage| stage == last);
                at.and_then(|at| self.order.get(at + 1))
            }
        };
        let stage = match next {
            None => END,
            Some(next) if self.finished.contains(next) => RESUMING,
            Some(next) => next,
        };
        *self.kills.entry(stage.to_owned()).or_default() += 1;
        self.finished.extend(done);
    }

    /// Returns the number of kills by stage.
    pub fn kills(&self) -> BTreeMap<String, usize> {
        self.kills.clone()
    }

    /// Returns the stages in which no kill fell.
    pub fn without_kill(&self) -> Vec<&str> {
        self.order.iter().map(String::as_str).filter(|stage| !self.kills.contains_key(*stage)).collect()
    }
}

/// Returns the stages whose counts were printed, in the order of the lines.
pub fn finished(log: &str) -> Vec<String> {
    let stage = |line: &str| {
        let (stage, rest) = line.split_once(": ")?;
        let (made, _) = rest.split_once(" made, ")?;
        made.parse::<usize>().ok()?;
        Some(stage.to_owned())
    };
    log.lines().filter_map(stage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_counts_for_the_stage_that_was_not_finished() {
        let line = |stage: &str| format!("{stage}: 3 made, 0 current, 0.1 s\n");
        let whole =
            format!("{}train: epoch 1/2: loss 0.5\n{}{}", line("phantom"), line("train"), line("grid"));
        let mut stages = Stages::new(finished(&whole));
        assert_eq!(stages.order, ["phantom", "train", "grid"]);
        stages.start_run();
        stages.count_kill("");
        stages.count_kill(&format!("{}train: epoch 1/2: loss 0.5\n", line("phantom")));
        // The second attempt finished phantom.
        stages.count_kill("");
        stages.count_kill(&whole);
        stages.start_run();
        stages.count_kill("");
        let expected = [("end", 1), ("phantom", 2), ("resuming", 1), ("train", 1)];
        assert_eq!(stages.kills(), expected.map(|(stage, kills)| (stage.to_owned(), kills)).into());
        assert_eq!(stages.without_kill(), ["grid"]);
    }
}
