//! Mixtures of a scan and its replaced regions, for explainers that change many regions at once.

use ndarray::{Array3, Array4, Array5, ArrayViewMut4, Axis, Zip};
use relevox_perturb::{Fill, check_patch};
use slic3d::Supervoxels;

use crate::classifier::checked;
use crate::region_logits::{check_grid, patches};
use crate::{Baseline, Error, Target};

/// The region of a voxel that belongs to none: it is never replaced.
const NO_REGION: u32 = u32::MAX;
/// Regions in one call of the fill: bounds the memory, whatever the partition.
const TOGETHER: usize = 16;

/// A scan, the same scan with every region replaced, and the classifier's logit of mixtures of the two.
///
/// Each region's replacement is what the fill makes of it on its own, so that a coalition that lacks one region is the
/// input of [`region_logits`](crate::region_logits) for that region.
pub struct Coalitions<'a> {
    baseline: &'a dyn Baseline,
    target: Target,
    replaced: Array4<f32>,
    region_of: Array3<u32>,
    players: Vec<usize>,
    /// Number of voxels that the fill changes, by region.
    changed: Vec<usize>,
}

impl<'a> Coalitions<'a> {
    /// Replaces every region of a baseline's scan.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the partition lies on another grid, [`Error::OutOfRange`] or
    /// [`Error::InvalidSetting`] if the classifier does not have the target, [`Error::Fill`] if the fill fails or its
    /// patches do not fit.
    pub fn new(
        baseline: &'a dyn Baseline,
        regions: &Supervoxels,
        fill: &dyn Fill,
        target: &Target,
    ) -> Result<Self, Error> {
        let image = baseline.image();
        check_grid(image, regions)?;
        target.check(baseline.logits().len())?;
        let labels = regions.labels();
        let region_of = labels.mapv(|id| regions.index_of(id).map_or(NO_REGION, |region| region as u32));
        let mut replaced = image.to_owned();
        let mut changed = vec![0; regions.len()];
        let all: Vec<usize> = (0..regions.len()).collect();
        for asked in all.chunks(TOGETHER) {
            for (patch, &region) in patches(fill, image, regions, asked)?.into_iter().zip(asked) {
                changed[region] = check_patch(fill.name(), image, &patch)?;
                let [z, y, x] = patch.bounds().start;
                for ((channel, vz, vy, vx), &value) in patch.values().indexed_iter() {
                    let voxel = [z + vz, y + vy, x + vx];
                    if region_of[voxel] == region as u32 {
                        replaced[[channel, voxel[0], voxel[1], voxel[2]]] = value;
                    }
                }
            }
        }
        let players = (0..regions.len()).filter(|&region| changed[region] > 0).collect();
        Ok(Self { baseline, target: *target, replaced, region_of, players, changed })
    }

    /// Returns the regions that the fill changes, ascending: the others have no effect.
    pub fn players(&self) -> &[usize] {
        &self.players
    }

    /// Returns the number of regions of the partition.
    pub fn regions(&self) -> usize {
        self.changed.len()
    }

    /// Returns the number of voxels that the fill changes, by region.
    pub(crate) fn changed(&self) -> &[usize] {
        &self.changed
    }

    /// Returns the explained output.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Returns whether a coalition has to be computed: it lacks a region that the fill changes.
    pub(crate) fn is_changed(&self, kept: &[bool]) -> bool {
        self.players.iter().any(|&player| !kept[player])
    }

    /// Returns the number of mixtures worth computing together.
    pub(crate) fn batch_size(&self) -> usize {
        self.baseline.whole_batch_size().max(1)
    }

    /// Computes the target's logit for each coalition: the scan with only some regions kept. The whole scan's is that of
    /// the baseline.
    ///
    /// # Shapes
    /// A coalition has one flag per region, `true` where it is kept; the result has one logit per coalition.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if a coalition has another number of regions, [`Error::NonFinite`] if a logit is
    /// NaN or infinite, and the classifier's own error.
    pub fn logits(&self, coalitions: &[Vec<bool>]) -> Result<Vec<f64>, Error> {
        Ok(self.outputs(coalitions)?.iter().map(|outputs| self.target.logit(outputs)).collect())
    }

