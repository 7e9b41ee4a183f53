//! Relevance of single channels: a region replaced in one MRI contrast only.
//!
//! The paper perturbs all sequences at once; this shows which of them carries a region's evidence. Where sequences can
//! stand in for one another, the parts do not add up to the whole.

use ndarray::{Axis, s};
use relevox_perturb::{Fill, ImageView, Patch, Result, check_patch};
use slic3d::Supervoxels;

use crate::scores::{RegionScores, score};
use crate::{Baseline, Error, Progress, Target};

/// A fill restricted to one channel.
#[derive(Clone, Copy)]
pub struct OneChannel<'a> {
    fill: &'a dyn Fill,
    channel: usize,
}

impl<'a> OneChannel<'a> {
    /// Restricts a fill to a channel of the image, counted from 0.
    pub fn new(fill: &'a dyn Fill, channel: usize) -> Self {
        Self { fill, channel }
    }

    /// Puts the scan's values back into the other channels.
    fn restrict(&self, image: ImageView<'_>, mut patch: Patch) -> Result<Patch> {
        check_patch(self.fill.name(), image, &patch)?;
        let [z, y, x] = patch.bounds().ranges();
        let scan = image.slice(s![.., z, y, x]);
        let mut values = patch.values_mut();
        for channel in (0..image.dim().0).filter(|&channel| channel != self.channel) {
            values.index_axis_mut(Axis(0), channel).assign(&scan.index_axis(Axis(0), channel));
        }
        Ok(patch)
    }
}

impl Fill for OneChannel<'_> {
    fn name(&self) -> &str {
        self.fill.name()
    }

    fn patches(&self, image: ImageView<'_>, regions: &Supervoxels, batch: &[usize]) -> Result<Vec<Patch>> {
        let (found, len) = (self.channel, image.dim().0);
        if found >= len {
            return Err(relevox_perturb::Error::OutOfRange { what: "channel", len, found });
        }
        let patches = self.fill.patches(image, regions, batch)?;
        patches.into_iter().map(|patch| self.restrict(image, patch)).collect()
    }
}

/// Scores the regions in each channel on its own, in the order of the image's channels.
///
/// `delta_p` and `delta_logit` can be compared between channels; `relevance` is scaled within each.
///
/// # Shapes
/// The result holds one table for each channel.
///
/// # Errors
/// As [`score`].
pub fn score_channels(
    baseline: &dyn Baseline,
    regions: &Supervoxels,
    fill: &dyn Fill,
    target: &Target,
    progress: Progress<'_>,
) -> Result<Vec<RegionScores>, Error> {
    let one = |channel| score(baseline, regions, &OneChannel::new(fill, channel), target, progress);
    (0..baseline.image().dim().0).map(one).collect()
}
