//! Typical intensities of a scan's regions, found without labels.
//!
//! The regions' mean intensities are clustered by k-means: S. P. Lloyd, "Least squares quantization in PCM", IEEE
//! Transactions on Information Theory 28(2), 1982, <https://doi.org/10.1109/TIT.1982.1056489>. Nothing is drawn at random:
//! the first centres are quantiles of brightness, and the final ones are sorted by it, so that the k-th means much the same
//! tissue in every scan.

use relevox_grid::ImageView;
use slic3d::Supervoxels;

use crate::Error;
use crate::replace::check_region;

/// Largest number of assignments of regions to centres.
const ITERATIONS: usize = 50;

/// Mean intensities of a scan's regions, without voxels of air.
#[derive(Clone, Debug, PartialEq)]
pub struct Tissues(Vec<Region>);

/// A region's voxels other than air (0 in all channels).
#[derive(Clone, Debug, PartialEq)]
struct Region {
    mean: Vec<f64>,
    voxels: f64,
}

impl Tissues {
    /// Computes the mean intensities of all regions.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the partition lies on another grid.
    pub fn of(image: ImageView<'_>, regions: &Supervoxels) -> Result<Self, Error> {
        check_region(image, regions, 0)?;
        let channels = image.dim().0;
        let mean = |region: usize| {
            let (mut sums, mut voxels) = (vec![0.0; channels], 0.0);
            for [z, y, x] in regions.voxels(region) {
                if (0..channels).all(|channel| image[[channel, z, y, x]] == 0.0) {
                    continue;
                }
                voxels += 1.0;
                for (channel, sum) in sums.iter_mut().enumerate() {
                    *sum += f64::from(image[[channel, z, y, x]]);
                }
            }
            Region { mean: sums.into_iter().map(|sum| sum / f64::max(voxels, 1.0)).collect(), voxels }
        };
        Ok(Self((0..regions.len()).map(mean).collect()))
    }

    /// Returns `count` typical intensities of the regions other than `region`, one value per channel, from dark to bright:
    /// the centres of their clusters, weighted by volume. With fewer regions than clusters some are equal. If all other regions are
    /// air, all are the region's own mean: there is no other tissue.
    ///
    /// # Panics
    /// If `region` is not an index into the partition.
    pub fn others(&self, region: usize, count: usize) -> Vec<Vec<f32>> {
        let in_float = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        let mut others: Vec<&Region> = self.0.iter().collect();
        others.remove(region);
        others.retain(|other| other.voxels > 0.0);
        if others.is_empty() {
            return vec![in_float(&self.0[region].mean); count];
        }
        others.sort_by(|a, b| brightness(&a.mean).total_cmp(&brightness(&b.mean)));
        let mut centres = clusters(&others, quantiles(&others, count));
        centres.sort_by(|a, b| brightness(a).total_cmp(&brightness(b)));
        centres.iter().map(|centre| in_float(centre)).collect()
    }
}

/// Computes the mean over the channels.
fn brightness(intensities: &[f64]) -> f64 {
    intensities.iter().sum::<f64>() / intensities.len() as f64
}

/// Returns the regions at `count` quantiles of the volume, of regions in order.
fn quantiles(regions: &[&Region], count: usize) -> Vec<Vec<f64>> {
    let total: f64 = regions.iter().map(|region| region.voxels).sum();
    let (mut at, mut below) = (0, 0.0);
    (0..count)
        .map(|quantile| {
            let wanted = total * (quantile as f64 + 0.5) / count as f64;
            while at + 1 < regions.len() && below + regions[at].voxels < wanted {
                below += regions[at].voxels;
                at += 1;
            }
            regions[at].mean.clone()
        })
        .collect()
}

/// Moves each centre to the mean of the regions nearest to it until none moves; a centre without regions stays.
fn clusters(regions: &[&Region], mut centres: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let distance = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum() };
    for _ in 0..ITERATIONS {
        let mut sums: Vec<(Vec<f64>, f64)> =
            centres.iter().map(|centre| (vec![0.0; centre.len()], 0.0)).collect();
        for region in regions {
            let to = |centre: &Vec<f64>| distance(centre, &region.mean);
            let nearest = (1..centres.len())
                .fold(0, |best, next| if to(&centres[next]) < to(&centres[best]) { next } else { best });
            let (sum, voxels) = &mut sums[nearest];
            sum.iter_mut().zip(&region.mean).for_each(|(sum, value)| *sum += region.voxels * value);
            *voxels += region.voxels;
        }
        let moved: Vec<Vec<f64>> = sums
            .into_iter()
            .zip(&centres)
            .map(|((sum, voxels), centre)| match voxels > 0.0 {
                true => sum.into_iter().map(|sum| sum / voxels).collect(),
                false => centre.clone(),
            })
            .collect();
        if moved == centres {
            break;
        }
        centres = moved;
    }
    centres
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Array4};

    use super::*;

    /// A row of regions of two voxels, with these intensities in two channels.
    fn row(values: &[[f32; 2]]) -> (Array4<f32>, Supervoxels) {
        let image = Array4::from_shape_fn((2, 1, 2, values.len()), |(c, _, _, x)| values[x][c]);
        let labels = Array3::from_shape_fn((1, 2, values.len()), |(_, _, x)| x as u32);
        (image, Supervoxels::from_labels(labels, None).unwrap())
    }

    #[test]
    fn clusters_of_the_other_regions_come_from_dark_to_bright() {
        let (image, regions) =
            row(&[[0.9, 0.7], [0.0, 0.0], [0.2, 0.1], [0.2, 0.3], [0.5, 0.5], [0.5, 0.5], [1.0, 1.0]]);
        let tissues = Tissues::of(image.view(), &regions).unwrap();
        let close = |found: Vec<Vec<f32>>, expected: &[[f32; 2]]| {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().flatten().zip(expected.as_flattened()) {
                assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
            }
        };
        // Air takes no part, nor does the region itself.
        close(tissues.others(6, 3), &[[0.2, 0.2], [0.5, 0.5], [0.9, 0.7]]);
        close(tissues.others(0, 3), &[[0.2, 0.2], [0.5, 0.5], [1.0, 1.0]]);
        close(tissues.others(0, 1), &[[0.48, 0.48]]);
    }

    #[test]
    fn a_region_is_as_bright_as_its_voxels_that_are_not_air() {
        let (mut image, regions) = row(&[[0.4, 0.6], [0.8, 0.8]]);
        image.slice_mut(ndarray::s![.., 0, 1, 0]).fill(0.0);
        let tissues = Tissues::of(image.view(), &regions).unwrap();
        assert_eq!(tissues.others(1, 2), [[0.4, 0.6], [0.4, 0.6]]);
    }

    #[test]
    fn a_region_without_others_stays_much_as_it_is() {
        let (image, regions) = row(&[[0.4, 0.6], [0.0, 0.0]]);
        let tissues = Tissues::of(image.view(), &regions).unwrap();
        assert_eq!(tissues.others(1, 2), [[0.4, 0.6], [0.4, 0.6]]);
        assert_eq!(tissues.others(0, 2), [[0.4, 0.6], [0.4, 0.6]]);
    }
}
