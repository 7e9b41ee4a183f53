//! The labels of a split's cases, shuffled for the control.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use relevox_volume::Split;

use super::cohort::Scans;
use crate::config::ValidConfig;
use crate::run::stream_seed;

/// Returns the labels of a split's cases, in the order of the cases. `classifier.shuffle_labels` shuffles them, each time in the same
/// way.
pub fn labels(scans: &Scans, split: Split, config: &ValidConfig) -> Vec<bool> {
    let mut labels: Vec<bool> = scans.split(split).map(|case| case.label).collect();
    if config.classifier.shuffle_labels {
        shuffle(&mut labels, config, &format!("shuffled labels/{split}"));
    }
    labels
}

/// Shuffles labels by a random stream of the run.
pub fn shuffle(labels: &mut [bool], config: &ValidConfig, stream: &str) {
    labels.shuffle(&mut ChaCha8Rng::seed_from_u64(stream_seed(config.seed, stream)));
}
