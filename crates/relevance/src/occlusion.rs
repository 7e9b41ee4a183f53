//! Occlusion: a box slid over the scan, independent of the regions.
//!
//! M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
//! <https://doi.org/10.1007/978-3-319-10590-1_53>. A voxel has the mean change of the boxes that contain it; a region the
//! mean of its voxels.
//!
//! **What it finds.** As one region at a time: a sum by its share and an AND; of an OR whose parts no box holds together,
//! and of a saturated sum, nothing. Edges are as blurred as the box is large.

use ndarray::Array3;
use relevox_perturb::Fill;
use slic3d::Supervoxels;

use crate::explainer::{Explainer, Inputs};
use crate::map::mean_by_region;
use crate::region_logits::{check_grid, region_logits};
use crate::{Attribution, Baseline, Error, Progress, Target};

/// Settings of occlusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct Occlusion {
    /// Size of the box in voxels, `[z, y, x]`, at least 1 each.
    pub size: [usize; 3],
    /// Number of steps along each axis after which a box no longer overlaps its first position, from 1 to the smallest
    /// size: 1 tiles the scan, 2 slides by half a box.
    pub overlap: usize,
}

impl Default for Occlusion {
    fn default() -> Self {
        Self { size: [16; 3], overlap: 2 }
    }
}

checked! {
    /// Valid settings of [`Occlusion`].
    #[derive(Eq)]
    pub struct ValidOcclusion(Occlusion);
}

impl Occlusion {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] with the first setting that is out of range.
    pub fn check(self) -> Result<ValidOcclusion, Error> {
        let smallest = self.size.into_iter().min().unwrap_or(0);
        if smallest == 0 {
            let found = format!("{:?}", self.size);
            return Err(Error::setting("occlusion: size", "at least 1 voxel along each axis", found));
        }
        if self.overlap == 0 || self.overlap > smallest {
            let expected = format!("1 to {smallest}, the size of the box in voxels");
            return Err(Error::setting("occlusion: overlap", expected, self.overlap));
        }
        Ok(ValidOcclusion(self))
    }
}

impl Explainer for ValidOcclusion {
    fn explain(&self, inputs: &Inputs<'_>, progress: Progress<'_>) -> Result<Attribution, Error> {
        let Inputs { baseline, regions, fill, target } = *inputs;
        check_grid(baseline.image(), regions)?;
        let map = self.map(baseline, fill, target, progress)?;
        Attribution::new(baseline, regions, target, mean_by_region(regions, map.view())?)
    }
}

impl ValidOcclusion {
    /// Computes the signed change of the logit by voxel, original − occluded, averaged over the boxes that contain it.
    ///
    /// Boxes that do not overlap are computed together as a partition, so that a fast baseline is fast here. `progress` is
    /// called with the number of finished boxes, of [`ValidOcclusion::boxes`].
    ///
    /// # Shapes
    /// The result is `[z, y, x]`.
    ///
    /// # Errors
    /// As [`Explainer::explain`].
    pub fn map(
        &self,
        baseline: &dyn Baseline,
        fill: &dyn Fill,
        target: &Target,
        progress: Progress<'_>,
    ) -> Result<Array3<f64>, Error> {
        target.check(baseline.logits().len())?;
        let (_, z, y, x) = baseline.image().dim();
        let original = target.logit(baseline.logits());
        let mut sum = Array3::<f64>::zeros((z, y, x));
        let tilings = self.tilings([z, y, x]);
        let count = tilings.len() as f64;
        for labels in tilings {
            let boxes = Supervoxels::from_labels(labels, None).map_err(|_| Error::ShapeMismatch {
                what: "the voxels of the scan, at least",
                expected: vec![1, 1, 1],
                found: vec![z, y, x],
            })?;
            let logits = region_logits(baseline, &boxes, fill, progress)?;
            let of_box = |row: usize| target.logit(&logits.perturbed.row(row).to_vec());
            let perturbed: Vec<f64> = (0..boxes.len()).map(of_box).collect();
            ndarray::Zip::from(&mut sum).and(boxes.labels()).for_each(|sum, &id| {
                if let Some(index) = boxes.index_of(id) {
                    *sum += original - perturbed[index];
                }
            });
        }
        Ok(sum / count)
    }

    /// Returns the number of boxes for a scan of this shape `[z, y, x]`.
    pub fn boxes(&self, shape: [usize; 3]) -> usize {
        let of = |offset: [usize; 3]| -> usize {
            (0..3).map(|axis| (shape[axis] + offset[axis]).div_ceil(self.0.size[axis])).product()
        };
        self.offsets().into_iter().map(of).sum()
    }

    /// Voxels by which each tiling begins before the scan.
    fn offsets(&self) -> Vec<[usize; 3]> {
        let Occlusion { size, overlap: steps } = self.0;
        let offset = |step: usize, axis: usize| size[axis] * step / steps;
        (0..steps.pow(3))
            .map(|n| [offset(n / steps / steps, 0), offset(n / steps % steps, 1), offset(n % steps, 2)])
            .collect()
    }

    /// Labels of the boxes, for each offset.
    fn tilings(&self, shape: [usize; 3]) -> Vec<Array3<u32>> {
        let size = self.0.size;
        let tiling = |offset: [usize; 3]| {
            let along = |axis: usize| (shape[axis] + offset[axis]).div_ceil(size[axis]);
            Array3::from_shape_fn(shape, |(z, y, x)| {
                let index = |voxel: usize, axis: usize| (voxel + offset[axis]) / size[axis];
                ((index(z, 0) * along(1) + index(y, 1)) * along(2) + index(x, 2)) as u32
            })
        };
        self.offsets().into_iter().map(tiling).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voxel_lies_in_as_many_boxes() {
        let settings = Occlusion { size: [4, 3, 5], overlap: 2 }.check().unwrap();
        let tilings = settings.tilings([7, 9, 6]);
        assert_eq!(tilings.len(), 8);
        let mut boxes = 0;
        for labels in tilings {
            let partition = Supervoxels::from_labels(labels, None).unwrap();
            boxes += partition.len();
            for region in 0..partition.len() {
                let sides = partition.bounds(region).map(|side| side.len());
                assert!(sides.iter().zip(settings.settings().size).all(|(side, most)| *side <= most));
                assert_eq!(partition.voxel_counts()[region], sides.iter().product::<usize>());
            }
        }
        assert_eq!(settings.boxes([7, 9, 6]), boxes);
    }

    #[test]
    fn impossible_boxes_are_refused() {
        assert!(Occlusion { size: [4, 0, 4], overlap: 1 }.check().is_err());
        assert!(Occlusion { size: [4, 2, 4], overlap: 3 }.check().is_err());
        assert!(Occlusion { size: [4, 2, 4], overlap: 0 }.check().is_err());
    }
}
