//! Training and validation images.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use relevox_models::train::Examples;
use relevox_volume::augment::ValidAugment;
use relevox_volume::{CohortCase, Split};

use super::member::Member;
use crate::config::ValidConfig;
use crate::run::stream_seed;
use crate::stages::cohort::Scans;

/// Images of a split, augmented for one of the networks.
pub(super) struct Images<'a> {
    scans: &'a Scans,
    cases: Vec<&'a CohortCase>,
    labels: Vec<bool>,
    augment: ValidAugment,
    seed: u64,
    stream: String,
}

impl<'a> Images<'a> {
    pub(super) fn new(scans: &'a Scans, split: Split, config: &ValidConfig, member: &Member) -> Self {
        let cases: Vec<_> = scans.split(split).collect();
        let mut labels: Vec<bool> = cases.iter().map(|case| case.label).collect();
        if config.classifier.shuffle_labels {
            // The same for all networks of an ensemble.
            let seed = stream_seed(config.seed, &format!("shuffled labels/{split}"));
            labels.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        }
        let augment = *config.augment();
        Self { scans, cases, labels, augment, seed: config.seed, stream: member.stream("augment") }
    }
}

impl Examples for Images<'_> {
    fn len(&self) -> usize {
        self.cases.len()
    }

    fn shape(&self) -> [usize; 4] {
        let preprocess = self.scans.preprocess();
        let [z, y, x] = preprocess.shape();
        [preprocess.sequences().len(), z, y, x]
    }

    fn label(&self, index: usize) -> bool {
        self.labels[index]
    }

    fn image(
        &self,
        index: usize,
        epoch: Option<usize>,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        let case = self.cases[index].id();
        let study = self.scans.study(case)?;
        let image = match epoch {
            Some(epoch) if !self.augment.settings().is_off() => {
                let seed = stream_seed(self.seed, &format!("{}/{epoch}/{case}", self.stream));
                self.augment.apply(study.image.view(), &mut ChaCha8Rng::seed_from_u64(seed))
            }
            _ => study.image.clone(),
        };
        Ok(image.as_standard_layout().into_owned().into_raw_vec_and_offset().0)
    }
}
