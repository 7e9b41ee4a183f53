//! Names of the files that the command writes, without those by sequence.

/// Scores by region.
pub(super) const SCORES: &str = "scores.csv";
/// The relevance map on the scan's grid.
pub(super) const VOLUME: &str = "relevance.nii.gz";
/// The relevance map of a tensor, in its own axes.
pub(super) const ARRAY: &str = "relevance.npy";
