//! The scans of a command: a case's folder, a 4D file, or one file a sequence.

use std::path::{Path, PathBuf};

use clap::Args;
use relevox_experiment::failure::invalid_input;
use relevox_volume::{CaseFiles, ScanFile};

use super::library_error::of_command;
use crate::ContractKeys;

/// The scans of one case.
#[derive(Clone, Debug, Args)]
pub struct ScansArgs {
    /// Case: a folder in BraTS's or BIDS's layout, or a 4D NIfTI file with its dataset.json.
    #[arg(required_unless_present_any = ["scan", "tensor"], conflicts_with = "scan")]
    pub case: Option<PathBuf>,
    /// One sequence as a file, in place of a case; once for each. Volumes of a 4D file are counted from 0: t1=FILE#0.
    #[arg(long, value_name = "NAME=FILE")]
    pub scan: Vec<String>,
}

impl ScansArgs {
    /// Finds the files of these sequences.
    ///
    /// # Errors
    /// Returns an error that names what is missing, ambiguous or unknown.
    pub fn files(&self, sequences: &[String]) -> anyhow::Result<CaseFiles> {
        match &self.case {
            Some(case) if case.is_dir() => Ok(CaseFiles::in_folder(case, sequences)?),
            Some(case) => Ok(CaseFiles::in_4d_file(case, sequences)?),
            None => self.given(sequences),
        }
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