    /// Computes all outputs for each coalition, `[k]` each.
    ///
    /// # Errors
    /// As [`Coalitions::logits`].
    pub(crate) fn outputs(&self, coalitions: &[Vec<bool>]) -> Result<Vec<Vec<f32>>, Error> {
        if let Some(odd) = coalitions.iter().find(|kept| kept.len() != self.regions()) {
            return Err(Error::ShapeMismatch {
                what: "the regions of a coalition",
                expected: vec![self.regions()],
                found: vec![odd.len()],
            });
        }
        let asked: Vec<usize> =
            (0..coalitions.len()).filter(|&index| self.is_changed(&coalitions[index])).collect();
        let found = self.compute(&asked, |index, mut input| {
            let kept = &coalitions[index];
            for (mut to, from) in input.axis_iter_mut(Axis(0)).zip(self.replaced.axis_iter(Axis(0))) {
                Zip::from(&mut to).and(from).and(&self.region_of).for_each(|to, &from, &region| {
                    if region != NO_REGION && !kept[region as usize] {
                        *to = from;
                    }
                });
            }
        })?;
        let mut outputs = vec![self.baseline.logits().to_vec(); coalitions.len()];
        asked.into_iter().zip(found).for_each(|(index, found)| outputs[index] = found);
        Ok(outputs)
    }

    /// Computes the target's logit for mixtures that weight the scan by a mask from 0 to 1, and the replaced scan by the
    /// rest.
    ///
    /// # Shapes
    /// Each mask is `[z, y, x]`; the result has one logit per mask.
    ///
    /// # Errors
    /// As [`Coalitions::logits`].
    pub(crate) fn mixed(&self, masks: &[Array3<f32>]) -> Result<Vec<f64>, Error> {
        let all: Vec<usize> = (0..masks.len()).collect();
        let outputs = self.compute(&all, |index, mut input| {
            for (mut to, from) in input.axis_iter_mut(Axis(0)).zip(self.replaced.axis_iter(Axis(0))) {
                Zip::from(&mut to).and(from).and(&masks[index]).for_each(|to, &from, &share| {
                    *to = *to * share + from * (1.0 - share);
                });
            }
        })?;
        Ok(outputs.iter().map(|outputs| self.target.logit(outputs)).collect())
    }

    /// Computes the mean of a mask over each region.
    pub(crate) fn mean_by_region(&self, mask: &Array3<f32>, voxel_counts: &[usize]) -> Vec<f64> {
        let mut sums = vec![0.0; self.regions()];
        Zip::from(mask).and(&self.region_of).for_each(|&value, &region| {
            if region != NO_REGION {
                sums[region as usize] += f64::from(value);
            }
        });
        sums.iter().zip(voxel_counts).map(|(sum, &voxels)| sum / voxels as f64).collect()
    }

    /// Computes the outputs of some indices, each of the scan after `change`.
    fn compute(
        &self,
        indices: &[usize],
        change: impl Fn(usize, ArrayViewMut4<'_, f32>),
    ) -> Result<Vec<Vec<f32>>, Error> {
        let image = self.baseline.image();
        let (c, z, y, x) = image.dim();
        let mut found = Vec::with_capacity(indices.len());
        for together in indices.chunks(self.batch_size()) {
            let mut batch = Array5::zeros((together.len(), c, z, y, x));
            for (mut input, &index) in batch.axis_iter_mut(Axis(0)).zip(together) {
                input.assign(&image);
                change(index, input);
            }
            let shape = [together.len(), self.baseline.logits().len()];
            let name = |row: usize| format!("coalition {}", together[row]);
            let logits = checked(self.baseline.whole(batch.view())?, shape, name)?;
            found.extend(logits.rows().into_iter().map(|row| row.to_vec()));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayView5;
    use relevox_perturb::ConstantFill;

    use super::*;
    use crate::Classifier;

    /// Regions of one, two and three voxels, and two voxels of background.
    fn regions() -> Supervoxels {
        let labels = Array3::from_shape_vec((1, 2, 4), vec![9, 1, 1, 4, 9, 4, 4, 0]).unwrap();
        Supervoxels::from_labels(labels, Some(9)).unwrap()
    }

    #[test]
    fn a_mask_s_mean_over_a_region_is_its_sum_over_the_number_of_voxels() {
        let (image, regions) = (Array4::<f32>::ones((1, 1, 2, 4)), regions());
        let sum = |batch: ArrayView5<'_, f32>| -> Result<Vec<f32>, Error> {
            Ok(batch.outer_iter().map(|image| image.sum()).collect())
        };
        let baseline = sum.baseline(image.view()).unwrap();
        let blank = ConstantFill::from_values("blank", vec![0.0]).unwrap();
        let coalitions = Coalitions::new(&*baseline, &regions, &blank, &Target::default()).unwrap();
        let values = vec![0.0, 0.25, 0.75, 0.75, 0.0, 0.0, 0.0, 0.125];
        let mask = Array3::from_shape_vec((1, 2, 4), values).unwrap();
        assert_eq!(coalitions.mean_by_region(&mask, regions.voxel_counts()), [0.125, 0.5, 0.25]);
        // A mixture holds as much of each voxel as the mask keeps; the background is never replaced.
        assert_eq!(coalitions.mixed(&[mask]).unwrap(), [0.25 + 0.75 + 0.75 + 0.125 + 2.0]);
    }
}
