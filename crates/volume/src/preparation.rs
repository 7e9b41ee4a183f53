//! What was found in a case's files, and what was done to fit them to a network's input.

use crate::AxisCodes;

/// Share of the non-zero voxels that may be clipped as negative without a warning. What percentiles and windows clip is
/// stated by them.
pub const CLIPPED_WARNING: f64 = 0.01;
/// Share of the brain that may lie outside the crop without a warning.
pub const BRAIN_OUTSIDE_WARNING: f64 = 0.01;
/// Share of the tumour that may lie outside the crop without a warning.
pub const TUMOUR_OUTSIDE_WARNING: f64 = 0.01;
/// Share of the corners' voxels that may differ from background without a warning.
pub const AIR_WARNING: f64 = 0.1;
/// Scaled 99.9th percentile of the brain below which min-max scaling gives a warning.
pub const BRIGHT_WARNING: f64 = 0.1;
/// Angle between the stored axes and the patient's above which a turned scan gives a warning, in degrees.
pub const OBLIQUE_WARNING: f64 = 20.0;
/// Ratio of the longest to the shortest side of a voxel above which a scan that is not resampled gives a warning.
pub const ANISOTROPY_WARNING: f64 = 2.0;
/// Distance between the grids of a case's files above which there is a warning, in millimetres.
pub const GRID_WARNING_MM: f64 = 1e-3;

/// What was found in a case's files, and what was done to fit them to a network's input.
#[derive(Clone, Debug, PartialEq)]
pub struct Preparation {
    /// Directions of the first sequence's stored axes, unless its file does not state them.
    pub stored_codes: Option<AxisCodes>,
    /// Directions that the first sequence was turned to, if any axis was permuted or flipped.
    pub turned_to: Option<AxisCodes>,
    /// Largest angle between a stored axis and the patient's axis that its code names, in degrees.
    pub oblique_degrees: f64,
    /// Stored spacing along x, y, z.
    pub stored_spacing_mm: [f64; 3],
    /// Spacing along z, y, x of the oriented scan that it was resampled to, if it was.
    pub resampled_to_mm: Option<[f64; 3]>,
    /// Share of the brain outside the crop.
    pub brain_outside_crop: f64,
    /// Share of the tumour outside the crop, if there is a segmentation with a tumour.
    pub tumour_outside_crop: Option<f64>,
    /// Share of the non-zero voxels whose intensity was clipped, of the sequence with the largest.
    pub clipped: f64,
    /// Share of the corners' voxels that are not background, of the sequence with the largest: above a tenth, air counts
    /// as brain.
    pub air_not_zero: f64,
    /// With min-max scaling, the scaled 99.9th percentile of the brain, of the sequence with the smallest: small where a
    /// few hot voxels set the maximum.
    pub bright: Option<f64>,
    /// Share of the voxels that were NaN outside the brain and read as 0, of the sequence with the largest.
    pub nan_background: f64,
    /// Largest distance between corners of the grids of two files.
    pub grid_distance_mm: f64,
    /// Sequences whose axes are stored in other directions than the first's, with these directions.
    pub(crate) stored_otherwise: Vec<(String, AxisCodes)>,
    /// Sequences whose sform and qform name other directions of the axes, with both.
    pub(crate) disagreeing: Vec<(String, AxisCodes, AxisCodes)>,
    /// Whether the settings name an orientation.
    pub(crate) oriented: bool,
    /// Share of the non-zero voxels that were clipped as negative, of the sequence with the largest.
    pub(crate) clipped_by_limits: f64,
    /// Sequence that `clipped_by_limits`, `air_not_zero`, `bright` and `nan_background` are of.
    pub(crate) names: Names,
}

/// Sequences with the extreme values of a [`Preparation`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Names {
    pub clipped: String,
    pub air: String,
    pub bright: String,
    pub nan: String,
}

impl Preparation {
    /// The preparation of a network's input that was taken as it is.
    pub(crate) fn none() -> Self {
        Self {
            stored_codes: None,
            turned_to: None,
            oblique_degrees: 0.0,
            stored_spacing_mm: [1.0; 3],
            resampled_to_mm: None,
            brain_outside_crop: 0.0,
            tumour_outside_crop: None,
            clipped: 0.0,
            air_not_zero: 0.0,
            bright: None,
            nan_background: 0.0,
            grid_distance_mm: 0.0,
            stored_otherwise: Vec::new(),
            disagreeing: Vec::new(),
            oriented: false,
            clipped_by_limits: 0.0,
            names: Names::default(),
        }
    }

