//! Occlusion: a box slid over the scan, whatever the regions.
//!
//! M. D. Zeiler and R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014,
//! <https://doi.org/10.1007/978-3-319-10590-1_53>. A voxel has the mean change of the boxes that hold it; a region the
//! mean of its voxels.
//!
//! **What it finds.** As one region at a time: a sum by its share and an AND; of an OR whose parts no box holds together,
//! and of a saturated sum, nothing. Edges are as blurred as the box is large.

use ndarray::{Array3, ArrayView4};
use relevox_perturb::Fill;
use slic3d::Supervoxels;

use crate::classifier::check_grid;
use crate::map::mean_by_region;
use crate::{Attribution, Classifier, Error, Progress};

/// Settings of [`occlusion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occlusion {
    /// Voxels of the box along z, y and x.
    pub size: [usize; 3],
    /// How many steps a box takes along each axis until it has left its first place: 1 tiles the scan, 2 slides by half
    /// a box.
    pub overlap: usize,
}

impl Default for Occlusion {
    fn default() -> Self {
        Self { size: [16; 3], overlap: 2 }
    }
}

/// The signed change of the logit by occlusion, original − occluded, averaged over the boxes that hold a voxel and over
/// the voxels of a region.
///
/// Boxes that lie apart are scored together as a partition, so that a classifier that is quick with partitions is
/// quick here. `progress` is told of the boxes; there are [`Occlusion::boxes`].
///
/// # Shapes
/// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
///
/// # Errors
/// Settings out of range, what the classifier or the fill meets, and [`Error::Cancelled`].
pub fn occlusion(
    classifier: &dyn Classifier,
    image: ArrayView4<'_, f32>,
    regions: &Supervoxels,
    fill: &dyn Fill,
    settings: &Occlusion,
    progress: Progress<'_>,
) -> Result<Attribution, Error> {
    check_grid(image, regions)?;
    let map = occlusion_map(classifier, image, fill, settings, progress)?;
    Ok(Attribution { values: mean_by_region(regions, map.view())?, convergence: Vec::new() })
}

/// The same by voxel, `[z, y, x]`.
///
/// # Errors
/// As [`occlusion`].
pub fn occlusion_map(
    classifier: &dyn Classifier,
    image: ArrayView4<'_, f32>,
    fill: &dyn Fill,
    settings: &Occlusion,
    progress: Progress<'_>,
) -> Result<Array3<f64>, Error> {
    let (_, z, y, x) = image.dim();
    let mut sum = Array3::<f64>::zeros((z, y, x));
    let tilings = settings.tilings([z, y, x])?;
    let count = tilings.len() as f64;
    for labels in tilings {
        let boxes = Supervoxels::from_labels(labels, None).map_err(|_| Error::ShapeMismatch {
            what: "the voxels of the scan, at least",
            expected: vec![1, 1, 1],
            found: vec![z, y, x],
        })?;
        let logits = classifier.score_regions(image, &boxes, fill, progress)?;
        ndarray::Zip::from(&mut sum).and(boxes.labels()).for_each(|sum, &id| {
            if let Some(index) = boxes.index_of(id) {
                *sum += f64::from(logits.original) - f64::from(logits.perturbed[index]);
            }
        });
    }
    Ok(sum / count)
}

impl Occlusion {
    /// How many boxes a scan of this shape `[z, y, x]` takes.
    ///
    /// # Errors
    /// Settings out of range.
    pub fn boxes(&self, shape: [usize; 3]) -> Result<usize, Error> {
        let of = |offset: [usize; 3]| -> usize {
            (0..3).map(|axis| (shape[axis] + offset[axis]).div_ceil(self.size[axis])).product()
        };
        Ok(self.offsets()?.into_iter().map(of).sum())
    }

    /// By how many voxels each tiling begins before the scan.
    fn offsets(&self) -> Result<Vec<[usize; 3]>, Error> {
        let refuse = |setting, expected, found: usize| {
            Err(Error::Setting { explainer: "occlusion", setting, expected, found: found as f64 })
        };
        let smallest = self.size.into_iter().min().unwrap_or(0);
        if smallest == 0 {
            return refuse("size", "at least 1 voxel along each axis", 0);
        }
        if self.overlap == 0 || self.overlap > smallest {
            return refuse("overlap", "1 up to the size of the box in voxels", self.overlap);
        }
        let steps = self.overlap;
        let place = |step: usize, axis: usize| self.size[axis] * step / steps;
        Ok((0..steps.pow(3))
            .map(|n| [place(n / steps / steps, 0), place(n / steps % steps, 1), place(n % steps, 2)])
            .collect())
    }

    fn tilings(&self, shape: [usize; 3]) -> Result<Vec<Array3<u32>>, Error> {
        let tiling = |offset: [usize; 3]| {
            let along = |axis: usize| (shape[axis] + offset[axis]).div_ceil(self.size[axis]);
            Array3::from_shape_fn(shape, |(z, y, x)| {
                let place = |voxel: usize, axis: usize| (voxel + offset[axis]) / self.size[axis];
                ((place(z, 0) * along(1) + place(y, 1)) * along(2) + place(x, 2)) as u32
            })
        };
        Ok(self.offsets()?.into_iter().map(tiling).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voxel_is_held_by_as_many_boxes() {
        let settings = Occlusion { size: [4, 3, 5], overlap: 2 };
        let tilings = settings.tilings([7, 9, 6]).unwrap();
        assert_eq!(tilings.len(), 8);
        let mut boxes = 0;
        for labels in tilings {
            let partition = Supervoxels::from_labels(labels, None).unwrap();
            boxes += partition.len();
            for region in 0..partition.len() {
                let sides = partition.bounds(region).map(|side| side.len());
                assert!(sides.iter().zip(settings.size).all(|(side, most)| *side <= most));
                assert_eq!(partition.voxel_counts()[region], sides.iter().product::<usize>());
            }
        }
        assert_eq!(settings.boxes([7, 9, 6]).unwrap(), boxes);
    }

    #[test]
    fn impossible_boxes_are_refused() {
        assert!(Occlusion { size: [4, 0, 4], overlap: 1 }.boxes([8, 8, 8]).is_err());
        assert!(Occlusion { size: [4, 2, 4], overlap: 3 }.boxes([8, 8, 8]).is_err());
        assert!(Occlusion { size: [4, 2, 4], overlap: 0 }.boxes([8, 8, 8]).is_err());
    }
}
