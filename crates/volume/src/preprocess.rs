//! From raw intensities on the scan's grid to what a network sees: min-max over the whole scan, centre crop, block mean.

use ndarray::{Array3, ArrayView3, s};
use serde::{Deserialize, Serialize};

use crate::{Error, Frame};

/// The most voxels of a crop along an axis. All of its grid is held in memory, whatever the scan's size.
const LARGEST_CROP: usize = 1024;

/// How a case's scans become a network's input.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// The sequences, in the order of the image's channels.
    pub sequences: Vec<String>,
    /// The centre crop in scan voxels: z, y, x. A smaller scan is padded with zeros.
    pub crop: [usize; 3],
    /// Each `downsample`³ voxels of the crop become one, their mean. 1 keeps the scan's resolution.
    pub downsample: usize,
    /// Negative raw values (rings of interpolation) count as 0, so that air is exactly 0 afterwards.
    pub clip_negative: bool,
}

impl Preprocess {
    /// Checks what a config can get wrong.
    ///
    /// # Errors
    /// Where there is no sequence or one twice, the crop is empty or larger than any head, or the downsampling does not divide the crop.
    pub fn validate(&self) -> Result<(), Error> {
        let wrong = |key, expected, found| Err(Error::Preprocess { key, expected, found });
        if self.sequences.is_empty() {
            return wrong("sequences", "at least one name", "none".to_owned());
        }
        for (i, name) in self.sequences.iter().enumerate() {
            if self.sequences[..i].contains(name) {
                return wrong("sequences", "names that differ", format!("{name:?} again"));
            }
            if name.is_empty() || crate::cohort::COLUMNS.contains(&name.as_str()) {
                return wrong(
                    "sequences",
                    "names that no other column of a manifest has",
                    format!("{name:?}"),
                );
            }
        }
        if !self.crop.iter().all(|size| (1..=LARGEST_CROP).contains(size)) {
            return wrong("crop", "1 to 1024 voxels along z, y and x", format!("{:?}", self.crop));
        }
        if self.downsample == 0 || self.crop.iter().any(|n| n % self.downsample != 0) {
            let found = format!("{} for a crop of {:?}", self.downsample, self.crop);
            return wrong("downsample", "a whole number from 1 that divides the crop", found);
        }
        Ok(())
    }

    /// The grid of the network's input: z, y, x.
    pub fn shape(&self) -> [usize; 3] {
        self.crop.map(|n| n / self.downsample.max(1))
    }
}

/// The range of a scan's intensities, checked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Intensities {
    smallest: f32,
    largest: f32,
    floor: f32,
}

/// Why a scan's intensities cannot be normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unusable {
    NotFinite { index_zyx: [usize; 3], found: f32 },
    Constant { value: f32 },
}

impl Intensities {
    /// Measures a whole scan.
    pub fn measure(raw: ArrayView3<f32>, clip_negative: bool) -> Result<Self, Unusable> {
        if !raw.iter().all(|v| v.is_finite())
            && let Some(((z, y, x), &found)) = raw.indexed_iter().find(|(_, v)| !v.is_finite())
        {
            return Err(Unusable::NotFinite { index_zyx: [z, y, x], found });
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

    /// 0..1.
    fn normalise(&self, raw: f32) -> f32 {
        let smallest = f64::from(self.smallest);
        ((f64::from(raw.max(self.floor)) - smallest) / (f64::from(self.largest) - smallest)) as f32
    }

    fn is_signal(&self, raw: f32) -> bool {
        raw.max(self.floor) != 0.0
    }
}

/// A sequence on the network's grid, 0..1.
pub(crate) fn image(raw: ArrayView3<f32>, frame: &Frame, intensities: Intensities) -> Array3<f32> {
    let mut image = Array3::zeros(frame.shape());
    for_each_voxel(raw, frame, |at, value| image[at] += intensities.normalise(value));
    let block = frame.downsample.pow(3) as f32;
    if frame.downsample > 1 {
        image.mapv_inplace(|v: f32| v / block);
    }
    image
}

/// Marks the network voxels in which a sequence has any raw value but 0.
pub(crate) fn mark_signal(
    raw: ArrayView3<f32>,
    frame: &Frame,
    intensities: Intensities,
    brain: &mut Array3<bool>,
) {
    for_each_voxel(raw, frame, |at, value| brain[at] |= intensities.is_signal(value));
}

/// The network voxels of which at least half is tumour.
pub(crate) fn tumour(labels: ArrayView3<u32>, frame: &Frame) -> Array3<bool> {
    let mut counts = Array3::<u32>::zeros(frame.shape());
    for_each_voxel(labels, frame, |at, label| counts[at] += u32::from(label > 0));
    let block = frame.downsample.pow(3) as u32;
    counts.mapv(|n| 2 * n >= block)
}

/// Visits the scan voxels inside the crop, in order, each with the network voxel that holds it.
fn for_each_voxel<T: Copy>(scan: ArrayView3<T>, frame: &Frame, mut visit: impl FnMut([usize; 3], T)) {
    let [zs, ys, xs] = [0, 1, 2].map(|axis| frame.covered(axis, frame.crop[axis]));
    let network = |axis: usize, scan: usize| (scan as isize - frame.start[axis]) as usize / frame.downsample;
    for z in zs {
        for y in ys.clone() {
            let row = scan.slice(s![z, y, xs.clone()]);
            let (nz, ny) = (network(0, z), network(1, y));
            for (x, &value) in xs.clone().zip(row) {
                visit([nz, ny, network(2, x)], value);
            }
        }
    }
}
