//! The contract and its validation.

use super::axes::AxisOrder;
use super::output::Output;
use crate::{BrainMask, Error, Intensity, Orientation, Preprocess, Spacing, ValidPreprocess};

/// What a network expects of its input, unchecked. [`Input::check`] validates it.
///
/// `channels`, `orientation`, `axes`, `intensity` and `crop` have no default: a wrong guess of any of them gives a wrong
/// answer that looks right.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Input {
    /// Names of the sequences, in the order of the network's channels.
    pub channels: Vec<String>,
    /// Directions in which the stored x, y and z axes of the scans point that the network was trained on: nibabel's axis
    /// codes, or `stored` for scans as they are stored.
    pub orientation: Orientation,
    /// Order of the tensor's spatial axes.
    pub axes: AxisOrder,
    /// Spacing in millimetres, in the order of `axes`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub spacing_mm: Spacing,
    /// Scaling of the intensities.
    pub intensity: Intensity,
    /// Centre crop in voxels of the oriented and resampled scan, in the order of `axes`; a smaller scan is padded with 0.
    pub crop: [usize; 3],
    /// Each `downsample`³ voxels of the crop are averaged into one voxel of the tensor.
    #[cfg_attr(feature = "serde", serde(default = "no_downsampling"))]
    pub downsample: usize,
    /// Whether negative intensities are set to 0 first. By default only for min-max scaling, as in the paper.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub clip_negative: Option<bool>,
    /// Voxels that count as brain, for fills that are measured on it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub brain: BrainMask,
    /// Meaning of the outputs.
    #[cfg_attr(feature = "serde", serde(default))]
    pub output: Output,
}

#[cfg(feature = "serde")]
fn no_downsampling() -> usize {
    1
}

impl Input {
    /// Returns whether negative intensities become 0: what `clip_negative` states, else only with min-max scaling.
    pub fn clips_negative(&self) -> bool {
        self.clip_negative.unwrap_or(self.intensity == Intensity::MinMax)
    }

    /// Validates the contract.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first value that is out of its range.
    pub fn check(self) -> Result<ValidInput, Error> {
        self.output.check()?;
        let spacing_mm = match self.spacing_mm {
            Spacing::Stored => Spacing::Stored,
            Spacing::Millimetres(mm) => Spacing::Millimetres(self.axes.zyx(mm)),
        };
        let preprocess = Preprocess {
            sequences: self.channels.clone(),
            orientation: self.orientation,
            spacing_mm,
            intensity: self.intensity,
            crop: self.axes.zyx(self.crop),
            downsample: self.downsample,
            clip_negative: self.clips_negative(),
            brain: self.brain,
        };
        let preprocess = preprocess.check().map_err(|error| match error {
            Error::InvalidSetting { setting: "sequences", expected, found } => {
                Error::InvalidSetting { setting: "channels", expected, found }
            }
            other => other,
        })?;
        Ok(ValidInput { input: self, preprocess })
    }
}

impl From<Preprocess> for Input {
    /// The contract of a network that this project trained: axes z, y, x and one logit.
    fn from(preprocess: Preprocess) -> Self {
        let Preprocess {
            sequences,
            orientation,
            spacing_mm,
            intensity,
            crop,
            downsample,
            clip_negative,
            brain,
        } = preprocess;
        Self {
            channels: sequences,
            orientation,
            axes: AxisOrder::Zyx,
            spacing_mm,
            intensity,
            crop,
            downsample,
            clip_negative: Some(clip_negative),
            brain,
            output: Output::default(),
        }
    }
}

/// A validated [`Input`].
#[derive(Clone, Debug, PartialEq)]
pub struct ValidInput {
    input: Input,
    preprocess: ValidPreprocess,
}

impl ValidInput {
    /// The contract as it was given.
    pub fn settings(&self) -> &Input {
        &self.input
    }

    /// Preprocessing that turns scans into the network's input, with axes z, y, x.
    pub fn preprocess(&self) -> &ValidPreprocess {
        &self.preprocess
    }

    /// Order of the tensor's spatial axes.
    pub fn axes(&self) -> AxisOrder {
        self.input.axes
    }

    /// Meaning of the outputs.
    pub fn output(&self) -> &Output {
        &self.input.output
    }
}
