//! Control of diffused relevance: the same scores, shuffled over the regions and then diffused. Its Dice is that of
//! diffusion without any evidence from the classifier.

use relevox_relevance::{Diffused, RegionGraph, ValidDiffusion};
use relevox_volume::Study;
use slic3d::Supervoxels;

use crate::stages::diffuse::{self, Setting};
use crate::stages::partition::Partition;
use crate::stages::scores::read_csv;
use crate::stages::session::Session;

/// Settings of the run's diffusion, for shuffled scores.
pub struct RandomDiffused(Setting);

impl RandomDiffused {
    /// Reads the run's settings; `None` if it has no diffused scores.
    ///
    /// # Errors
    /// Returns an error if the settings can't be read.
    pub fn read(session: &Session) -> anyhow::Result<Option<Self>> {
        if !diffuse::is_enabled(&session.config) {
            return Ok(None);
        }
        Ok(Some(Self(diffuse::read(session)?.chosen)))
    }

    /// Returns the settings of the diffusion.
    ///
    /// # Errors
    /// Returns an error if a value is out of range.
    pub fn smoothing(&self) -> Result<ValidDiffusion, relevox_relevance::Error> {
        self.0.smoothing()
    }

    /// Converts diffused scores to relevance.
    pub fn relevance(&self, diffused: &Diffused) -> Vec<f64> {
        self.0.relevance(diffused)
    }

    /// Returns the scores to shuffle, and the graph of the case's regions.
    ///
    /// # Errors
    /// Returns an error if the scores can't be read.
    pub fn of_case(
        &self,
        session: &Session,
        partition: &Partition,
        study: &Study,
        regions: &Supervoxels,
    ) -> anyhow::Result<(Vec<f64>, RegionGraph)> {
        let scores = read_csv(&session.run.path(&partition.scores_file(&study.case, self.0.fill)))?;
        Ok((self.0.raw(&scores), self.0.graph(study, regions)?))
    }
}
