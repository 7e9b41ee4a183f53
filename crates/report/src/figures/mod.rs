//! A run's figures, as PNG files: plain values in, bytes out, the same bytes for the same values.
//!
//! | file | shows | paper |
//! |---|---|---|
//! | `figure1.png` | the pipeline on a case of the run: [`Pipeline`] | Figure 1 |
//! | `figure2.png` | slices through the tumour, outline, Grad-CAM, relevance: [`Comparison`] | Figure 2 |
//! | `explainers.png` | one case under every method, side by side: [`ComparisonCase::side_by_side`] | |
//! | `figure3.png` | maps over epochs with losses and focus: [`Epochs`] | Figure 3 |
//! | `methods.png` | Dice of every method with its interval: [`methods`] | section C |
//! | `roc.png` | the ROC curve: [`Roc`] | section B |
//! | `training.png` | losses, accuracy and AUC by epoch: [`training`] | |
//! | `convergence.png` | how far sampled explanations still move: [`convergence`] | |
//!
//! Slices are drawn with the geometry's spacing, anterior up and the patient's right at the left, as radiologists
//! look at them.

mod axes;
mod canvas;
mod colour;
mod comparison;
mod convergence;
mod epochs;
mod lettering;
mod methods;
mod panel;
mod pipeline;
mod plane;
mod roc;
mod training;

pub use comparison::{Comparison, ComparisonCase, ComparisonMap};
pub use convergence::{Settled, convergence};
pub use epochs::{EpochMap, Epochs, FocusPoint};
pub use methods::methods;
pub use pipeline::Pipeline;
pub use plane::{View, widest_slice};
pub use roc::Roc;
pub use training::{HistoryPoint, training};

#[cfg(test)]
mod tests;
