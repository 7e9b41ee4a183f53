//! The contract of an explainer.

use relevox_perturb::Fill;
use slic3d::Supervoxels;

use crate::coalition::Coalitions;
use crate::{Attribution, Baseline, Error, Progress, Target};

/// Inputs of an explainer.
///
/// # Shapes
/// The partition is `[z, y, x]`, the baseline's scan `[c, z, y, x]`.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The scan and the classifier's outputs for it.
    pub baseline: &'a dyn Baseline,
    /// The scan's partition.
    pub regions: &'a Supervoxels,
    /// What replaces a region.
    pub fill: &'a dyn Fill,
    /// The explained output.
    pub target: &'a Target,
}

impl<'a> Inputs<'a> {
    /// Replaces every region of the scan, for explainers and measures that replace many at once.
    ///
    /// # Errors
    /// As [`Coalitions::new`].
    pub fn coalitions(&self) -> Result<Coalitions<'a>, Error> {
        Coalitions::new(self.baseline, self.regions, self.fill, self.target)
    }
}

/// A method that attributes a classifier's output for a scan to the regions of a partition.
pub trait Explainer {
    /// Explains the target for the scan of a baseline. `progress` is called with the number of finished regions, samples
    /// or boxes.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if a setting is out of range, [`Error::OutOfRange`] if the classifier does not
    /// have the target, [`Error::ShapeMismatch`] if partition, fill and scan do not fit together, [`Error::NonFinite`] if
    /// the classifier returns NaN or an infinity, [`Error::Cancelled`] if `progress` breaks, and the errors of the
    /// classifier and the fill.
    fn explain(&self, inputs: &Inputs<'_>, progress: Progress<'_>) -> Result<Attribution, Error>;
}

/// An explainer that replaces many regions at once.
pub trait CoalitionExplainer {
    /// Explains the target, as [`Explainer::explain`] does, with the coalitions of the same inputs, which several explainers
    /// can share.
    ///
    /// # Errors
    /// As [`Explainer::explain`].
    fn explain_coalitions(
        &self,
        inputs: &Inputs<'_>,
        coalitions: &Coalitions<'_>,
        progress: Progress<'_>,
    ) -> Result<Attribution, Error>;
}

impl<E: CoalitionExplainer> Explainer for E {
    fn explain(&self, inputs: &Inputs<'_>, progress: Progress<'_>) -> Result<Attribution, Error> {
        self.explain_coalitions(inputs, &inputs.coalitions()?, progress)
    }
}
