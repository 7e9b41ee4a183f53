//! What can go wrong between a scan and its relevance map.

/// Why regions could not be scored or a map not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The fill failed.
    #[error(transparent)]
    Fill(#[from] relevox_perturb::Error),
    /// A black box failed; it says why.
    #[error("the classifier failed: {0}")]
    BlackBox(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A classifier gave more or fewer logits than it was given images.
    #[error("the classifier must give one logit per image: expected {expected}, found {found}")]
    LogitCount {
        /// Images in the batch.
        expected: usize,
        /// Logits that came back.
        found: usize,
    },
    /// A classifier gave a NaN or an infinity.
    #[error("{input}: expected a finite logit, found {logit}")]
    NonFiniteLogit {
        /// Which input: the scan as it is, or a region by number.
        input: String,
        /// What came back.
        logit: f32,
    },
    /// Scores, logits or arrays that don't belong together.
    #[error("{what}: expected {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// What was compared.
        what: &'static str,
        /// What it must be.
        expected: Vec<usize>,
        /// What it is.
        found: Vec<usize>,
    },
    /// Scores of another partition: the ids differ.
    #[error("row {row} of the scores: expected region id {expected}, found {found}")]
    OtherPartition {
        /// The row, counted from 0.
        row: usize,
        /// The partition's id there.
        expected: u32,
        /// The row's id.
        found: u32,
    },
    /// A map holds a NaN or an infinity.
    #[error("a relevance map must be finite: found {value} at voxel {voxel:?} (z, y, x)")]
    NonFiniteMap {
        /// Where.
        voxel: [usize; 3],
        /// What.
        value: f32,
    },
    /// A setting of an explainer that it can't work with.
    #[error("{explainer}: {setting}: expected {expected}, found {found}")]
    Setting {
        /// Which explainer.
        explainer: &'static str,
        /// Which of its settings.
        setting: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        found: f64,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// A network operation failed.
    #[cfg(feature = "candle")]
    #[error("network: {0}")]
    Network(#[from] candle_core::Error),
    /// A network that can't be compiled, or does not take the image.
    #[cfg(feature = "candle")]
    #[error(transparent)]
    Model(#[from] relevox_models::Error),
}

impl Error {
    /// Wraps what a black box reports.
    pub fn black_box(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::BlackBox(error.into())
    }
}
