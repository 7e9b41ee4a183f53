//! An open run: folder, configuration, scans and device.

use std::collections::BTreeSet;

use relevox_models::candle_core::Device;
use relevox_volume::{CohortCase, Split};

use super::cohort::Scans;
use crate::config::ValidConfig;
use crate::run::{Run, hash_bytes};

/// Splits whose cases are scored, in order.
pub const SCORED: [Split; 2] = [Split::Validation, Split::Test];

/// An open run, as the stages use it.
#[derive(Debug)]
pub struct Session {
    /// The open folder.
    pub run: Run,
    /// The effective configuration.
    pub config: ValidConfig,
    /// The cohort.
    pub scans: Scans,
    /// Device of the networks.
    pub device: Device,
    /// Cases of the shard; `None` without a shard.
    owned: Option<BTreeSet<String>>,
}

impl Session {
    /// Creates a session.
    pub fn new(run: Run, config: ValidConfig, scans: Scans, device: Device) -> Self {
        let owned = (!run.share.is_whole()).then(|| {
            // Splits one after the other: every stage goes by one of them, or by the first two. In all stages a case belongs to
            // the same shard.
            let splits = [Split::Validation, Split::Test, Split::Train];
            let cases: Vec<&CohortCase> = splits.into_iter().flat_map(|split| scans.split(split)).collect();
            run.share.of(cases).into_iter().map(|case| case.id().to_owned()).collect()
        });
        Self { run, config, scans, device, owned }
    }

    /// Returns true if the command's share includes a case.
    pub fn owns(&self, case: &str) -> bool {
        self.owned.as_ref().is_none_or(|owned| owned.contains(case))
    }

    /// Returns the cases that are scored: those of the validation and test splits.
    pub fn scored_cases(&self) -> Vec<&CohortCase> {
        SCORED.into_iter().flat_map(|split| self.scans.split(split)).collect()
    }

    /// Returns the scored cases of the command's share.
    pub fn owned_scored_cases(&self) -> Vec<&CohortCase> {
        self.scored_cases().into_iter().filter(|case| self.owns(case.id())).collect()
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
