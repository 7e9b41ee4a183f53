//! The regions of a study that are scored.

use ndarray::ArrayView3;
use relevox_volume::Study;
use serde::{Deserialize, Serialize};
use slic3d::{Sigma, Slic, Supervoxels};

use crate::Error;

/// SLIC's compactness unless another is given, as in the experiment: on scaled intensities, supervoxels follow the borders
/// that scikit-image's default of 10 ignores.
pub const DEFAULT_COMPACTNESS: f64 = 0.1;

/// Sequences and counts of the experiment's partitions that are averaged: `pool.partitions` of its profiles.
const PROFILE_PARTITIONS: [(&str, usize); 2] = [("t2", 100), ("flair", 250)];

/// The regions that are scored.
#[derive(Clone, Debug)]
pub enum Regions {
    /// Supervoxels of one sequence.
    Slic(SlicRegions),
    /// A partition of the study's grid.
    Given(Supervoxels),
}

/// Supervoxels of one sequence: the table `[regions]` of a contract, and `regions.toml` of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlicRegions {
    /// The sequence.
    pub sequence: String,
    /// The requested number of regions.
    pub count: usize,
    /// Balances spatial proximity against intensity similarity; higher is more compact.
    pub compactness: f64,
    /// Standard deviation of Gaussian smoothing, in voxels.
    pub sigma: f64,
    /// Maximum number of k-means iterations.
    pub iterations: usize,
    /// Whether SLIC is restricted to the brain (default: true if the image has background voxels).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub masked: Option<bool>,
    /// Whether small and disconnected parts are merged into their neighbours.
    pub enforce_connectivity: bool,
}

impl Default for SlicRegions {
    /// 100 supervoxels of `t2` within the brain, compactness 0.1, as the experiment's.
    fn default() -> Self {
        Self {
            sequence: "t2".to_owned(),
            count: 100,
            compactness: DEFAULT_COMPACTNESS,
            sigma: 0.0,
            iterations: 10,
            masked: None,
            enforce_connectivity: true,
        }
    }
}

impl SlicRegions {
    /// Returns the partitions that [`Method::Averaged`](crate::Method::Averaged) averages with this one by default: those of the
    /// experiment's profiles (100 regions of `t2`, 250 of `flair`) whose sequence is among `sequences`, and that are not this
    /// one. If none remain, 5/2 of the regions of the same sequence.
    pub fn averaged_with(&self, sequences: &[String]) -> Vec<Self> {
        let known = PROFILE_PARTITIONS.iter().filter(|(name, _)| sequences.iter().any(|known| known == name));
        let mut others: Vec<Self> = known
            .map(|&(name, count)| Self { sequence: name.to_owned(), count, ..self.clone() })
            .filter(|other| other != self)
            .collect();
        if others.is_empty() {
            others.push(Self { count: self.count.saturating_mul(5).div_ceil(2), ..self.clone() });
        }
        others
    }

    fn segment(&self, study: &Study) -> Result<Supervoxels, Error> {
        let slic = Slic::new(self.count)
            .compactness(self.compactness)
            .sigma(Sigma::from(self.sigma))
            .iterations(self.iterations)
            .start_label(1)
            .enforce_connectivity(self.enforce_connectivity);
        let brain = study.brain.view();
        let mask = self.masked.unwrap_or_else(|| has_background(brain)).then_some(brain);
        Ok(slic.segment_volume(study.channel(&self.sequence)?, mask)?)
    }
}

/// Returns whether there is brain and anything else.
pub(crate) fn has_background(brain: ArrayView3<'_, bool>) -> bool {
    brain.iter().any(|inside| !inside) && brain.iter().any(|inside| *inside)
}

impl Regions {
    /// Returns the number of regions: of SLIC the requested one, of which it may make fewer.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Slic(settings) => settings.count,
            Self::Given(regions) => regions.len(),
        }
    }

    /// Computes or checks the partition of a study.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if the study has no such sequence, [`Error::Supervoxels`] if SLIC rejects its settings, and
    /// [`Error::InvalidSetting`] if a given partition is on another grid or has no region.
    pub fn of(&self, study: &Study) -> Result<Supervoxels, Error> {
        let regions = match self {
            Self::Slic(settings) => settings.segment(study)?,
            Self::Given(regions) => regions.clone(),
        };
        let (expected, found) = (study.frame.shape(), regions.labels().dim());
        if expected != <[usize; 3]>::from(found) {
            return Err(Error::setting(
                "labels",
                format!("the network's grid, {expected:?} voxels (z, y, x)"),
                format!("{:?}", <[usize; 3]>::from(found)),
            ));
        }
        if regions.len() == 0 {
            return Err(Error::setting("labels", "at least one region", "none"));
        }
        Ok(regions)
    }
}