    /// Describes the case in one line: what was stored, and what was changed.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        parts.push(match (self.stored_codes, self.turned_to) {
            (Some(stored), Some(turned)) => format!("turned from {stored} to {turned}"),
            (Some(stored), None) => format!("stored {stored}"),
            (None, _) => "orientation not stated in the header, taken as stored".to_owned(),
        });
        parts.extend(self.stored_otherwise.iter().map(|(name, codes)| match self.turned_to {
            Some(to) if to == *codes => format!("{name} stored {codes}"),
            _ => format!("{name} turned from {codes}"),
        }));
        let [x, y, z] = self.stored_spacing_mm.map(rounded);
        let spacing = format!("{x} x {y} x {z} mm (x, y, z)");
        parts.push(match self.resampled_to_mm {
            None => spacing,
            Some(to) => {
                let [z, y, x] = to.map(rounded);
                format!("resampled from {spacing} to {x} x {y} x {z} mm (oriented x, y, z)")
            }
        });
        parts.push(format!("{} of the brain outside the crop", percent(self.brain_outside_crop)));
        if let Some(outside) = self.tumour_outside_crop.filter(|outside| *outside > 0.0) {
            parts.push(format!("{} of the tumour outside the crop", percent(outside)));
        }
        if self.clipped > 0.0 {
            parts.push(format!("{} of the non-zero voxels clipped", percent(self.clipped)));
        }
        if self.nan_background > 0.0 {
            parts.push(format!(
                "{} of the voxels NaN outside the brain, read as 0",
                percent(self.nan_background)
            ));
        }
        parts.join(", ")
    }

    /// Lists what may make the network's input differ from what it was trained on, one line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.clipped_by_limits > CLIPPED_WARNING {
            warnings.push(format!(
                "{}: {} of the non-zero voxels are clipped; check `intensity` and `clip_negative`",
                self.names.clipped,
                percent(self.clipped_by_limits)
            ));
        }
        if self.brain_outside_crop > BRAIN_OUTSIDE_WARNING {
            let share = percent(self.brain_outside_crop);
            warnings
                .push(format!("{share} of the brain lies outside the crop and is not seen by the network"));
        }
        warnings.extend(self.tumour_outside_crop.and_then(tumour_outside_warning));
        if self.air_not_zero > AIR_WARNING {
            warnings.push(format!(
                "{}: {} of the voxels in the volume's corners are not background, so that air counts as brain; use a \
                 skull-stripped scan or brain = \"otsu\"",
                self.names.air,
                percent(self.air_not_zero)
            ));
        }
        if let Some(bright) = self.bright.filter(|bright| *bright < BRIGHT_WARNING) {
            warnings.push(format!(
                "{}: 99.9 % of the brain lies below {bright:.3} after min-max scaling, because a few voxels are far \
                 brighter; consider percentile scaling if the network was trained with it",
                self.names.bright
            ));
        }
        if let Some((name, sform, qform)) = self.disagreeing.first().filter(|_| self.oriented) {
            let others = match self.disagreeing.len() - 1 {
                0 => String::new(),
                n => format!(" (and {n} more)"),
            };
            warnings.push(format!(
                "{name}{others}: sform and qform disagree about the orientation ({sform} and {qform}); the sform is used"
            ));
        }
        if self.oriented && self.oblique_degrees > OBLIQUE_WARNING {
            warnings.push(format!(
                "the stored axes are {:.0} degrees oblique; their nearest axis codes are used, without resampling",
                self.oblique_degrees
            ));
        }
        let (shortest, longest) = self
            .stored_spacing_mm
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |(low, high), &mm| (low.min(mm), high.max(mm)));
        if self.resampled_to_mm.is_none() && longest > ANISOTROPY_WARNING * shortest {
            let [x, y, z] = self.stored_spacing_mm.map(rounded);
            warnings.push(format!(
                "voxels of {x} x {y} x {z} mm (x, y, z) are not resampled; set `spacing_mm` if the network was trained on \
                 another spacing"
            ));
        }
        if self.grid_distance_mm > GRID_WARNING_MM {
            warnings.push(format!(
                "the files' grids differ by up to {:.4} mm, less than 1 % of a voxel, and are taken as one",
                self.grid_distance_mm
            ));
        }
        warnings
    }
}

/// Warns of a tumour of which a share lies outside the crop, unless it is a small one.
/// [`Frame::share_outside_crop`](crate::Frame::share_outside_crop) computes the share of an outline that was read on its own.
pub fn tumour_outside_warning(share: f64) -> Option<String> {
    let share = Some(share).filter(|share| *share > TUMOUR_OUTSIDE_WARNING).map(percent)?;
    Some(format!("{share} of the tumour lies outside the crop and is not seen by the network"))
}

/// Formats a share as a percentage with one or two significant digits.
pub fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    match percent {
        0.0 => "0 %".to_owned(),
        p if p < 0.1 => "less than 0.1 %".to_owned(),
        p if p < 10.0 => format!("{p:.1} %"),
        p => format!("{p:.0} %"),
    }
}

/// Rounds to four decimals.
fn rounded(mm: f64) -> f64 {
    (mm * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_one_or_two_digits() {
        let shares = [0.0, 0.0005, 0.001, 0.012, 0.0994, 0.1, 0.126, 1.0];
        let expected = ["0 %", "less than 0.1 %", "0.1 %", "1.2 %", "9.9 %", "10 %", "13 %", "100 %"];
        assert_eq!(shares.map(percent), expected);
    }
}
