//! Settings of a classifier's training.

use crate::{Error, adam::AdamConfig, init};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Learning rate over the epochs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Schedule {
    /// The same in every epoch.
    #[default]
    Constant,
    /// Half a cosine, from the full rate in the first epoch towards 0 after the last (Loshchilov and Hutter 2017,
    /// <https://arxiv.org/abs/1608.03983>).
    Cosine,
    /// Multiplied by `factor` after every `every` epochs.
    Step {
        /// Epochs between changes.
        every: usize,
        /// Factor of each change.
        factor: f64,
    },
}

/// Settings of a classifier's training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training examples.
    pub epochs: usize,
    /// Largest number of examples per step; the sizes of an epoch's batches differ by at most one.
    pub batch: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Learning rate over the epochs.
    pub schedule: Schedule,
    /// Adam's other constants.
    pub adam: AdamConfig,
    /// Weight of a positive example in the loss; a negative one has weight 1.
    pub positive_weight: f64,
    /// Seed of the initial parameters and of the order of the examples.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 100,
            batch: 4,
            learning_rate: 0.01,
            schedule: Schedule::Constant,
            adam: AdamConfig::default(),
            positive_weight: 1.0,
            seed: 0,
        }
    }
}

valid! {
    /// Settings of a training that are in range; see [`TrainConfig::check`].
    pub struct ValidTrainConfig(TrainConfig);
}

impl TrainConfig {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first setting that is out of range.
    pub fn check(self) -> Result<ValidTrainConfig, Error> {
        let refuse = |key, expected: &str, found: String| {
            Err(Error::InvalidSetting { setting: key, expected: expected.to_owned(), found })
        };
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if self.epochs == 0 {
            return refuse("epochs", "at least 1", self.epochs.to_string());
        }
        if self.batch == 0 {
            return refuse("batch", "at least 1", self.batch.to_string());
        }
        if !positive(self.learning_rate) {
            return refuse("learning_rate", "a number above 0", self.learning_rate.to_string());
        }
        if !positive(self.positive_weight) {
            return refuse("positive_weight", "a number above 0", self.positive_weight.to_string());
        }
        if let Some(beta) = self.adam.betas.iter().find(|beta| !(0.0..1.0).contains(*beta)) {
            return refuse("adam.betas", "numbers from 0, below 1", beta.to_string());
        }
        if !positive(self.adam.epsilon) {
            return refuse("adam.epsilon", "a number above 0", self.adam.epsilon.to_string());
        }
        if !(self.adam.weight_decay.is_finite() && self.adam.weight_decay >= 0.0) {
            return refuse("adam.weight_decay", "a number from 0", self.adam.weight_decay.to_string());
        }
        match self.schedule {
            Schedule::Step { every: 0, .. } => refuse("schedule.step.every", "at least 1", "0".to_owned()),
            Schedule::Step { factor, .. } if !positive(factor) => {
                refuse("schedule.step.factor", "a number above 0", factor.to_string())
            }
            _ => Ok(ValidTrainConfig(self)),
        }
    }

    /// Returns the learning rate of an epoch, counted from 1.
    pub fn rate(&self, epoch: usize) -> f64 {
        let done = epoch.saturating_sub(1);
        match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Cosine => {
                let share = done as f64 / self.epochs as f64;
                self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
            Schedule::Step { every, factor } => {
                self.learning_rate * factor.powi((done / every).min(i32::MAX as usize) as i32)
            }
        }
    }

    /// Returns the order of `count` examples in an epoch.
    pub(super) fn order(&self, epoch: usize, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut init::stream(self.seed, &format!("order of epoch {epoch}")));
        order
    }

    /// Returns the batches of `count` examples, as ranges of their order.
    pub(super) fn batches(&self, count: usize) -> Vec<Range<usize>> {
        let batches = count.div_ceil(self.batch);
        (0..batches).map(|batch| batch * count / batches..(batch + 1) * count / batches).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_partition_the_examples_evenly() {
        for (count, batch) in [(1, 4), (4, 4), (5, 4), (9, 4), (17, 3), (100, 7)] {
            let config = TrainConfig { batch, ..TrainConfig::default() };
            let batches = config.batches(count);
            let sizes: Vec<usize> = batches.iter().map(|range| range.len()).collect();
            assert_eq!(batches.iter().cloned().flatten().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            let (smallest, largest) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
            assert!(*largest <= batch && largest - smallest <= 1, "{sizes:?}");
        }
    }

    #[test]
    fn orders_differ_by_epoch_and_repeat_by_seed() {
        let config = TrainConfig::default();
        let order = config.order(1, 50);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
        assert_eq!(order, config.order(1, 50));
        assert_ne!(order, config.order(2, 50));
        assert_ne!(order, TrainConfig { seed: 1, ..config }.order(1, 50));
    }

    #[test]
    fn schedules_start_at_the_full_rate() {
        let config =
            |schedule| TrainConfig { epochs: 10, learning_rate: 0.1, schedule, ..Default::default() };
        assert_eq!(config(Schedule::Constant).rate(7), 0.1);
        let cosine = config(Schedule::Cosine);
        assert_eq!(cosine.rate(1), 0.1);
        assert!((cosine.rate(6) - 0.05).abs() < 1e-12);
        assert!(cosine.rate(10) > 0.0 && cosine.rate(10) < 0.003);
        let step = config(Schedule::Step { every: 3, factor: 0.5 });
        assert_eq!([1, 3, 4, 7].map(|epoch| step.rate(epoch)), [0.1, 0.1, 0.05, 0.025]);
    }

    #[test]
    fn impossible_values_are_named() {
        let key = |config: TrainConfig| match config.check() {
            Err(Error::InvalidSetting { setting: key, .. }) => key,
            other => panic!("{other:?}"),
        };
        let config = TrainConfig::default();
        assert!(config.clone().check().is_ok());
        assert_eq!(key(TrainConfig { batch: 0, ..config.clone() }), "batch");
        assert_eq!(key(TrainConfig { learning_rate: f64::NAN, ..config.clone() }), "learning_rate");
        let schedule = Schedule::Step { every: 0, factor: 0.5 };
        assert_eq!(key(TrainConfig { schedule, ..config }), "schedule.step.every");
    }
}
