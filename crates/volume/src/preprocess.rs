//! Settings of the preprocessing.

use crate::Error;
use crate::cohort::COLUMNS;

/// Largest crop along an axis. The whole crop is held in memory, whatever the scan's size.
const LARGEST_CROP: usize = 1024;

/// Settings of the preprocessing from scans to a network's input, unchecked. [`Preprocess::check`] validates them.
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Preprocess {
    /// Names of the sequences, in the order of the image's channels. At least one, all different, none of them a
    /// reserved column of a manifest.
    pub sequences: Vec<String>,
    /// Centre crop in scan voxels: z, y, x, 1 to 1024 each. A smaller scan is padded with zeros.
    pub crop: [usize; 3],
    /// Each `downsample`³ voxels of the crop are averaged into one; must divide the crop. 1 preserves the resolution.
    pub downsample: usize,
    /// Whether negative intensities (interpolation artefacts) are set to 0, so that air is exactly 0.
    pub clip_negative: bool,
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

    /// Centre crop in scan voxels: z, y, x.
    pub fn crop(&self) -> [usize; 3] {
        self.0.crop
    }

    /// Scan voxels per network voxel along each axis.
    pub fn downsample(&self) -> usize {
        self.0.downsample
    }

    /// Returns whether negative intensities are set to 0.
    pub fn clip_negative(&self) -> bool {
        self.0.clip_negative
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
