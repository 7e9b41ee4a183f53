//! Result of reading a case: the reason why it can't be used, or the changes made to its scans. One row of
//! `inspected.csv` per case.

use std::collections::BTreeMap;
use std::path::Path;

use relevox_volume::{Preparation, Study};
use serde::{Deserialize, Serialize};

use crate::stages::table::{self, plain, plain_option};

/// Artefact with what was found in the files of each case that was read.
pub const INSPECTED: &str = "inspected.csv";
/// Columns of [`INSPECTED`].
const COLUMNS: [&str; 19] = [
    "case",
    "files",
    "settings",
    "reason",
    "orientation",
    "turned_to",
    "spacing_x_mm",
    "spacing_y_mm",
    "spacing_z_mm",
    "resampled",
    "brain_outside_crop",
    "tumour_outside_crop",
    "tumour_voxels",
    "clipped",
    "air_not_zero",
    "bright",
    "nan_background",
    "oblique_degrees",
    "grid_distance_mm",
];

/// Outcome of reading a case. Shares and distances are those of [`Preparation`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Identifier of the case.
    pub case: String,
    /// Hash of the content of the case's files.
    pub files: String,
    /// Hash of the program's version and the settings of the preprocessing.
    pub settings: String,
    /// Why the case can't be used. All other values are then empty or 0.
    pub reason: Option<String>,
    /// Codes of the stored axes, if the files state them.
    pub orientation: Option<String>,
    /// Codes that the scans were turned to, if they were.
    pub turned_to: Option<String>,
    /// Stored spacing along x.
    #[serde(serialize_with = "plain")]
    pub spacing_x_mm: f64,
    /// Stored spacing along y.
    #[serde(serialize_with = "plain")]
    pub spacing_y_mm: f64,
    /// Stored spacing along z.
    #[serde(serialize_with = "plain")]
    pub spacing_z_mm: f64,
    /// True if the scans were resampled.
    pub resampled: bool,
    /// Share of the brain outside the crop.
    #[serde(serialize_with = "plain")]
    pub brain_outside_crop: f64,
    /// Share of the tumour outside the crop, if there is one.
    #[serde(serialize_with = "plain_option")]
    pub tumour_outside_crop: Option<f64>,
    /// Voxels of the tumour on the network's grid; 0 without a segmentation.
    pub tumour_voxels: usize,
    /// Share of the non-zero voxels that were clipped.
    #[serde(serialize_with = "plain")]
    pub clipped: f64,
    /// Share of the corners' voxels that are not background.
    #[serde(serialize_with = "plain")]
    pub air_not_zero: f64,
    /// Scaled 99.9th percentile of the brain, with min-max scaling.
    #[serde(serialize_with = "plain_option")]
    pub bright: Option<f64>,
    /// Share of the voxels that were NaN outside the brain.
    #[serde(serialize_with = "plain")]
    pub nan_background: f64,
    /// Largest angle between a stored axis and the patient's.
    #[serde(serialize_with = "plain")]
    pub oblique_degrees: f64,
    /// Largest distance between the grids of the case's files.
    #[serde(serialize_with = "plain")]
    pub grid_distance_mm: f64,
    /// True if reading failed for a reason outside the file's content, so that it is tried again.
    #[serde(skip)]
    pub transient: bool,
}

impl Inspection {
    /// Describes a case that can be used.
    pub fn usable(study: &Study) -> Self {
        let Preparation {
            stored_codes,
            turned_to,
            oblique_degrees,
            stored_spacing_mm: [spacing_x_mm, spacing_y_mm, spacing_z_mm],
            resampled_to_mm,
            brain_outside_crop,
            tumour_outside_crop,
            clipped,
            air_not_zero,
            bright,
            nan_background,
            grid_distance_mm,
            ..
        } = study.preparation;
        Self {
            orientation: stored_codes.map(|codes| codes.to_string()),
            turned_to: turned_to.map(|codes| codes.to_string()),
            spacing_x_mm,
            spacing_y_mm,
            spacing_z_mm,
            resampled: resampled_to_mm.is_some(),
            brain_outside_crop,
            tumour_outside_crop,
            tumour_voxels: study
                .tumour
                .as_ref()
                .map_or(0, |tumour| tumour.iter().filter(|&&inside| inside).count()),
            clipped,
            air_not_zero,
            bright,
            nan_background,
            oblique_degrees,
            grid_distance_mm,
            ..Self::default()
        }
    }

    /// Describes a case that can't be used.
    pub fn unusable(reason: String) -> Self {
        Self { reason: Some(reason), ..Self::default() }
    }

    /// Stored spacing along x, y, z, such as `1x1x6`.
    pub fn spacing(&self) -> String {
        spacing([self.spacing_x_mm, self.spacing_y_mm, self.spacing_z_mm])
    }
}

/// Formats a spacing with at most four decimals, such as `0.9375x0.9375x6`.
pub fn spacing(mm: [f64; 3]) -> String {
    mm.map(|mm| rounded(mm).to_string()).join("x")
}

/// Rounds to four decimals.
pub fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Reads the inspections of a run folder, by case. A missing or damaged file holds none.
pub fn read(root: &Path) -> BTreeMap<String, Inspection> {
    let rows: Vec<Inspection> = table::read(&root.join(INSPECTED)).unwrap_or_default();
    rows.into_iter().map(|row| (row.case.clone(), row)).collect()
}

/// Formats inspections as CSV.
///
/// # Errors
/// Returns an error if a row can't be represented in CSV.
pub fn to_csv<'a>(rows: impl IntoIterator<Item = &'a Inspection>) -> anyhow::Result<Vec<u8>> {
    table::to_csv(&COLUMNS, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inspections_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let usable = Inspection {
            case: "007".into(),
            files: "a".into(),
            settings: "b".into(),
            orientation: Some("LPS".into()),
            spacing_x_mm: 1.0 / 3.0,
            resampled: true,
            tumour_voxels: 12,
            bright: Some(0.5),
            ..Inspection::default()
        };
        let reason = Inspection { case: "8".into(), ..Inspection::unusable("t1.nii: cut, \"short\"".into()) };
        std::fs::write(folder.path().join(INSPECTED), to_csv([&usable, &reason]).unwrap()).unwrap();
        let read = read(folder.path());
        assert_eq!(read.into_values().collect::<Vec<_>>(), [usable, reason]);
        std::fs::write(folder.path().join(INSPECTED), b"case,files\n1,2,3\n").unwrap();
        assert!(super::read(folder.path()).is_empty());
    }

    #[test]
    fn spacings_have_few_digits() {
        assert_eq!(spacing([1.0, 0.937_500_001, 6.0]), "1x0.9375x6");
    }
}
