//! Stages in which kills fell, read from what the killed runs printed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::Rng;

use relevox_experiment::stage::Stage;
use relevox_experiment::steps::Step;

use super::attempt::Kill;
use super::printed::{finished, times};

/// Kills while a run that was killed before passes through what is complete.
const RESUMING: &str = "resuming";
/// Kills after the last stage.
const END: &str = "end";

/// Longest wait in a stage, relative to its time in an uninterrupted run: a stage that repeats all its work is completed after a few
/// attempts.
const LONGEST_WAIT: f64 = 1.25;
/// Probability of a kill in the first stage that is not finished; otherwise the next is considered, and so on.
const NEXT: f64 = 0.5;
/// Resolution of the printed times.
const RESOLUTION: f64 = 0.1;

/// Kills by stage.
#[derive(Debug)]
pub struct Stages {
    order: Vec<String>,
    /// Seconds of each stage in an uninterrupted run.
    seconds: Vec<f64>,
    /// Stages that some attempt of the current run finished.
    finished: BTreeSet<String>,
    kills: BTreeMap<String, usize>,
}

impl Stages {
    /// Creates counts of the stages of an uninterrupted run, from what it printed.
    pub fn new(log: &str) -> Self {
        let (order, seconds) = times(log).into_iter().unzip();
        Self { order, seconds, finished: BTreeSet::new(), kills: BTreeMap::new() }
    }

    /// Draws the stage of the next kill among those that the current run has not finished, and the time in it.
    pub fn draw_kill(&self, rng: &mut impl Rng) -> Kill {
        let unfinished = self.order.iter().position(|stage| !self.finished.contains(stage));
        let mut stage = unfinished.unwrap_or(self.order.len() - 1);
        while stage + 1 < self.order.len() && !rng.random_bool(NEXT) {
            stage += 1;
        }
        let longest = LONGEST_WAIT * (self.seconds[stage] + RESOLUTION);
        Kill {
            after: stage.checked_sub(1).map(|previous| self.order[previous].clone()),
            wait: Duration::from_secs_f64(rng.random_range(0.0..longest)),
        }
    }

    /// Returns the longest wait in stages that a process of a sharded run goes through.
    pub fn longest_wait(&self, stages: &[Stage]) -> Duration {
        let seconds = |stage: &Stage| {
            let at = self.order.iter().position(|name| name == stage.name());
            at.map_or(0.0, |at| self.seconds[at])
        };
        let of_all: f64 = stages.iter().map(seconds).sum();
        Duration::from_secs_f64(LONGEST_WAIT * (of_all + RESOLUTION))
    }

    /// Counts a kill of a process of a sharded run.
    pub fn count_kill_of_shard(&mut self, step: &Step) {
        let name = match step.shards {
            Some(_) => format!("shards of {}", step.name()),
            None => step.name(),
        };
        *self.kills.entry(name).or_default() += 1;
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

    /// Lists the number of kills by stage, in the order of the stages, then those of shards.
    pub fn summary(&self) -> String {
        let known: Vec<&str> = self.order.iter().map(String::as_str).chain([END, RESUMING]).collect();
        let others = self.kills.keys().map(String::as_str).filter(|name| !known.contains(name));
        let names = known.iter().copied().chain(others);
        let counts = names.filter_map(|name| Some(format!("{name} {}", self.kills.get(name)?)));
        counts.collect::<Vec<_>>().join(", ")
    }

    /// Returns the stages in which no kill fell.
    pub fn without_kill(&self) -> Vec<&str> {
        self.order.iter().map(String::as_str).filter(|stage| !self.kills.contains_key(*stage)).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use relevox_experiment::config::Layers;
    use relevox_experiment::steps::steps;

    use super::*;

    #[test]
    fn a_kill_counts_for_the_stage_that_was_not_finished() {
        let line = |stage: &str| format!("{stage}: 3 made, 0 current, 0.1 s\n");
        let whole =
            format!("{}train: epoch 1/2: loss 0.5\n{}{}", line("phantom"), line("train"), line("grid"));
        let mut stages = Stages::new(&whole);
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
        assert_eq!(stages.summary(), "phantom 2, train 1, end 1, resuming 1");
    }

    #[test]
    fn kills_of_shards_are_counted_by_step() {
        let config = Layers::default().resolve().unwrap().config;
        let steps = steps(&config, 3);
        let mut stages = Stages::new("phantom: 3 made, 0 current, 2.0 s\ntrain: 1 made, 0 current, 1.9 s\n");
        for step in &steps[..3] {
            stages.count_kill_of_shard(step);
        }
        assert_eq!(stages.summary(), "cohort 1, shards of train 1, train-all 1");
        assert_eq!(stages.longest_wait(&steps[1].stages), Duration::from_secs_f64(2.5));
    }

    #[test]
    fn kills_are_drawn_in_stages_that_are_not_finished() {
        let line = |stage: &str| format!("{stage}: 3 made, 0 current, 2.0 s\n");
        let mut stages = Stages::new(&["phantom", "train", "grid"].map(line).concat());
        stages.count_kill(&line("phantom"));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut drawn = BTreeMap::new();
        for _ in 0..200 {
            let Kill { after, wait } = stages.draw_kill(&mut rng);
            assert!(wait < Duration::from_secs_f64(2.7));
            *drawn.entry(after.unwrap()).or_insert(0) += 1;
        }
        assert_eq!(drawn.keys().collect::<Vec<_>>(), ["phantom", "train"]);
        assert!(drawn["phantom"] > 60 && drawn["train"] > 60, "{drawn:?}");
        stages.count_kill(&["phantom", "train", "grid"].map(line).concat());
        assert_eq!(stages.draw_kill(&mut rng).after.unwrap(), "train");
    }
}
