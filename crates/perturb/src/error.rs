//! What can be wrong with a fill, a region or the image they are asked for.

use crate::Constant;

/// Why a region could not be replaced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A region index at or past the partition's count.
    #[error("region {region} is out of range: the partition has {regions} regions, counted from 0")]
    RegionOutOfRange {
        /// The index asked for.
        region: usize,
        /// How many regions there are.
        regions: usize,
    },
    /// Two arrays that must lie on one grid don't.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// Which array.
        what: &'static str,
        /// The shape it must have.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// A fill gave a NaN or an infinity.
    #[error("fill {fill}: expected finite values, found {value} in sequence {channel}")]
    NonFinite {
        /// The fill's name.
        fill: String,
        /// The sequence, counted from 0.
        channel: usize,
        /// What it gave.
        value: f32,
    },
    /// No voxel of the brain mask is set, so that its smallest and largest values don't exist.
    #[error("fill {fill}: the brain mask has no voxel, so a sequence has no {fill} value there")]
    EmptyBrain {
        /// The fill's name.
        fill: String,
    },
    /// A name that is no constant fill.
    #[error("fill `{name}` is not known: expected one of {}", Constant::ALL.map(Constant::name).join(", "))]
    UnknownConstant {
        /// The name given.
        name: String,
    },
    /// A tensor operation failed.
    #[cfg(feature = "learned")]
    #[error("learned fill: {0}")]
    Tensor(#[from] candle_core::Error),
    /// Weights that don't fit, a checkpoint that can't be read or written.
    #[cfg(feature = "learned")]
    #[error(transparent)]
    Network(#[from] relevox_models::Error),
    /// A training setting out of range.
    #[cfg(feature = "learned")]
    #[error("{key}: expected {expected}, found {found}")]
    Config {
        /// The setting.
        key: &'static str,
        /// What is possible.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// Nothing to learn from.
    #[cfg(feature = "learned")]
    #[error("the learned fill needs a region with brain in it: found none in {cases} training cases")]
    NoRegions {
        /// How many cases there were.
        cases: usize,
    },
    /// The loss is no longer a number.
    #[cfg(feature = "learned")]
    #[error("the learned fill's training diverged: the loss of pass {pass}, step {step} is {loss}")]
    Diverged {
        /// The pass, from 1.
        pass: usize,
        /// The step of that pass, from 1.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// The caller asked to stop.
    #[cfg(feature = "learned")]
    #[error("the learned fill's training was interrupted in pass {pass}")]
    Interrupted {
        /// The pass that was not finished, from 1.
        pass: usize,
    },
}
