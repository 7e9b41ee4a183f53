#![doc = include_str!("../README.md")]

#[cfg(feature = "cli")]
pub mod cli;
mod command;
mod contract;
#[cfg(feature = "pictures")]
mod depiction;
mod diffused;
mod error;
mod explain;
mod explanation;
mod mask_rule;
mod method;
mod model;
mod pooled;
mod regions;
mod runtime;

pub use command::{CommandClassifier, CommandError};
pub use contract::{Contract, ContractKeys, NetworkKeys, StemStride};
#[cfg(feature = "pictures")]
pub use depiction::{Depiction, OverviewVolumes, PageVolumes, add_to_page};
pub use error::Error;
pub use explain::{ExplainOptions, FillSource, MethodSettings, explain};
pub use explanation::{Explanation, MethodResult, PartitionRelevance, RegionSets};
pub use mask_rule::MaskRule;
pub use method::Method;
pub use model::{Model, ModelOptions, OnSmallerBatches, TensorModel};
pub use pooled::{PoolMember, pool, pool_for_label};
pub use regions::{DEFAULT_COMPACTNESS, Regions, SlicRegions};
pub use runtime::{Runtime, RuntimeError};

pub use relevox_eval as eval;
pub use relevox_grid as grid;
pub use relevox_models as models;
pub use relevox_perturb as perturb;
pub use relevox_relevance as relevance;
#[cfg(feature = "pictures")]
pub use relevox_report as report;
pub use relevox_volume as volume;
pub use slic3d;
