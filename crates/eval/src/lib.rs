#![doc = include_str!("../README.md")]
//!
//! # Overview
//!
//! | question | functions |
//! |---|---|
//! | overlap of masks | [`dice`], [`hausdorff95`] |
//! | overlap of a map at a threshold | [`dice_at`], [`Sweep`] |
//! | best threshold, given the ground truth | [`oracle_dice`], [`RegionOverlap::ceiling`] |
//! | threshold without labels | [`LabelFree`] of [`MapValues`]: [`otsu`], [`otsu_weighted`], [`mixture_threshold`]; [`top_by_volume`] |
//! | threshold from a validation split | [`common_threshold`] |
//! | regions by rank | [`RegionOverlap::ranked_dice`], [`RegionOverlap::cumulative_dice`], [`focus`] |
//! | location of a map's mass | [`mass`]: activation precision, pointing game |
//! | faithfulness to the classifier | [`area_under_curve`] of deletion and insertion curves, [`infidelity`] |
//! | classification | [`roc_auc`], [`roc_curve`], [`accuracy`], [`Logistic`] |
//! | uncertainty | [`Bootstrap`], [`paired_permutation_test`], [`random_control`] |
//! | correlation | [`spearman`] |

mod bootstrap;
mod checks;
mod control;
mod dice;
mod error;
mod faithfulness;
mod hausdorff;
mod label_free;
mod logistic;
mod map_part;
mod map_values;
mod mass;
mod mixture;
mod otsu;
mod permutation;
mod quantile;
mod rank;
mod regions;
mod roc;
mod sweep;
mod volume;

pub use bootstrap::{Bootstrap, Interval, ValidBootstrap};
pub use control::random_control;
pub use dice::{dice, dice_of_counts};
pub use error::Error;
pub use faithfulness::{Infidelity, area_under_curve, infidelity};
pub use hausdorff::hausdorff95;
pub use label_free::LabelFree;
pub use logistic::Logistic;
pub use map_part::MapPart;
pub use map_values::MapValues;
pub use mass::{Mass, mass, mass_of_parts};
pub use mixture::{Component, gaussian_mixture, mixture_threshold};
pub use otsu::{otsu, otsu_weighted};
pub use permutation::paired_permutation_test;
pub use rank::spearman;
pub use regions::{RegionOverlap, focus};
pub use roc::{RocPoint, accuracy, roc_auc, roc_curve};
pub use sweep::{AtThreshold, Sweep, common_threshold, dice_at, oracle_dice};
pub use volume::top_by_volume;
