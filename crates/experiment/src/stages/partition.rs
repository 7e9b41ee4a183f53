//! Partitions of a case into supervoxels, one file each, on the network's grid with its affine.
//!
//! Source: Rajapaksa and Khalvati (2022), section B and appendix A.3; SLIC: Achanta et al., IEEE TPAMI 34(11), 2012.

use std::fmt;

use anyhow::Context;
use rayon::prelude::*;
use relevox_report::tables::Method;
use relevox_volume::{Study, Volume, nifti};
use serde::{Deserialize, Serialize};
use slic3d::Supervoxels;

use super::session::Session;
use super::train::Member;
use super::work::Work;
use crate::config::RegionsConfig;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::{Inputs, replace};

/// A partition: the segmented sequence, the number of regions and their compactness.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// Segmented sequence.
    pub sequence: String,
    /// Requested number of regions.
    pub regions: usize,
    /// Compactness of SLIC.
    pub compactness: f64,
}

impl fmt::Display for Partition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sequence, regions) = (self.sequence.to_uppercase(), self.regions);
        write!(out, "{sequence}, {regions} regions, compactness {}", self.compactness)
    }
}

/// Makes the partition of each case.
///
/// # Errors
/// Returns an error if a scan can't be read or segmented.
pub fn run(session: &Session, partition: &Partition, cases: &[String]) -> anyhow::Result<Work> {
    let progress = Progress::start("regions", cases.len(), "partitions");
    let made: Vec<bool> = cases
        .par_iter()
        .map(|case| {
            interrupt::check()?;
            let made = partition.make(session, case)?;
            progress.advance(1);
            Ok(made)
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(Work::from_iter(made))
}

/// Settings of the supervoxels of a run, for use with its weights.
#[derive(Serialize)]
struct RegionsFile<'a> {
    sequence: &'a str,
    count: usize,
    compactness: f64,
    sigma: f64,
    iterations: usize,
    masked: bool,
    enforce_connectivity: bool,
}

/// Writes the selected partition next to the classifier's weights, so that other scans can be divided in the same way.
///
/// # Errors
/// Returns an error if a file can't be written.
pub fn record(session: &Session, partition: &Partition) -> anyhow::Result<Work> {
    let RegionsConfig { sigma, iterations, masked, enforce_connectivity, .. } = session.config.regions;
    let Partition { sequence, regions: count, compactness } = partition;
    let (count, compactness) = (*count, *compactness);
    let file = RegionsFile { sequence, count, compactness, sigma, iterations, masked, enforce_connectivity };
    let text =
        format!("# Supervoxels that the run selected for this classifier.\n{}", toml::to_string(&file)?);
    let inputs = Inputs::new().setting("regions", &file);
    Member::all(&session.config)
        .iter()
        .map(|member| session.run.make(&member.regions(), &inputs, |path| replace(path, text.as_bytes())))
        .collect()
}

impl Partition {
    /// Stem of file names, such as `t2-100-c10`.
    pub fn name(&self) -> String {
        format!("{}-{}-c{}", self.sequence, self.regions, self.compactness)
    }

    /// Artefact with the labels of a case.
    pub fn regions_file(&self, case: &str) -> String {
        format!("regions/{case}/{}.nii.gz", self.name())
    }

    /// Artefact with the scores of a case under a fill.
    pub fn scores_file(&self, case: &str, fill: Method) -> String {
        format!("scores/{case}/{}-{fill}.csv", self.name())
    }

    fn inputs(&self, session: &Session, case: &str) -> anyhow::Result<Inputs> {
        let RegionsConfig { sigma, iterations, masked, enforce_connectivity, .. } = &session.config.regions;
        let settings = serde_json::json!({
            "sigma": sigma,
            "iterations": iterations,
            "masked": masked,
            "enforce_connectivity": enforce_connectivity,
        });
        Ok(session.scans.inputs(case)?.setting("partition", self).setting("regions", &settings))
    }

    /// Makes the labels of a case unless they are current, and returns true if they were made.
    ///
    /// # Errors
    /// Returns an error if the scan can't be read or segmented.
    pub fn make(&self, session: &Session, case: &str) -> anyhow::Result<bool> {
        let inputs = self.inputs(session, case)?;
        session.run.make(&self.regions_file(case), &inputs, |path| {
            let study = session.scans.study(case)?;
            let supervoxels = self
                .segment(&study, &session.config.regions)
                .with_context(|| format!("{case}: supervoxels {}", self.name()))?;
            let labels = supervoxels.labels().to_owned();
            Ok(nifti::write_labels(path, &Volume { voxels: labels, geometry: study.frame.geometry() })?)
        })
    }

    /// Requires current labels of a case.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) that names the command to run first.
    pub fn require(&self, session: &Session, case: &str, command: &str) -> anyhow::Result<()> {
        session.run.require(&self.regions_file(case), &self.inputs(session, case)?, command)
    }

    /// Reads the labels of a case, which the command `regions` makes.
    ///
    /// # Errors
    /// Returns an error if the labels are not current or can't be read.
    pub fn regions(&self, session: &Session, case: &str) -> anyhow::Result<Supervoxels> {
        self.load(session, case, "regions")
    }

    /// Reads the labels of a case, which the command `command` makes.
    ///
    /// # Errors
    /// Returns an error if the labels are not current or can't be read.
    pub fn load(&self, session: &Session, case: &str, command: &str) -> anyhow::Result<Supervoxels> {
        self.require(session, case, command)?;
        let labels = nifti::read_labels(&session.run.path(&self.regions_file(case)))?.voxels;
        Ok(Supervoxels::from_labels(labels, session.config.regions.masked.then_some(0))?)
    }

    fn segment(&self, study: &Study, regions: &RegionsConfig) -> anyhow::Result<Supervoxels> {
        let slic = regions.slic(self.regions, self.compactness);
        let mask = regions.masked.then(|| study.brain.view());
        Ok(slic.segment_volume(study.channel(&self.sequence)?, mask)?)
    }
}
