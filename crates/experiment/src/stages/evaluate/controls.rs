//! The control of diffused relevance: the same scores shuffled over the regions, then diffused the same way. What it
//! reaches, smoothing over likeness reaches without a classifier that looks anywhere.

use relevox_relevance::{RegionGraph, ValidDiffusion};
use relevox_volume::Study;
use slic3d::Supervoxels;

use crate::stages::diffuse::{self, Setting};
use crate::stages::scores::read_csv;
use crate::stages::{Partition, Session};

/// How the run's scores are diffused.
pub struct RandomDiffused(Setting);

impl RandomDiffused {
    /// The run's own setting, where it diffuses.
    ///
    /// # Errors
    /// A choice that was not made.
    pub fn find(session: &Session) -> anyhow::Result<Option<Self>> {
        if !diffuse::wanted(&session.config) {
            return Ok(None);
        }
        Ok(Some(Self(diffuse::read(session)?.chosen)))
    }

    /// How scores are smoothed.
    ///
    /// # Errors
    /// A value out of range.
    pub fn smoothing(&self) -> Result<ValidDiffusion, relevox_relevance::Error> {
        self.0.smoothing()
    }

    /// Smoothed scores as relevance.
    pub fn relevance(&self, smoothed: &[f64]) -> Vec<f64> {
        self.0.relevance(smoothed)
    }

    /// The scores that are shuffled, and the graph that they are smoothed over.
    ///
    /// # Errors
    /// Scores that can't be read.
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
