//! Configuration of a run: one struct per section of `run.toml`.
//!
//! `profiles/desk.toml` documents every key with its default; the other profiles list only the keys that differ. Layers
//! are applied in order, later ones overriding earlier ones: `desk`, the profile (or the run folder's own `run.toml`),
//! `--config FILE`, `--set KEY=VALUE`, `--seed` and `--cohort`. See [`Layers`].

mod cohort;
mod difference;
mod evaluate;
mod experiment;
mod explainers;
mod keys;
mod layers;
mod networks;
mod partitions;
mod pool;
mod positive_weight;
mod profiles;
mod sequences;
mod values;

pub use cohort::{CohortConfig, PHANTOM};
pub use difference::{Difference, differences};
pub use evaluate::EvaluateConfig;
pub use experiment::{Config, ValidConfig};
pub use explainers::{DiffuseConfig, ExplainConfig, Reading};
pub use layers::{Layers, Resolved, Source};
pub use networks::{ClassifierConfig, EpochSelection, FillConfig};
pub use partitions::{GridConfig, RegionsConfig, Select};
pub use pool::{POOLED, PoolConfig, PoolPartition};
pub use positive_weight::PositiveWeight;
pub use profiles::Profile;
