//! Training and validation images.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use relevox_models::train::Examples;
use relevox_volume::augment::ValidAugment;
use relevox_volume::{CohortCase, Split};

use super::member::Member;
use crate::config::ValidConfig;
use crate::run::stream_seed;
use crate::stages::cohort::Scans;
use crate::stages::labels::labels;

/// Images of a split, augmented for one of the networks. Empty images follow those of the cases.
pub(super) struct Images<'a> {
    scans: &'a Scans,
    cases: Vec<&'a CohortCase>,
    labels: Vec<bool>,
    empty: usize,
    augment: ValidAugment,
    seed: u64,
    stream: String,
}

impl<'a> Images<'a> {
    pub(super) fn new(scans: &'a Scans, split: Split, config: &ValidConfig, member: &Member) -> Self {
        let cases: Vec<_> = scans.split(split).collect();
        let labels = labels(scans, split, config);
        let augment = *config.augment();
        let empty = match split {
            Split::Train => (f64::from(augment.settings().empty) * cases.len() as f64).round() as usize,
            Split::Validation | Split::Test => 0,
        };
        Self { scans, cases, labels, empty, augment, seed: config.seed, stream: member.stream("augment") }
    }
}

impl Examples for Images<'_> {
    fn len(&self) -> usize {
        self.cases.len() + self.empty
    }

    fn shape(&self) -> [usize; 4] {
        let preprocess = self.scans.preprocess();
        let [z, y, x] = preprocess.shape();
        [preprocess.sequences().len(), z, y, x]
    }

    fn label(&self, index: usize) -> bool {
        self.labels.get(index).is_some_and(|label| *label)
    }

    fn image(
        &self,
        index: usize,
        epoch: Option<usize>,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        let random = |stream: &str, epoch: usize| {
            let seed = stream_seed(self.seed, &format!("{}/{epoch}/{stream}", self.stream));
            ChaCha8Rng::seed_from_u64(seed)
        };
        let image = match (self.cases.get(index), epoch) {
            (Some(case), Some(epoch)) if !self.augment.settings().is_off() => {
                let study = self.scans.study(case.id())?;
                self.augment.apply(study.image.view(), &mut random(case.id(), epoch))
            }
            (Some(case), _) => self.scans.study(case.id())?.image.clone(),
            (None, epoch) => {
                let mut random = random(&format!("empty {index}"), epoch.unwrap_or(0));
                let case = self.cases[random.random_range(0..self.cases.len())].id();
                self.augment.empty(self.scans.study(case)?.image.view(), &mut random)
            }
        };
        Ok(image.as_standard_layout().into_owned().into_raw_vec_and_offset().0)
    }
}
