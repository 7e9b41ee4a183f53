//! The contract of an explainer.

use relevox_perturb::Fill;
use slic3d::Supervoxels;

use crate::{Attribution, Baseline, Error, Progress, Target};

/// A method that attributes a classifier's output for a scan to the regions of a partition.
pub trait Explainer {
    /// Explains the target for the scan of a baseline. `progress` is called with the number of finished regions, samples
    /// or boxes.
    ///
    /// # Shapes
    /// The partition is `[z, y, x]`, the baseline's scan `[c, z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if a setting is out of range, [`Error::OutOfRange`] if the classifier does not
    /// have the target, [`Error::ShapeMismatch`] if partition, fill and scan do not fit together, [`Error::NonFinite`] if
    /// the classifier returns NaN or an infinity, [`Error::Cancelled`] if `progress` breaks, and the errors of the
    /// classifier and the fill.
    fn explain(
        &self,
        baseline: &dyn Baseline,
        regions: &Supervoxels,
        fill: &dyn Fill,
        target: &Target,
        progress: Progress<'_>,
    ) -> Result<Attribution, Error>;
}
