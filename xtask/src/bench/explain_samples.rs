//! Samples of `cargo xtask bench explain`: docs/performance/explain.json.

use serde::{Deserialize, Serialize};

use super::scan::Layer;

/// A case, as both sides receive it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Case {
    /// Depth of the ResNet; 0 is the learned fill, the U-Net of the `paper` profile.
    pub(super) depth: usize,
    pub(super) stem_stride: usize,
    pub(super) width: usize,
    pub(super) size: [usize; 3],
    /// Number of regions that the peer computes; its time for all is extrapolated.
    pub(super) peer_regions: usize,
}

/// A case with its samples.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Compared {
    pub(super) case: Case,
    pub(super) regions: usize,
    /// Operations of the incremental passes, in 10⁹, counted as direct convolutions.
    pub(super) gflop: f64,
    pub(super) load: Vec<Option<f64>>,
    pub(super) ours_seconds: Vec<f64>,
    /// Seconds for `peer_passes` passes.
    pub(super) peer_seconds: Vec<f64>,
    pub(super) peer_passes: usize,
    /// Passes that the peer needs for the whole case.
    pub(super) passes: usize,
    /// Largest difference from the peer's change of the logit, as a share of the largest change.
    pub(super) error: Option<f64>,
    /// Our time by layer, measured in a separate pass.
    #[serde(default)]
    pub(super) layers: Vec<Layer>,
}

/// Table 3 for one scan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Grid {
    pub(super) tables: usize,
    /// Passes: the regions of all tables and one unperturbed pass per table.
    pub(super) passes: usize,
    pub(super) ours_seconds: f64,
}

/// Cost as a function of one parameter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Growth {
    pub(super) what: String,
    pub(super) regions: usize,
    pub(super) gflop: f64,
    /// Operations of a dense pass per region, in 10⁹.
    pub(super) dense_gflop: f64,
    pub(super) seconds: f64,
}
