//! Samples of `cargo xtask bench networks`: docs/performance/networks.json.

use serde::{Deserialize, Serialize};

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
    pub(super) ours_seconds: Vec<f64>,
    pub(super) torch_seconds: Vec<f64>,
    pub(super) onnxruntime_seconds: Vec<f64>,
    pub(super) map: Option<Map>,
}

impl Compared {
    /// Creates a case without samples.
    pub(super) fn of(case: Case) -> Self {
        Self {
            case,
            load: None,
            difference: 0.0,
            ours_seconds: Vec::new(),
            torch_seconds: Vec::new(),
            onnxruntime_seconds: Vec::new(),
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
