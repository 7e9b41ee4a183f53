//! The scans of a command: cases as folders or 4D files, a cohort, or one case as one file per sequence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use relevox_experiment::failure::{ExitStatus, exit_status, invalid_input, message};
use relevox_volume::{CaseFiles, Outline, ScanFile, ScanList};

use super::library_error::of_command;
use crate::ContractKeys;

/// The scans of one case or several.
#[derive(Clone, Debug, Default, Args)]
pub struct ScansArgs {
    /// Cases: folders in BraTS's or BIDS's layout, or 4D NIfTI files with their dataset.json. Of several, each has a folder of its
    /// own in --out, and cases that are done with the same options are skipped.
    #[arg(required_unless_present_any = ["scan", "tensor", "cohort"], conflicts_with_all = ["scan", "cohort"], value_name = "CASE")]
    pub cases: Vec<PathBuf>,
    /// All cases of a cohort, as reproduce's --cohort takes it: a folder of cases, or a CSV that lists them. They need no class.
    #[arg(help_heading = "Scans", long, value_name = "DIR|LIST.csv", conflicts_with = "scan")]
    pub cohort: Option<PathBuf>,
    /// One sequence as a file, in place of a case; once for each. Volumes of a 4D file are counted from 0: t1=FILE#0.
    #[arg(help_heading = "Scans", long, value_name = "NAME=FILE")]
    pub scan: Vec<String>,
    /// Expert's segmentation of the case's tumour, on the scan's voxels in any orientation; all labels above 0 count. The masks
    /// are compared with it, and the page shows it; no relevance depends on it [default: the one that is named after the
    /// case (X_seg.nii.gz), in its folder, its BIDS derivatives or its dataset.json].
    #[arg(help_heading = "Scans", long, value_name = "SEG.nii.gz", conflicts_with_all = ["tensor", "cohort", "no_outline"])]
    pub outline: Option<String>,
    /// Leaves out the expert's segmentation.
    #[arg(help_heading = "Scans", long, conflicts_with = "tensor")]
    pub no_outline: bool,
}

/// Cases with their files.
pub(super) struct FoundCases {
    pub(super) cases: Vec<CaseFiles>,
    /// The patient of each case of a cohort; cases that were given one by one have none.
    pub(super) patients: BTreeMap<String, String>,
    /// Names of the others, with the reasons.
    pub(super) left_out: Vec<(String, String)>,
}

impl ScansArgs {
    /// Returns whether there may be more than one case.
    pub fn are_several(&self) -> bool {
        self.cases.len() > 1 || self.cohort.is_some()
    }

    /// Finds the files of these sequences of each case, and the expert's segmentation. `warn` is told why a case has none
    /// although there are files that resemble one. Of several cases, those without a file that they need are left out.
    ///
    /// # Errors
    /// Returns an error that names what is missing, ambiguous or unknown, or an identifier that two cases share.
    pub(super) fn files(
        &self,
        sequences: &[String],
        warn: &mut dyn FnMut(String),
    ) -> anyhow::Result<FoundCases> {
        if self.outline.is_some() && self.are_several() {
            let found = self.cases.len();
            return Err(invalid_input(format!("--outline: expected one case, found {found}")));
        }
        let (mut left_out, mut patients) = (Vec::new(), BTreeMap::new());
        let mut files: Vec<CaseFiles> = match &self.cohort {
            Some(cohort) => {
                let cohort = ScanList::open(cohort, sequences)?;
                left_out.extend(cohort.left_out.into_iter().map(|case| (case.case, case.reason)));
                patients
                    .extend(cohort.cases.iter().map(|(files, patient)| (files.id.clone(), patient.clone())));
                cohort.cases.into_iter().map(|(files, _)| files).collect()
            }
            None if self.cases.is_empty() => vec![self.given(sequences)?],
            None => {
                let mut found = Vec::with_capacity(self.cases.len());
                for case in &self.cases {
                    match self.in_case(case, sequences, warn) {
                        Ok(files) => found.push(files),
                        Err(error)
                            if self.are_several() && exit_status(&error) == ExitStatus::InvalidInput =>
                        {
                            left_out.push((case.display().to_string(), message(&error)));
                        }
                        Err(error) => return Err(error),
                    }
                }
                found
            }
        };
        if let (Some(outline), [only]) = (&self.outline, files.as_mut_slice()) {
            only.segmentation = Some(ScanFile::parse(outline));
        }
        if self.no_outline {
            files.iter_mut().for_each(|case| case.segmentation = None);
        }
        let mut ids = BTreeSet::new();
        match files.iter().find(|case| !ids.insert(case.id.as_str())) {
            Some(case) => Err(invalid_input(format!(
                "cases: expected folders of different names, which name the results, found {} again; explain them in separate \
                 calls",
                case.id
            ))),
            None => Ok(FoundCases { cases: files, patients, left_out }),
        }
    }

