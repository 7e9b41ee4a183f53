//! Diffused relevance of scores that are already computed, and its mean over several partitions.

use relevox_relevance::{
    Attribution, Diffusion, Inputs, Progress, RegionGraph, RegionScores, RelevanceMap, Sign, score,
};
use slic3d::Supervoxels;

use crate::Error;

/// Diffuses the scores of a partition.
pub(crate) fn diffused(
    inputs: &Inputs<'_>,
    scores: &RegionScores,
    settings: Diffusion,
) -> Result<Attribution, Error> {
    let kind = settings.score;
    let settings = settings.check()?;
    let graph = RegionGraph::new(inputs.baseline.image(), inputs.regions, &settings)?;
    let mut attribution = scores.attribution(kind, inputs.target);
    attribution.values = graph.diffuse(&attribution.values, &settings)?;
    Ok(attribution)
}

/// Averages the maps of diffused relevance of a partition, whose scores are given, and of others, as the experiment's method
/// `averaged` does: each map is scaled to 0..100 before, and their mean again.
pub(crate) fn averaged(
    inputs: &Inputs<'_>,
    scores: &RegionScores,
    others: &[Supervoxels],
    settings: Diffusion,
    progress: Progress<'_>,
) -> Result<RelevanceMap, Error> {
    let mut maps = vec![diffused(inputs, scores, settings)?.map(inputs.regions, Sign::Magnitude)?];
    for regions in others {
        let of = Inputs { regions, ..*inputs };
        let scores = score(of.baseline, regions, of.fill, of.target, progress)?;
        maps.push(diffused(&of, &scores, settings)?.map(regions, Sign::Magnitude)?);
    }
    Ok(RelevanceMap::average(&maps)?)
}
