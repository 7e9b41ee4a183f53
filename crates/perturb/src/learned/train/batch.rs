//! Batches of regions from several scans.

use candle_core::{Device, Tensor};
use ndarray::{Array5, Axis, s};
use relevox_grid::ImageView;
use slic3d::Supervoxels;

use super::super::network::{is_air, isolate};
use crate::{Error, check_region};

/// A training scan: its image `[c, z, y, x]` and its partition.
#[derive(Clone, Copy, Debug)]
pub struct FillCase<'a> {
    /// The scan.
    pub image: ImageView<'a>,
    /// Its regions.
    pub regions: &'a Supervoxels,
}

/// A region of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub case: usize,
    pub region: usize,
}

/// Returns all regions that are not air: with voxels of 0 in all sequences the U-Net has no input.
pub(super) fn items(cases: &[FillCase<'_>]) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    for (case, FillCase { image, regions }) in cases.iter().enumerate() {
        if image.dim() != cases[0].image.dim() {
            return Err(Error::ShapeMismatch {
                what: "a training case, compared to the first",
                expected: cases[0].image.shape().to_vec(),
                found: image.shape().to_vec(),
            });
        }
        for region in 0..regions.len() {
            check_region(*image, regions, region)?;
            if !is_air(*image, regions, region) {
                items.push(Item { case, region });
            }
        }
    }
    if items.is_empty() {
        return Err(Error::NoRegions { cases: cases.len() });
    }
    Ok(items)
}

/// Tensors of one step.
pub(super) struct Batch {
    /// The scans with 0 in their regions, `[n, c, z, y, x]`.
    pub around: Tensor,
    /// The regions with 0 around them, `[n, c, z, y, x]`.
    pub isolated: Tensor,
    /// 1 in the region, `[n, 1, z, y, x]`.
    pub mask: Tensor,
}

impl Batch {
    pub fn new(cases: &[FillCase<'_>], items: &[Item], device: &Device) -> Result<Self, Error> {
        let (c, z, y, x) = cases[0].image.dim();
        let n = items.len();
        let mut around = Array5::<f32>::zeros((n, c, z, y, x));
        let mut isolated = Array5::<f32>::zeros((n, c, z, y, x));
        let mut mask = Array5::<f32>::zeros((n, 1, z, y, x));
        for (i, item) in items.iter().enumerate() {
            let FillCase { image, regions } = cases[item.case];
            isolate(image, regions, item.region, isolated.index_axis_mut(Axis(0), i));
            let mut around = around.index_axis_mut(Axis(0), i);
            around.assign(&image);
            for [z, y, x] in regions.voxels(item.region) {
                around.slice_mut(s![.., z, y, x]).fill(0.0);
                mask[[i, 0, z, y, x]] = 1.0;
            }
        }
        let upload = |values: Array5<f32>| {
            let shape = values.dim();
            Tensor::from_vec(values.into_raw_vec_and_offset().0, shape, device)
        };
        Ok(Self { around: upload(around)?, isolated: upload(isolated)?, mask: upload(mask)? })
    }

    /// Returns the scans with their regions replaced.
    pub fn filled(&self, values: &Tensor) -> Result<Tensor, Error> {
        Ok((values.broadcast_mul(&self.mask)? + &self.around)?)
    }
}

/// Statistics of a fill's values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FillStatistics {
    /// Mean absolute distance from the sequence's largest value in the scan.
    pub from_max: f64,
    /// Whether nearly all values are close to 0 or 1.
    pub saturated: bool,
}

/// Distance from 0 or 1 below which a value is saturated.
const END: f32 = 0.01;
/// Share of saturated values from which a fill is saturated.
const NEARLY_ALL: f64 = 0.95;

/// Computes the statistics of a step's fills by region; `values` are the U-Net's, `[n, c, z, y, x]`.
pub(super) fn statistics(
    cases: &[FillCase<'_>],
    items: &[Item],
    values: &Tensor,
) -> Result<Vec<FillStatistics>, Error> {
    let shape = values.dims5()?;
    let values = Array5::from_shape_vec(shape, values.flatten_all()?.to_vec1::<f32>()?).map_err(|_| {
        Error::ShapeMismatch {
            what: "the U-Net's output",
            expected: values.dims().to_vec(),
            found: vec![values.elem_count()],
        }
    })?;
    Ok(items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            let FillCase { image, regions } = cases[item.case];
            let largest: Vec<f32> = image
                .outer_iter()
                .map(|sequence| sequence.iter().copied().fold(f32::MIN, f32::max))
                .collect();
            let (mut distance, mut ends, mut count) = (0.0, 0_usize, 0_usize);
            for [z, y, x] in regions.voxels(item.region) {
                for (c, largest) in largest.iter().enumerate() {
                    let value = values[[i, c, z, y, x]];
                    distance += f64::from((largest - value).abs());
                    ends += usize::from(!(END..=1.0 - END).contains(&value));
                    count += 1;
                }
            }
            let saturated = ends as f64 >= NEARLY_ALL * count as f64;
            FillStatistics { from_max: distance / count as f64, saturated }
        })
        .collect())
}
