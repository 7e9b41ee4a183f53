//! What an explainer that samples says of each region, and how far its answer has settled.

use slic3d::Supervoxels;

use crate::{Error, RelevanceMap, scale_to_100};

/// A signed value for each region, in the order of the partition's ids.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribution {
    /// Above 0 where the region speaks for the positive class, in units of the logit.
    pub values: Vec<f64>,
    /// How the values moved as samples came in; empty for an explainer that does not sample.
    pub convergence: Vec<Settling>,
}

/// How far an estimate moved between two counts of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settling {
    /// Samples so far.
    pub samples: usize,
    /// `‖v − v′‖ / ‖v‖`, where `v` are the values now and `v′` those at the step before. 0 where nothing moved, 1 where all
    /// values became 0.
    pub change: f64,
}

/// How signed values become relevance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reading {
    /// By magnitude, whichever class the region speaks for: as the paper reads Δp.
    #[default]
    Magnitude,
    /// What speaks for the positive class; all else is 0.
    Positive,
    /// What speaks for the negative class; all else is 0.
    Negative,
}

impl Reading {
    /// The evidence in a signed value, at least 0.
    pub fn of(self, value: f64) -> f64 {
        match self {
            Self::Magnitude => value.abs(),
            Self::Positive => value.max(0.0),
            Self::Negative => (-value).max(0.0),
        }
    }
}

impl Attribution {
    /// Relevance 0..100 by region, min-max scaled; all 0 where nothing stands out.
    pub fn relevance(&self, reading: Reading) -> Vec<f64> {
        relevance(&self.values, reading)
    }

    /// The relevance on the voxel grid.
    ///
    /// # Errors
    /// Values of another partition.
    pub fn paint(&self, regions: &Supervoxels, reading: Reading) -> Result<RelevanceMap, Error> {
        RelevanceMap::paint_relevance(regions, &self.relevance(reading))
    }
}

/// Signed values by region as relevance 0..100, min-max scaled; all 0 where nothing stands out.
pub fn relevance(values: &[f64], reading: Reading) -> Vec<f64> {
    let evidence: Vec<f64> = values.iter().map(|&value| reading.of(value)).collect();
    scale_to_100(&evidence).unwrap_or_else(|| vec![0.0; values.len()])
}

/// The counts of samples at which an estimate is looked at: every tenth part, and the end.
pub(crate) fn looks(samples: usize) -> Vec<usize> {
    let mut looks: Vec<usize> = (1..=10).map(|part| samples * part / 10).filter(|&n| n > 0).collect();
    looks.dedup();
    looks
}

/// Notes how an estimate moves.
#[derive(Debug, Default)]
pub(crate) struct Track {
    last: Option<Vec<f64>>,
    steps: Vec<Settling>,
}

impl Track {
    /// The estimate at a count of samples.
    pub(crate) fn note(&mut self, samples: usize, values: &[f64]) {
        if let Some(last) = &self.last {
            let norm = |squares: f64| squares.sqrt();
            let moved = norm(values.iter().zip(last).map(|(a, b)| (a - b) * (a - b)).sum());
            let length = norm(values.iter().map(|a| a * a).sum());
            let change = match (moved, length) {
                (0.0, _) => 0.0,
                (_, 0.0) => 1.0,
                _ => moved / length,
            };
            self.steps.push(Settling { samples, change });
        }
        self.last = Some(values.to_vec());
    }

    /// The last estimate with its history.
    pub(crate) fn finish(self) -> Attribution {
        Attribution { values: self.last.unwrap_or_default(), convergence: self.steps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings() {
        let values = [-4.0, 0.0, 2.0];
        assert_eq!(relevance(&values, Reading::Magnitude), [100.0, 0.0, 50.0]);
        assert_eq!(relevance(&values, Reading::Positive), [0.0, 0.0, 100.0]);
        assert_eq!(relevance(&values, Reading::Negative), [100.0, 0.0, 0.0]);
        assert_eq!(relevance(&[1.0, 1.0], Reading::Magnitude), [0.0, 0.0]);
    }

    #[test]
    fn an_estimate_that_stands_still_has_settled() {
        assert_eq!(looks(25), [2, 5, 7, 10, 12, 15, 17, 20, 22, 25]);
        assert_eq!(looks(3), [1, 2, 3]);
        let mut track = Track::default();
        track.note(1, &[3.0, 0.0]);
        track.note(2, &[3.0, 4.0]);
        track.note(3, &[3.0, 4.0]);
        track.note(4, &[0.0, 0.0]);
        let found = track.finish();
        assert_eq!(found.values, [0.0, 0.0]);
        let steps = [(2, 0.8), (3, 0.0), (4, 1.0)].map(|(samples, change)| Settling { samples, change });
        assert_eq!(found.convergence, steps);
    }
}
