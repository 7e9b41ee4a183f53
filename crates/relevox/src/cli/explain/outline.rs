//! The expert's outline of a case: masks are compared with it. No relevance is computed from it.

use std::collections::BTreeSet;

use ndarray::Array3;
use relevox_eval::dice;
use relevox_experiment::failure::{invalid_input, message};
use relevox_volume::preparation::{percent, tumour_outside_warning};
use relevox_volume::{CaseFiles, Error, ScanFile, Study};
use serde_json::{Value, json};

use super::super::library_error::of_command;
use super::notes::Notes;
use crate::{Explanation, MethodResult};

/// Labels that a segmentation of a tumour may have; intensities have more values.
const MOST_LABELS: usize = 64;

/// An expert's segmentation of a case's tumour.
pub(super) struct ExpertOutline {
    pub(super) file: ScanFile,
    /// True where a voxel `[z, y, x]` of the scan's grid has a label above 0.
    pub(super) voxels: Array3<bool>,
    ml: f64,
    /// Share of it outside the network's crop.
    outside_crop: f64,
}

impl ExpertOutline {
    /// Reads the segmentation of a case, if it has one, and says so. One that was found, not `requested`, is left out with a
    /// warning if it cannot be used.
    ///
    /// # Errors
    /// Returns an input error if the requested file cannot be read, or lies on another grid.
    pub(super) fn of(
        files: &CaseFiles,
        study: &Study,
        requested: bool,
        notes: &mut Notes,
    ) -> anyhow::Result<Option<Self>> {
        let Some(file) = &files.segmentation else { return Ok(None) };
        match Self::read(file, study) {
            Ok(outline) => {
                let Self { ml, outside_crop, .. } = &outline;
                let outside = match outside_crop {
                    0.0 => String::new(),
                    share => format!(", {} of it outside the crop", percent(*share)),
                };
                let line = format!(
                    "outline: {file}, {ml:.1} ml{outside}: masks are compared with it, no relevance depends on it"
                );
                notes.say(line);
                if let Some(warning) = tumour_outside_warning(*outside_crop) {
                    notes.warn(format!("case {}: {warning}", study.case));
                }
                Ok(Some(outline))
            }
            Err(error) if requested => Err(error.context("--outline")),
            Err(error) => {
                notes.warn(format!("case {}: no outline to compare with: {}", study.case, message(&error)));
                Ok(None)
            }
        }
    }

    fn read(file: &ScanFile, study: &Study) -> anyhow::Result<Self> {
        let labels = file.read_outline()?;
        let is_placed = labels.geometry.has_orientation();
        let voxels = study.frame.labels_to_scan(&labels).map_err(|error| match error {
            Error::InvalidSetting { expected, found, .. } => {
                let help = match is_placed {
                    true => {
                        "; nearest neighbours bring it there, as by SimpleITK.Resample(outline, scan, \
                         interpolator=SimpleITK.sitkNearestNeighbor)"
                    }
                    false => "; an outline in the order of the scan's voxels can take the scan's affine",
                };
                invalid_input(format!("{file}: expected {expected}, found {found}{help}"))
            }
            other => other.into(),
        })?;
        let kinds = voxels.iter().collect::<BTreeSet<_>>().len();
        if kinds > MOST_LABELS {
            return Err(invalid_input(format!(
                "{file}: expected a segmentation of at most {MOST_LABELS} labels, found {kinds} different values"
            )));
        }
        let voxels = voxels.mapv(|label| label > 0);
        let Some(outside_crop) = study.frame.share_outside_crop(voxels.view())? else {
            return Err(invalid_input(format!("{file}: expected an outline, found no label above 0")));
        };
        let count = voxels.iter().filter(|inside| **inside).count();
        let ml = count as f64 * study.frame.scan().spacing_mm.iter().product::<f64>() / 1000.0;
        Ok(Self { file: file.clone(), voxels, ml, outside_crop })
    }

    /// Describes the outline for programs.
    pub(super) fn described(&self) -> Value {
        json!({
            "file": self.file.path,
            "volume": self.file.volume,
            "volume_ml": self.ml,
            "outside_crop": self.outside_crop,
            "used_for": "comparison only",
        })
    }

    /// Computes the Dice coefficient of a method's mask, as it is written, on the whole scan.
    ///
    /// # Errors
    /// Returns an error if the result is of another grid.
    pub(super) fn dice(&self, explanation: &Explanation, result: &MethodResult) -> anyhow::Result<f64> {
        let mask = explanation.scan_mask(result).map_err(of_command)?.voxels.mapv(|inside| inside > 0);
        Ok(dice(mask.view(), self.voxels.view())?)
    }
}
