//! Relevance of one sequence: a region perturbed in that contrast alone.
//!
//! The paper perturbs all sequences at once; this tells which of them carries what the classifier sees in a region.
//! Where sequences stand in for one another the parts do not add up to the whole.

use ndarray::{ArrayView4, Axis};
use relevox_perturb::{Fill, Perturbation};
use slic3d::Supervoxels;

use crate::{Classifier, Error, Progress, RegionScores, score};

/// Another fill, of which only one sequence is taken.
#[derive(Clone, Copy)]
pub struct OneSequence<'a> {
    fill: &'a dyn Fill,
    channel: usize,
}

impl<'a> OneSequence<'a> {
    /// Takes the sequence `channel` of a fill, counted from 0 in the order of the image's channels.
    pub fn new(fill: &'a dyn Fill, channel: usize) -> Self {
        Self { fill, channel }
    }

    fn restrict(
        &self,
        image: ArrayView4<'_, f32>,
        mut change: Perturbation,
    ) -> Result<Perturbation, relevox_perturb::Error> {
        change.check(self.fill.name(), image.dim().into())?;
        let [z, y, x] = change.origin;
        let (channels, dz, dy, dx) = change.values.dim();
        if self.channel >= channels {
            return Err(relevox_perturb::Error::ShapeMismatch {
                what: "the scan's sequences, of which one is perturbed",
                expected: vec![self.channel + 1],
                found: vec![channels],
            });
        }
        let scan = image.slice(ndarray::s![.., z..z + dz, y..y + dy, x..x + dx]);
        for channel in (0..channels).filter(|&channel| channel != self.channel) {
            change.values.index_axis_mut(Axis(0), channel).assign(&scan.index_axis(Axis(0), channel));
        }
        let own = change.values.index_axis(Axis(0), self.channel);
        let differ = own.iter().zip(scan.index_axis(Axis(0), self.channel)).filter(|(new, old)| new != old);
        change.changed = differ.count();
        Ok(change)
    }
}

impl Fill for OneSequence<'_> {
    fn name(&self) -> &str {
        self.fill.name()
    }

    fn perturb(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        region: usize,
    ) -> Result<Perturbation, relevox_perturb::Error> {
        self.restrict(image, self.fill.perturb(image, regions, region)?)
    }

    fn perturb_batch(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        batch: &[usize],
    ) -> Result<Vec<Perturbation>, relevox_perturb::Error> {
        let changes = self.fill.perturb_batch(image, regions, batch)?;
        changes.into_iter().map(|change| self.restrict(image, change)).collect()
    }
}

/// The scores of each sequence's own perturbation, in the order of the image's channels.
///
/// `delta_p` and `delta_logit` compare between sequences; `relevance` is scaled within each.
///
/// # Shapes
/// `image` is `[c, z, y, x]`, the partition `[z, y, x]`; `c` tables come back.
///
/// # Errors
/// As [`Classifier::score_regions`].
pub fn score_sequences(
    classifier: &dyn Classifier,
    image: ArrayView4<'_, f32>,
    regions: &Supervoxels,
    fill: &dyn Fill,
    progress: Progress<'_>,
) -> Result<Vec<RegionScores>, Error> {
    let one = |channel| score(classifier, image, regions, &OneSequence::new(fill, channel), progress);
    (0..image.dim().0).map(one).collect()
}
