//! Samples of `cargo xtask bench networks`: docs/performance/networks.json.

use serde::{Deserialize, Serialize};

use super::timing::median;

/// A network and its image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    pub(super) name: String,
    /// `legacy`, which traces, or `dynamo`, which exports programs.
    pub(super) exporter: String,
    pub(super) channels: usize,
    pub(super) size: [usize; 3],
    /// Number of regions that Captum computes, if a relevance map is compared.
    pub(super) peer_regions: Option<usize>,
}

/// A case with its samples.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Compared {
    pub(super) case: Case,
    pub(super) load: Option<f64>,
    /// Largest difference of an output from PyTorch's, relative to the output or to 1.
    pub(super) difference: f64,
    pub(super) ours: Passes,
    pub(super) torch: Passes,
    pub(super) onnxruntime: Passes,
    pub(super) map: Option<Map>,
}

/// Seconds of a side's forward passes; one sample is several of them, one after the other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Passes {
    /// By sample, the first pass: after a pause, and after the other sides replaced its data in the caches.
    pub(super) first_seconds: Vec<f64>,
    /// By sample, the median of those that follow.
    pub(super) seconds: Vec<f64>,
}

/// Passes that follow the first one: fewer where they take more than [`LONG`] together, but at least two.
const FOLLOWING: usize = 9;
/// Seconds of passes after which no more follow.
const LONG: f64 = 3.0;

impl Passes {
    /// Adds a sample, whose first pass took so long; `again` times another one.
    ///
    /// # Errors
    /// Returns the error of `again`.
    pub(super) fn sample(
        &mut self,
        first: f64,
        mut again: impl FnMut() -> anyhow::Result<f64>,
    ) -> anyhow::Result<()> {
        let mut following = Vec::new();
        while following.len() < 2 || following.len() < FOLLOWING && following.iter().sum::<f64>() < LONG {
            following.push(again()?);
        }
        self.first_seconds.push(first);
        self.seconds.push(median(&following));
        Ok(())
    }
}

impl Compared {
    /// Creates a case without samples.
    pub(super) fn of(case: Case) -> Self {
        Self {
            case,
            load: None,
            difference: 0.0,
            ours: Passes::default(),
            torch: Passes::default(),
            onnxruntime: Passes::default(),
            map: None,
        }
    }
}

/// A relevance map with its samples.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Map {
    pub(super) regions: usize,
    /// Operations of the incremental passes as a share of as many dense ones.
    pub(super) operations: f64,
    pub(super) ours_seconds: Vec<f64>,
    pub(super) peer_seconds: f64,
    /// Passes that the peer computed, and that the map needs.
    pub(super) peer_passes: [usize; 2],
    /// Largest difference from the peer's change of the last output, as a share of the largest change.
    pub(super) error: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_median_of_the_passes_after_the_first() {
        let mut passes = Passes::default();
        let mut next = 0.0;
        let again = || {
            next += 0.01;
            Ok(next)
        };
        passes.sample(7.0, again).unwrap();
        assert_eq!((passes.first_seconds, passes.seconds), (vec![7.0], vec![0.01 * 5.0]));
    }

    #[test]
    fn two_long_passes_are_enough() {
        let mut passes = Passes::default();
        let mut times = vec![5.0, 4.0];
        passes.sample(9.0, || Ok(times.pop().unwrap())).unwrap();
        assert_eq!(passes.seconds, [4.5]);
    }
}
