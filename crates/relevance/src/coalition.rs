//! A scan in which some regions are kept and all others replaced: what explainers that sample ask about.

use std::ops::Range;

use ndarray::{Array3, Array4, Array5, ArrayView4, Axis, Zip};
use relevox_perturb::Fill;
use slic3d::Supervoxels;

use crate::classifier::{check_grid, finite};
use crate::{Classifier, Error};

/// The region of a voxel that belongs to none: it is never replaced.
const NO_REGION: u32 = u32::MAX;

/// A scan, the same scan with every region replaced, and a classifier to ask about mixtures of the two.
///
/// Each region's replacement is that which the fill makes of it alone, so that a coalition that lacks one region is
/// the input that [`Classifier::score_regions`] asks about.
pub struct Coalitions<'a> {
    classifier: &'a dyn Classifier,
    image: ArrayView4<'a, f32>,
    replaced: Array4<f32>,
    region_of: Array3<u32>,
    players: Vec<usize>,
    regions: usize,
}

impl<'a> Coalitions<'a> {
    /// Replaces every region of a scan.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
    ///
    /// # Errors
    /// What the fill meets, a fill that doesn't fit the scan, a partition on another grid.
    pub fn new(
        classifier: &'a dyn Classifier,
        image: ArrayView4<'a, f32>,
        regions: &Supervoxels,
        fill: &dyn Fill,
    ) -> Result<Self, Error> {
        check_grid(image, regions)?;
        let shape: [usize; 4] = image.dim().into();
        let labels = regions.labels();
        let region_of = labels.mapv(|id| regions.index_of(id).map_or(NO_REGION, |region| region as u32));
        let mut replaced = image.to_owned();
        let mut players = Vec::new();
        let all: Vec<usize> = (0..regions.len()).collect();
        for asked in all.chunks(16) {
            for (change, &region) in fill.perturb_batch(image, regions, asked)?.into_iter().zip(asked) {
                change.check(fill.name(), shape)?;
                if change.changed > 0 {
                    players.push(region);
                }
                let [z, y, x] = change.origin;
                for ((channel, vz, vy, vx), &value) in change.values.indexed_iter() {
                    let voxel = [z + vz, y + vy, x + vx];
                    if region_of[voxel] == region as u32 {
                        replaced[[channel, voxel[0], voxel[1], voxel[2]]] = value;
                    }
                }
            }
        }
        Ok(Self { classifier, image, replaced, region_of, players, regions: regions.len() })
    }

    /// The regions that the fill changes, ascending: the others can't matter.
    pub fn players(&self) -> &[usize] {
        &self.players
    }

    /// Regions of the partition.
    pub fn regions(&self) -> usize {
        self.regions
    }

    /// How many mixtures go into one call of the classifier.
    pub(crate) fn batch_size(&self) -> usize {
        self.classifier.batch_size(self.image.dim().into()).max(1)
    }

    /// The logits of the scan with only some regions kept.
    ///
    /// # Shapes
    /// One flag for each region, `true` where it is kept; one logit for each coalition.
    ///
    /// # Errors
    /// What the classifier meets, a logit that is not finite, flags for another number of regions.
    pub fn logits(&self, coalitions: &[Vec<bool>]) -> Result<Vec<f64>, Error> {
        if let Some(odd) = coalitions.iter().find(|kept| kept.len() != self.regions) {
            return Err(Error::ShapeMismatch {
                what: "the regions of a coalition",
                expected: vec![self.regions],
                found: vec![odd.len()],
            });
        }
        self.ask(coalitions.len(), |index, mut input| {
            let kept = &coalitions[index];
            for (mut to, from) in input.axis_iter_mut(Axis(0)).zip(self.replaced.axis_iter(Axis(0))) {
                Zip::from(&mut to).and(from).and(&self.region_of).for_each(|to, &from, &region| {
                    if region != NO_REGION && !kept[region as usize] {
                        *to = from;
                    }
                });
            }
        })
    }

    /// The logits of mixtures that weigh the scan by a mask from 0 to 1, and the replaced scan by the rest.
    ///
    /// # Shapes
    /// Each mask is `[z, y, x]`; one logit for each.
    ///
    /// # Errors
    /// As [`Coalitions::logits`].
    pub(crate) fn mixed(&self, masks: &[Array3<f32>]) -> Result<Vec<f64>, Error> {
        self.ask(masks.len(), |index, mut input| {
            for (mut to, from) in input.axis_iter_mut(Axis(0)).zip(self.replaced.axis_iter(Axis(0))) {
                Zip::from(&mut to).and(from).and(&masks[index]).for_each(|to, &from, &share| {
                    *to = *to * share + from * (1.0 - share);
                });
            }
        })
    }

    /// The mean of a mask over each region.
    pub(crate) fn mean_by_region(&self, mask: &Array3<f32>, voxel_counts: &[usize]) -> Vec<f64> {
        let mut sums = vec![0.0; self.regions];
        Zip::from(mask).and(&self.region_of).for_each(|&value, &region| {
            if region != NO_REGION {
                sums[region as usize] += f64::from(value);
            }
        });
        sums.iter().zip(voxel_counts).map(|(sum, &voxels)| sum / voxels as f64).collect()
    }

    /// Asks about so many inputs, each the scan after `change`.
    fn ask(
        &self,
        inputs: usize,
        change: impl Fn(usize, ndarray::ArrayViewMut4<'_, f32>),
    ) -> Result<Vec<f64>, Error> {
        let (c, z, y, x) = self.image.dim();
        let mut found = Vec::with_capacity(inputs);
        for Range { start, end } in chunks(inputs, self.batch_size()) {
            let mut batch = Array5::zeros((end - start, c, z, y, x));
            for (mut input, index) in batch.axis_iter_mut(Axis(0)).zip(start..end) {
                input.assign(&self.image);
                change(index, input);
            }
            let logits = self.classifier.logits(batch.view())?;
            if logits.len() != end - start {
                return Err(Error::LogitCount { expected: end - start, found: logits.len() });
            }
            finite(&logits, |i| format!("coalition {}", start + i))?;
            found.extend(logits.into_iter().map(f64::from));
        }
        Ok(found)
    }
}

fn chunks(n: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n.div_ceil(size)).map(move |part| part * size..((part + 1) * size).min(n))
}
