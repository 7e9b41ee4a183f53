//! Partitions of a case into supervoxels, one file each, on the network's own grid with its true affine.
//!
//! Source: Rajapaksa and Khalvati (2022), section B and appendix A.3; SLIC: Achanta et al., IEEE TPAMI 34(11), 2012.

use std::fmt;
use std::path::Path;

use anyhow::Context;
use relevox_report::tables::Method;
use relevox_volume::{Study, Volume, nifti};
use serde::{Deserialize, Serialize};
use slic3d::Supervoxels;

use rayon::prelude::*;

use super::{Scans, Session, Work};
use crate::config::RegionsConfig;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, Run};

/// Which supervoxels: of which sequence, how many, how compact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// The sequence that is segmented.
    pub sequence: String,
    /// Regions asked for.
    pub regions: usize,
    /// SLIC's compactness.
    pub compactness: f64,
}

impl fmt::Display for Partition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sequence, regions) = (self.sequence.to_uppercase(), self.regions);
        write!(out, "{sequence}, {regions} regions, compactness {}", self.compactness)
    }
}

/// Makes the partition of cases, by name.
///
/// # Errors
/// A scan that can't be read or divided so.
pub fn run(session: &Session, partition: &Partition, cases: &[String]) -> anyhow::Result<Work> {
    let progress = Progress::start("regions", cases.len(), "partitions");
    let made: Vec<bool> = cases
        .par_iter()
        .map(|case| {
            interrupt::check()?;
            let made = partition.make(&session.run, &session.scans, case, &session.config.regions)?;
            progress.advance(1);
            Ok(made)
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(Work::from_iter(made))
}

impl Partition {
    /// The stem of its files: `t2-100-c10`.
    pub fn name(&self) -> String {
        format!("{}-{}-c{}", self.sequence, self.regions, self.compactness)
    }

    /// Its labels for a case.
    pub fn regions_file(&self, case: &str) -> String {
        format!("regions/{case}/{}.nii.gz", self.name())
    }

    /// Its scores for a case under a fill.
    pub fn scores_file(&self, case: &str, fill: Method) -> String {
        format!("scores/{case}/{}-{fill}.csv", self.name())
    }

    fn inputs(&self, scans: &Scans, case: &str, regions: &RegionsConfig) -> anyhow::Result<Inputs> {
        let settings = serde_json::json!({
            "sigma": regions.sigma,
            "iterations": regions.iterations,
            "masked": regions.masked,
            "enforce_connectivity": regions.enforce_connectivity,
        });
        Ok(scans.inputs(case)?.setting("partition", self).setting("regions", &settings))
    }

    /// Makes a case's labels, unless they are current. Says whether they were made.
    ///
    /// # Errors
    /// A scan that can't be read or divided so.
    pub fn make(
        &self,
        run: &Run,
        scans: &Scans,
        case: &str,
        regions: &RegionsConfig,
    ) -> anyhow::Result<bool> {
        let inputs = self.inputs(scans, case, regions)?;
        run.make(&self.regions_file(case), &inputs, |path| {
            let study = scans.study(case)?;
            let supervoxels = self
                .segment(&study, regions)
                .with_context(|| format!("{case}: supervoxels {}", self.name()))?;
            let labels = supervoxels.labels().to_owned();
            Ok(nifti::write_labels(path, &Volume { voxels: labels, geometry: study.frame.geometry() })?)
        })
    }

    /// Says what to run first where a case's labels are not there, or of another config.
    ///
    /// # Errors
    /// Labels that are not current.
    pub fn require(
        &self,
        run: &Run,
        scans: &Scans,
        case: &str,
        regions: &RegionsConfig,
        command: &str,
    ) -> anyhow::Result<()> {
        run.require(&self.regions_file(case), &self.inputs(scans, case, regions)?, command)
    }

    /// A case's labels, as a file of the run holds them.
    ///
    /// # Errors
    /// Labels that are not current.
    pub fn read(
        &self,
        run: &Run,
        scans: &Scans,
        case: &str,
        regions: &RegionsConfig,
        command: &str,
    ) -> anyhow::Result<Supervoxels> {
        self.require(run, scans, case, regions, command)?;
        self.load(&run.path(&self.regions_file(case)), regions)
    }

    fn load(&self, path: &Path, regions: &RegionsConfig) -> anyhow::Result<Supervoxels> {
        let labels = nifti::read_labels(path)?.voxels;
        Ok(Supervoxels::from_labels(labels, regions.masked.then_some(0))?)
    }

    fn segment(&self, study: &Study, regions: &RegionsConfig) -> anyhow::Result<Supervoxels> {
        let slic = regions.slic(self.regions, self.compactness);
        let mask = regions.masked.then(|| study.brain.view());
        Ok(slic.segment_volume(study.channel(&self.sequence)?, mask)?)
    }
}
