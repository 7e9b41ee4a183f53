//! Settings of the preprocessing.

use crate::cohort::COLUMNS;
use crate::{BrainMask, Error, Intensity, Orientation, Spacing};

/// Largest crop along an axis. The whole crop is held in memory, whatever the scan's size.
const LARGEST_CROP: usize = 1024;

/// Settings of the preprocessing from scans to a network's input, unchecked. [`Preprocess::check`] validates them.
///
/// A scan is turned to `orientation`, resampled to `spacing_mm`, scaled by `intensity`, cropped and downsampled.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Preprocess {
    /// Names of the sequences, in the order of the image's channels. At least one, all different, none of them a
    /// reserved column of a manifest.
    pub sequences: Vec<String>,
    /// Orientation that scans are turned to. Checkpoints without the key mean the stored axes.
    #[cfg_attr(feature = "serde", serde(default))]
    pub orientation: Orientation,
    /// Spacing that scans are resampled to. Checkpoints without the key mean the stored spacing.
    #[cfg_attr(feature = "serde", serde(default))]
    pub spacing_mm: Spacing,
    /// Scaling of the intensities. Checkpoints without the key mean min-max.
    #[cfg_attr(feature = "serde", serde(default))]
    pub intensity: Intensity,
    /// Centre crop in voxels of the oriented and resampled scan: z, y, x, 1 to 1024 each. A smaller scan is padded with
    /// zeros.
    pub crop: [usize; 3],
    /// Each `downsample`³ voxels of the crop are averaged into one; must divide the crop. 1 preserves the resolution.
    pub downsample: usize,
    /// Whether negative intensities (interpolation artefacts) are set to 0, so that air is exactly 0. An intensity window
    /// has its own lower end, and ignores this.
    pub clip_negative: bool,
    /// Voxels that count as brain.
    #[cfg_attr(feature = "serde", serde(default))]
    pub brain: BrainMask,
}

impl Default for Preprocess {
    /// The paper's preprocessing of BraTS: four sequences in LPS, min-max scaling, and a centre crop of 128³ voxels.
    fn default() -> Self {
        Self {
            sequences: ["t1", "t1ce", "t2", "flair"].map(str::to_owned).into(),
            orientation: Orientation::LPS,
            spacing_mm: Spacing::Stored,
            intensity: Intensity::MinMax,
            crop: [128; 3],
            downsample: 1,
            clip_negative: true,
            brain: BrainMask::NonZero,
        }
    }
}

impl Preprocess {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first setting that is out of its range.
    pub fn check(self) -> Result<ValidPreprocess, Error> {
        let invalid = |setting, expected: &str, found| {
            Err(Error::InvalidSetting { setting, expected: expected.to_owned(), found })
        };
        if self.sequences.is_empty() {
            return invalid("sequences", "at least one name", "none".to_owned());
        }
        for (i, name) in self.sequences.iter().enumerate() {
            if self.sequences[..i].contains(name) {
                return invalid("sequences", "different names", format!("{name:?} again"));
            }
            if name.is_empty() || COLUMNS.contains(&name.as_str()) {
                let expected = "names that are not reserved columns of a manifest";
                return invalid("sequences", expected, format!("{name:?}"));
            }
        }
        if !self.crop.iter().all(|size| (1..=LARGEST_CROP).contains(size)) {
            return invalid("crop", "1 to 1024 voxels along z, y and x", format!("{:?}", self.crop));
        }
        if self.downsample == 0 || self.crop.iter().any(|n| n % self.downsample != 0) {
            let found = format!("{} for a crop of {:?}", self.downsample, self.crop);
            return invalid("downsample", "a whole number from 1 that divides the crop", found);
        }
        self.spacing_mm.check()?;
        self.intensity.check()?;
        Ok(ValidPreprocess(self))
    }
}

/// Validated [`Preprocess`] settings.
#[derive(Clone, PartialEq, Debug)]
pub struct ValidPreprocess(Preprocess);

impl ValidPreprocess {
    /// The settings as they were given.
    pub fn settings(&self) -> &Preprocess {
        &self.0
    }

    /// Names of the sequences, in the order of the image's channels.
    pub fn sequences(&self) -> &[String] {
        &self.0.sequences
    }

    /// Orientation that scans are turned to.
    pub fn orientation(&self) -> Orientation {
        self.0.orientation
    }

    /// Spacing that scans are resampled to.
    pub fn spacing(&self) -> Spacing {
        self.0.spacing_mm
    }

    /// Scaling of the intensities.
    pub fn intensity(&self) -> Intensity {
        self.0.intensity
    }

    /// Centre crop in voxels of the oriented and resampled scan: z, y, x.
    pub fn crop(&self) -> [usize; 3] {
        self.0.crop
    }

    /// Voxels of the crop per network voxel along each axis.
    pub fn downsample(&self) -> usize {
        self.0.downsample
    }

    /// Returns whether negative intensities are set to 0, unless an intensity window has its own lower end.
    pub fn clip_negative(&self) -> bool {
        self.0.clip_negative
    }

    /// Voxels that count as brain.
    pub fn brain(&self) -> BrainMask {
        self.0.brain
    }

    /// Shape of the network's grid: z, y, x.
    pub fn shape(&self) -> [usize; 3] {
        self.crop().map(|n| n / self.downsample())
    }
}

impl TryFrom<Preprocess> for ValidPreprocess {
    type Error = Error;

    fn try_from(settings: Preprocess) -> Result<Self, Error> {
        settings.check()
    }
}
