//! Diffused relevance of scores that are already computed, and its mean over several partitions.

use relevox_relevance::{
    Attribution, Diffused, Diffusion, Inputs, Progress, RegionGraph, RegionScores, RelevanceMap, Sign, score,
};
use slic3d::Supervoxels;

use crate::{Error, PartitionRelevance};

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
    let Diffused { values, magnitudes } = graph.diffuse(&attribution.values, &settings)?;
    (attribution.values, attribution.magnitudes) = (values, magnitudes);
    Ok(attribution)
}

/// Diffuses the scores of a partition, which are given, and of others, which are computed.
pub(crate) fn diffused_on_each(
    inputs: &Inputs<'_>,
    scores: &RegionScores,
    others: Vec<Supervoxels>,
    settings: Diffusion,
    progress: Progress<'_>,
) -> Result<Vec<PartitionRelevance>, Error> {
    let attribution = diffused(inputs, scores, settings)?;
    let mut found = vec![PartitionRelevance { regions: inputs.regions.clone(), attribution }];
    for regions in others {
        let of = Inputs { regions: &regions, ..*inputs };
        let scores = score(of.baseline, &regions, of.fill, of.target, progress)?;
        let attribution = diffused(&of, &scores, settings)?;
        found.push(PartitionRelevance { regions, attribution });
    }
    Ok(found)
}

/// Averages the maps of all partitions, as the experiment's method `averaged` does: each is scaled to 0..100 before, and their mean
/// again.
pub(crate) fn averaged(partitions: &[PartitionRelevance]) -> Result<RelevanceMap, Error> {
    let map = |one: &PartitionRelevance| one.attribution.map(&one.regions, Sign::Magnitude);
    let maps: Vec<RelevanceMap> = partitions.iter().map(map).collect::<Result<_, _>>()?;
    Ok(RelevanceMap::average(&maps)?)
}
