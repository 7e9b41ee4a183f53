//! Figures of a run as PNG files. Equal values give equal bytes.
//!
//! | file | shows | paper |
//! |---|---|---|
//! | `figure1.png` | the pipeline on one case: [`Pipeline`] | Figure 1 |
//! | `figure2.png` | slices through the tumour with outline and maps: [`Comparison`] | Figure 2 |
//! | `glance.png` | one case under the main methods: [`ComparisonCase::side_by_side`] | |
//! | `explainers.png` | one case under every method: [`ComparisonCase::side_by_side`] | |
//! | `figure3.png` | maps over epochs, with losses and focus: [`Epochs`] | Figure 3 |
//! | `methods.png` | Dice of every method with intervals: [`methods`] | section C |
//! | `ceiling.png` | the share of the regions' ceiling that each method reaches: [`ceiling`] | |
//! | `roc.png` | the ROC curve: [`Roc`] | section B |
//! | `training.png` | losses, accuracy and AUC by epoch: [`training`] | |
//! | `convergence.png` | convergence of explainers that sample: [`convergence`] | |
//! | | cost by size, in two charts: [`growth`] | |
//! | `overview.png` | the most relevant regions of an explanation in three planes: [`Overview`] | |
//!
//! Slices are drawn with the grid's spacing and in radiological orientation: anterior up, the patient's right on the
//! left.

mod axes;
mod canvas;
mod ceiling;
pub(crate) mod colour;
mod comparison;
mod convergence;
mod epochs;
mod growth;
mod lettering;
mod methods;
mod overview;
mod panel;
mod pipeline;
mod plane;
mod roc;
mod training;

pub use ceiling::ceiling;
pub use comparison::{Comparison, ComparisonCase, ComparisonMap};
pub use convergence::{Convergence, convergence};
pub use epochs::{EpochMap, Epochs, FocusPoint};
pub use growth::{Growth, growth};
pub use methods::methods;
pub use overview::{Overview, OverviewRegion};
pub use pipeline::Pipeline;
pub use plane::{View, widest_slice};
pub use roc::Roc;
pub use training::{HistoryPoint, training};

#[cfg(test)]
mod tests;