    fn in_case(
        &self,
        case: &Path,
        sequences: &[String],
        warn: &mut dyn FnMut(String),
    ) -> anyhow::Result<CaseFiles> {
        let found = match case.is_dir() {
            true => CaseFiles::in_folder(case, sequences),
            false => CaseFiles::in_4d_file(case, sequences),
        };
        let mut files = found.map_err(|error| match case.to_str() {
            // An option's value that is written without `=` is taken for a case.
            Some(text) if !case.exists() && text.parse::<f64>().is_ok() => invalid_input(format!(
                "{error}; the value of an option such as --sets is written --sets={text}"
            )),
            _ => error.into(),
        })?;
        if self.outline.is_none() && !self.no_outline {
            match CaseFiles::outline_of(case, sequences)? {
                Outline::Found(file) => files.segmentation = Some(file),
                Outline::Absent => {}
                Outline::Unnamed(reason) | Outline::Unusable(reason) => {
                    warn(format!(
                        "case {}: no outline to compare with: {reason}; name one with --outline",
                        files.id
                    ));
                }
            }
        }
        Ok(files)
    }

    fn given(&self, sequences: &[String]) -> anyhow::Result<CaseFiles> {
        let mut files: Vec<(String, ScanFile)> = Vec::with_capacity(self.scan.len());
        for text in &self.scan {
            let expected = || format!("one of {} as NAME=FILE", sequences.join(", "));
            let (name, file) = text
                .split_once('=')
                .ok_or_else(|| invalid_input(format!("--scan: expected {}, found {text}", expected())))?;
            if !sequences.iter().any(|sequence| sequence == name) {
                return Err(invalid_input(format!("--scan: expected {}, found {name}", expected())));
            }
            if files.iter().any(|(earlier, _)| earlier == name) {
                return Err(invalid_input(format!("--scan: expected {name} once, found it again")));
            }
            files.push((name.to_owned(), ScanFile::parse(file)));
        }
        let missing: Vec<&str> = sequences
            .iter()
            .filter(|sequence| !files.iter().any(|(name, _)| name == *sequence))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            return Err(invalid_input(format!("--scan: expected a file for {} too", missing.join(", "))));
        }
        let id = files.first().and_then(|(_, file)| file.path.file_name()).map(|name| {
            let name = name.to_string_lossy();
            name.trim_end_matches(".gz").trim_end_matches(".nii").to_owned()
        });
        Ok(CaseFiles { id: id.unwrap_or_default(), sequences: files, segmentation: None })
    }
}

/// Reads a contract.
///
/// # Errors
/// Returns an input error if the file cannot be read or is not TOML.
pub(super) fn contract_keys(path: &Path) -> anyhow::Result<ContractKeys> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        invalid_input(format!("--input {}: expected a readable TOML file: {error}", path.display()))
    })?;
    ContractKeys::parse(path.display().to_string(), &text).map_err(of_command)
}
