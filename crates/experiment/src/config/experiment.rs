//! The whole configuration of a run.

use std::ops::Deref;

use relevox_volume::augment::{Augment, ValidAugment};
use relevox_volume::phantom::{PhantomConfig, ValidPhantomConfig};
use relevox_volume::split::ValidSizes;
use relevox_volume::{Preprocess, ValidPreprocess};
use serde::{Deserialize, Serialize};

use super::cohort::{CohortConfig, check_augment, check_preprocess, check_range};
use super::evaluate::EvaluateConfig;
use super::explainers::{DiffuseConfig, ExplainConfig};
use super::networks::{ClassifierConfig, FillConfig};
use super::partitions::{GridConfig, RegionsConfig};
use super::pool::PoolConfig;
use super::values::{distinct, section};

/// Effective configuration of a run, as stored in `run.toml`. [`Config::check`] validates it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seed of every random number.
    pub seed: u64,
    /// Seeds of several complete runs, each in its own folder. Empty for a single run with `seed`.
    pub seeds: Vec<u64>,
    /// Source of the scans, and their splits.
    pub cohort: CohortConfig,
    /// The synthetic cohort.
    pub phantom: PhantomConfig,
    /// Preprocessing of scans into network inputs.
    pub preprocess: Preprocess,
    /// The classifier and its training.
    pub classifier: ClassifierConfig,
    /// Augmentation of training images.
    pub augment: Augment,
    /// Supervoxels.
    pub regions: RegionsConfig,
    /// The learned fills.
    pub fill: FillConfig,
    /// Search over partitions and fills (Table 3).
    pub grid: GridConfig,
    /// Diffusion of scores over similar neighbouring regions.
    pub diffuse: DiffuseConfig,
    /// Relevance pooled over cases and averaged over partitions.
    pub pool: PoolConfig,
    /// Additional explainers.
    pub explain: ExplainConfig,
    /// Evaluation of scores and maps.
    pub evaluate: EvaluateConfig,
}

/// Validated [`Config`]. Dereferences to the settings as they were given; methods return the validated settings of
/// libraries.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidConfig {
    config: Config,
    split_sizes: ValidSizes,
    phantom: ValidPhantomConfig,
    preprocess: ValidPreprocess,
    augment: ValidAugment,
}

impl Config {
    /// Validates every value.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) that names the first invalid key, the expected values and
    /// the value found.
    pub fn check(self) -> anyhow::Result<ValidConfig> {
        let phantom = section("phantom", self.phantom.clone().check())?;
        let split_sizes = self.cohort.check()?;
        distinct("seeds", &self.seeds)?;
        let preprocess = check_preprocess(&self.preprocess)?;
        let augment = check_augment(self.augment, &preprocess)?;
        self.classifier.check()?;
        self.fill.check()?;
        let sequences: Vec<&str> = self.preprocess.sequences.iter().map(String::as_str).collect();
        // A partition can't have more regions than voxels.
        let voxels = preprocess.shape().into_iter().product::<usize>().min(1_000_000);
        self.regions.check(&sequences, voxels)?;
        self.grid.check(&self.regions, &sequences, voxels)?;
        self.diffuse.check()?;
        self.pool.check(&self.regions, &sequences, voxels, &self.evaluate, &self.diffuse)?;
        self.explain.check()?;
        self.evaluate.check(&sequences)?;
        check_range(preprocess.intensity(), &augment, &self.evaluate.fills)?;
        Ok(ValidConfig { config: self, split_sizes, phantom, preprocess, augment })
    }

    /// Sequences that the grid search segments.
    pub fn grid_sequences(&self) -> &[String] {
        if self.grid.sequences.is_empty() { &self.preprocess.sequences } else { &self.grid.sequences }
    }

    /// Returns true if `reproduce` makes several runs from this configuration: one per seed, or one per fold.
    pub fn has_several_runs(&self) -> bool {
        !self.seeds.is_empty() || (self.cohort.folds > 0 && self.cohort.fold == 0)
    }

    /// Returns the text of `run.toml`.
    ///
    /// # Errors
    /// Returns an error if a value can't be represented in TOML; a valid configuration has none.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        Ok(toml::to_string(self)?)
    }

    /// Converts the configuration to a TOML table.
    ///
    /// # Errors
    /// As [`Config::to_toml`].
    pub fn to_table(&self) -> anyhow::Result<toml::Table> {
        Ok(toml::Table::try_from(self)?)
    }
}

impl ValidConfig {
    /// Sizes of the splits.
    pub fn split_sizes(&self) -> &ValidSizes {
        &self.split_sizes
    }

    /// Settings of the synthetic cohort.
    pub fn phantom(&self) -> &ValidPhantomConfig {
        &self.phantom
    }

    /// Settings of the preprocessing.
    pub fn preprocess(&self) -> &ValidPreprocess {
        &self.preprocess
    }

    /// Settings of the augmentation.
    pub fn augment(&self) -> &ValidAugment {
        &self.augment
    }
}

impl Deref for ValidConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}
