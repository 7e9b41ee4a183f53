//! An open run: folder, configuration, scans and device.

use relevox_models::candle_core::Device;
use relevox_volume::{CohortCase, Split};

use super::cohort::Scans;
use crate::config::ValidConfig;
use crate::run::{Run, hash_bytes};

/// An open run, as the stages use it.
#[derive(Debug)]
pub struct Session {
    /// The locked folder.
    pub run: Run,
    /// The effective configuration.
    pub config: ValidConfig,
    /// The cohort.
    pub scans: Scans,
    /// Device of the networks.
    pub device: Device,
}

impl Session {
    /// Returns the cases that are scored: those of the validation and test splits.
    pub fn scored_cases(&self) -> Vec<&CohortCase> {
        [Split::Validation, Split::Test].into_iter().flat_map(|split| self.scans.split(split)).collect()
    }

    /// Computes the hash of the scored cases: names, labels, splits and scans.
    ///
    /// # Errors
    /// Returns an error if a case is not in the cohort.
    pub fn scored_hash(&self) -> anyhow::Result<String> {
        let mut cases = Vec::new();
        for case in self.scored_cases() {
            let scan = self.scans.inputs(case.id())?.to_value();
            cases.push(serde_json::json!([case.id(), case.label, case.split, scan]));
        }
        Ok(hash_bytes(serde_json::to_string(&cases)?.as_bytes()))
    }
}
