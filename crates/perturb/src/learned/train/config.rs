//! Settings of the learned fill's training.

use std::ops::Deref;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use relevox_models::adam::AdamConfig;
use serde::{Deserialize, Serialize};

use super::super::Variant;
use crate::Error;

/// Settings of the learned fill's training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FillConfig {
    /// The variant that the U-Net is trained as. Default: the paper's.
    #[serde(skip_serializing_if = "Variant::is_paper")]
    pub variant: Variant,
    /// Passes over all regions.
    pub passes: usize,
    /// Number of regions per step. The paper does not state it.
    pub batch: usize,
    /// Adam's learning rate.
    pub learning_rate: f64,
    /// Adam's other constants.
    pub adam: AdamConfig,
    /// Bounds the loss of a region by 1/ε.
    pub epsilon: f64,
    /// Draws the U-Net's first parameters and the order of the regions.
    pub seed: u64,
}

impl Default for FillConfig {
    fn default() -> Self {
        Self {
            variant: Variant::Paper,
            passes: 5,
            batch: 1,
            learning_rate: 1e-3,
            adam: AdamConfig::default(),
            epsilon: 1e-3,
            seed: 0,
        }
    }
}

/// Settings of a training that are in range; see [`FillConfig::check`].
#[derive(Clone, Debug, PartialEq)]
pub struct ValidFillConfig(FillConfig);

impl Deref for ValidFillConfig {
    type Target = FillConfig;

    fn deref(&self) -> &FillConfig {
        &self.0
    }
}

impl FillConfig {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first setting that is out of range.
    pub fn check(self) -> Result<ValidFillConfig, Error> {
        let refuse = |setting, expected: &str, found: String| {
            Err(Error::InvalidSetting { setting, expected: expected.to_owned(), found })
        };
        if self.batch == 0 {
            return refuse("batch", "at least 1 region", self.batch.to_string());
        }
        for (key, value) in [("learning_rate", self.learning_rate), ("epsilon", self.epsilon)] {
            if !(value.is_finite() && value > 0.0) {
                return refuse(key, "a finite number above 0", value.to_string());
            }
        }
        Ok(ValidFillConfig(self))
    }

    /// Shuffles the regions for a pass. The order depends on the seed and the pass only, so that a resumed training
    /// needs no further state.
    pub(super) fn shuffle<T>(&self, pass: usize, items: &mut [T]) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(pass as u64);
        items.shuffle(&mut rng);
    }
}
