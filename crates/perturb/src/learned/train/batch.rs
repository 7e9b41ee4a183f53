//! Batches of regions from several scans.

use candle_core::{Device, Tensor};
use ndarray::{Array5, Axis, s};
use relevox_grid::ImageView;
use slic3d::Supervoxels;

use super::super::Tissues;
use super::super::isolate::{is_air, isolate};
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

    /// Mixes the tissues `[n, count, c]` of each region by the softmax of its mean logits: the U-Net's output `[n, count, z, y,
    /// x]`, averaged over the region's voxels. Returns values `[n, c, 1, 1, 1]`.
    pub fn mixed(&self, output: &Tensor, choices: &Tensor) -> Result<Tensor, Error> {
        let voxels = self.mask.sum((2, 3, 4))?;
        let logits = output.broadcast_mul(&self.mask)?.sum((2, 3, 4))?.broadcast_div(&voxels)?;
        // The largest logit, a constant, is subtracted so that no exponential overflows.
        let weights = logits.broadcast_sub(&logits.max_keepdim(1)?.detach())?.exp()?;
        let weights = weights.broadcast_div(&weights.sum_keepdim(1)?)?;
        let values = choices.broadcast_mul(&weights.unsqueeze(2)?)?.sum(1)?;
        let (n, channels) = values.dims2()?;
        Ok(values.reshape((n, channels, 1, 1, 1))?)
    }

    /// Returns the scans with their regions replaced by values `[n, c, z, y, x]`, or by one value per channel.
    pub fn filled(&self, values: &Tensor) -> Result<Tensor, Error> {
        Ok((values.broadcast_mul(&self.mask)? + &self.around)?)
    }
}

/// Returns the tissues that the U-Net selects from for each region, `[n, count, c]`; `tissues` are those of each case.
pub(super) fn choices(
    tissues: &[Tissues],
    items: &[Item],
    count: usize,
    device: &Device,
) -> Result<Tensor, Error> {
    let choices: Vec<Vec<Vec<f32>>> =
        items.iter().map(|item| tissues[item.case].others(item.region, count)).collect();
    let channels = choices[0][0].len();
    let values: Vec<f32> = choices.into_iter().flatten().flatten().collect();
    Ok(Tensor::from_vec(values, (items.len(), count, channels), device)?)
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

#[cfg(test)]
mod tests {
    use candle_core::Var;
    use ndarray::{Array3, Array4};

    use super::*;

    /// Two regions of a scan of two channels, and three tissues for each.
    fn batch() -> (Batch, Tensor) {
        let image = Array4::from_shape_fn((2, 2, 2, 3), |(c, z, y, x)| (1 + c + z + 2 * y + x) as f32 / 8.0);
        let labels = Array3::from_shape_fn((2, 2, 3), |(_, y, x)| u32::from(x > y));
        let regions = Supervoxels::from_labels(labels, None).unwrap();
        let cases = [FillCase { image: image.view(), regions: &regions }];
        let items = [Item { case: 0, region: 0 }, Item { case: 0, region: 1 }];
        let batch = Batch::new(&cases, &items, &Device::Cpu).unwrap();
        let choices: Vec<f32> = (0..12).map(|i| ((5 * i) % 12) as f32 / 12.0).collect();
        (batch, Tensor::from_vec(choices, (2, 3, 2), &Device::Cpu).unwrap())
    }

    fn output(at: Option<(usize, f32)>) -> Vec<f32> {
        let mut output: Vec<f32> = (0..2 * 3 * 12).map(|i| ((7 * i) % 13) as f32 / 6.5 - 1.0).collect();
        if let Some((index, by)) = at {
            output[index] += by;
        }
        output
    }

    #[test]
    fn tissues_are_mixed_by_the_mean_logits_of_the_regions_voxels() {
        let (batch, choices) = batch();
        let loss = |output: &Tensor| {
            let mixed = batch.mixed(output, &choices).unwrap();
            assert_eq!(mixed.dims(), [2, 2, 1, 1, 1]);
            batch.filled(&mixed).unwrap().sqr().unwrap().sum_all().unwrap()
        };
        let var = Var::from_vec(output(None), (2, 3, 2, 2, 3), &Device::Cpu).unwrap();
        let gradient = loss(var.as_tensor()).backward().unwrap().remove(var.as_tensor()).unwrap();
        let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let at = |index: usize, by: f32| {
            let output = Tensor::from_vec(output(Some((index, by))), (2, 3, 2, 2, 3), &Device::Cpu).unwrap();
            loss(&output).to_scalar::<f32>().unwrap()
        };
        let inside = batch.mask.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (index, &found) in gradient.iter().enumerate() {
            let slope = (at(index, 0.1) - at(index, -0.1)) / 0.2;
            assert!((found - slope).abs() < 2e-3, "{index}: {found}, expected {slope}");
            let is_inside = inside[index / 36 * 12 + index % 12] == 1.0;
            assert!(is_inside || found == 0.0, "{index}: a voxel of another region counts");
        }
        assert!(gradient.iter().any(|slope| slope.abs() > 0.01), "{gradient:?}");
    }

    #[test]
    fn a_region_is_saturated_if_19_of_20_values_are_at_an_end() {
        // Ten voxels of two channels; the largest values of the scan, 0.8 and 0.4, are outside of the region.
        let image = Array4::from_shape_fn((2, 1, 1, 11), |(c, .., x)| match (c, x) {
            (0, 10) => 0.8,
            (1, 10) => 0.4,
            _ => 0.1,
        });
        let labels = Array3::from_shape_fn((1, 1, 11), |(.., x)| u32::from(x == 10));
        let regions = Supervoxels::from_labels(labels, None).unwrap();
        let cases = [FillCase { image: image.view(), regions: &regions }];
        let found = |middle: usize| {
            let values = Array5::<f32>::from_shape_fn((1, 2, 1, 1, 11), |(_, c, .., x)| match (c, x) {
                (0, x) if x < middle => 0.5,
                (_, 10) => 0.3,
                (0, _) => 0.995,
                _ => 0.005,
            });
            let values = values.into_raw_vec_and_offset().0;
            let values = Tensor::from_vec(values, (1, 2, 1, 1, 11), &Device::Cpu).unwrap();
            let found = statistics(&cases, &[Item { case: 0, region: 0 }], &values).unwrap();
            assert_eq!(found.len(), 1);
            found[0]
        };
        for (middle, saturated) in [(0, true), (1, true), (2, false), (10, false)] {
            let FillStatistics { from_max, saturated: is_saturated } = found(middle);
            assert_eq!(is_saturated, saturated, "{middle} of 20 values in the middle");
            let expected = (middle as f64 * 0.3 + (10 - middle) as f64 * 0.195 + 10.0 * 0.395) / 20.0;
            assert!((from_max - expected).abs() < 1e-6, "{from_max}, expected {expected}");
        }
    }

    #[test]
    fn a_large_logit_selects_one_tissue() {
        let (batch, choices) = batch();
        let output: Vec<f32> = (0..72).map(|i| if i / 12 % 3 == 2 { 1e4 } else { -1e4 }).collect();
        let output = Tensor::from_vec(output, (2, 3, 2, 2, 3), &Device::Cpu).unwrap();
        let mixed = batch.mixed(&output, &choices).unwrap().reshape((2, 2)).unwrap();
        let expected = choices.narrow(1, 2, 1).unwrap().squeeze(1).unwrap();
        assert_eq!(mixed.to_vec2::<f32>().unwrap(), expected.to_vec2::<f32>().unwrap());
    }
}
