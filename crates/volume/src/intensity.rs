//! Intensity normalisation and block means: from raw voxels on the scan's grid to values on the network's.

use ndarray::{Array3, ArrayView3};

use crate::Frame;

/// Intensity range of a sequence's whole volume, from which voxels are min-max normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct IntensityRange {
    smallest: f32,
    largest: f32,
    floor: f32,
}

/// Reason why the intensities of a sequence cannot be normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unusable {
    NonFinite { index_zyx: [usize; 3], value: f32 },
    Constant { value: f32 },
}

impl IntensityRange {
    /// Measures the range of a whole volume.
    pub fn measure(raw: ArrayView3<f32>, clip_negative: bool) -> Result<Self, Unusable> {
        if !raw.iter().all(|v| v.is_finite())
            && let Some(((z, y, x), &value)) = raw.indexed_iter().find(|(_, v)| !v.is_finite())
        {
            return Err(Unusable::NonFinite { index_zyx: [z, y, x], value });
        }
        let floor = if clip_negative { 0.0 } else { f32::NEG_INFINITY };
        let (smallest, largest) = raw
            .iter()
            .map(|v| v.max(floor))
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if smallest < largest {
            Ok(Self { smallest, largest, floor })
        } else {
            Err(Unusable::Constant { value: largest })
        }
    }

    /// Maps a raw value to 0..1.
    fn normalise(&self, raw: f32) -> f32 {
        let smallest = f64::from(self.smallest);
        ((f64::from(raw.max(self.floor)) - smallest) / (f64::from(self.largest) - smallest)) as f32
    }

    fn is_signal(&self, raw: f32) -> bool {
        raw.max(self.floor) != 0.0
    }
}

/// Resamples a sequence to the network's grid: the mean of each block's normalised voxels, with 0 as padding.
pub(crate) fn block_means(raw: ArrayView3<f32>, frame: &Frame, range: IntensityRange) -> Array3<f32> {
    let mut image = Array3::zeros(frame.shape());
    frame.for_each_voxel(raw, |at, value| image[at] += range.normalise(value));
    if frame.downsample() > 1 {
        let block = frame.downsample().pow(3) as f32;
        image.mapv_inplace(|v: f32| v / block);
    }
    image
}

/// Finds the network voxels whose block contains any raw value other than 0.
pub(crate) fn signal_mask(raw: ArrayView3<f32>, frame: &Frame, range: IntensityRange) -> Array3<bool> {
    let mut mask = Array3::from_elem(frame.shape(), false);
    frame.for_each_voxel(raw, |at, value| mask[at] |= range.is_signal(value));
    mask
}

/// Finds the network voxels of which at least half of the block is labelled.
pub(crate) fn majority_mask(labels: ArrayView3<u32>, frame: &Frame) -> Array3<bool> {
    let mut counts = Array3::<u32>::zeros(frame.shape());
    frame.for_each_voxel(labels, |at, label| counts[at] += u32::from(label > 0));
    let block = frame.downsample().pow(3) as u32;
    counts.mapv(|n| 2 * n >= block)
}
