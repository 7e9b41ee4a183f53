//! How good a relevance map is: Dice and its thresholds, ranks, mass, surfaces, faithfulness, ROC AUC, intervals, tests.
//!
//! Plain arrays in, numbers out. A mask is always `map ≥ threshold`. A number that only someone who already has the
//! truth can reach is called *oracle*.
//!
//! ```
//! use ndarray::array;
//! use relevox_eval::{Bootstrap, RegionOverlap, oracle_dice};
//!
//! let labels = array![[1u32, 1, 2], [3, 3, 2]];
//! let truth = array![[true, true, false], [true, false, false]];
//! let overlap = RegionOverlap::count(labels.view(), &[1, 2, 3], None, truth.view())?;
//! let scores = [100.0, 0.0, 40.0]; // one per region
//! assert_eq!(overlap.ranked_dice(&scores, 1)?, 2.0 * 2.0 / (2.0 + 3.0));
//! assert_eq!(overlap.sweep(&scores)?.oracle().dice, overlap.ceiling());
//! let map = array![[100f32, 100.0, 0.0], [40.0, 40.0, 0.0]]; // the same scores, painted
//! assert_eq!(oracle_dice(map.view(), truth.view())?, overlap.sweep(&scores)?.oracle());
//! let over_cases = Bootstrap { resamples: 1000, seed: 1 }.mean(&[0.8, 0.5, 0.7])?;
//! assert!(over_cases.ci95[0] <= over_cases.mean && over_cases.mean <= over_cases.ci95[1]);
//! # Ok::<(), relevox_eval::Error>(())
//! ```

mod bootstrap;
mod control;
mod dice;
mod error;
mod faithfulness;
mod hausdorff;
mod logistic;
mod mass;
mod mixture;
mod otsu;
mod paired;
mod rank;
mod regions;
mod roc;
mod sweep;
mod volume;

pub use bootstrap::{Bootstrap, Interval};
pub use control::random_control;
pub use dice::{dice, dice_of_counts};
pub use error::Error;
pub use faithfulness::{Infidelity, area_under_curve, infidelity};
pub use hausdorff::hausdorff95;
pub use logistic::Logistic;
pub use mass::{Mass, mass, mass_of_parts};
pub use mixture::{Component, mixture_threshold, two_components};
pub use otsu::{otsu, otsu_weighted};
pub use paired::sign_flip;
pub use rank::spearman;
pub use regions::{RegionOverlap, focus};
pub use roc::{RocPoint, accuracy, roc_auc, roc_curve};
pub use sweep::{AtThreshold, Sweep, common_threshold, dice_at, oracle_dice};
pub use volume::top_by_volume;
