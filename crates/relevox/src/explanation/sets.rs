//! Minimal sets of regions.

use relevox_relevance::{Coalitions, MinimalSets, Progress, RegionSet, necessary, sufficient};

use super::MethodResult;
use crate::Error;

/// A minimal set of regions that keeps the classifier's answer on its own, and one whose loss changes it.
#[derive(Clone, Debug)]
pub struct RegionSets {
    /// The answer that is kept or changed.
    pub settings: MinimalSets,
    /// Kept while every other region is replaced, these regions keep the answer; empty if it survives the replacement of all.
    pub sufficient: RegionSet,
    /// Replaced while every other region is kept, these regions change the answer; `None` if it survives the replacement of
    /// all.
    pub necessary: Option<RegionSet>,
}

impl RegionSets {
    /// Names of the sets in files.
    pub(super) const NAMES: [&'static str; 2] = ["sufficient", "necessary"];

    /// Searches along the ranking of the first method by region.
    pub(crate) fn find(
        settings: MinimalSets,
        results: &[MethodResult],
        coalitions: &Coalitions<'_>,
        progress: Progress<'_>,
    ) -> Result<Self, Error> {
        let Some(ranking) = results.iter().find(|result| result.method.is_by_region()) else {
            let found = results.iter().map(|result| result.method.name()).collect::<Vec<_>>().join(", ");
            return Err(Error::setting("sets", "a method by region, which ranks the regions", found));
        };
        let checked = settings.check()?;
        // How many evaluations there will be is not known.
        let running = |_: usize| progress(0);
        let ranking = &ranking.attribution;
        Ok(Self {
            settings,
            sufficient: sufficient(coalitions, ranking, &checked, &running)?,
            necessary: necessary(coalitions, ranking, &checked, &running)?,
        })
    }

    /// Returns each set that was found, with its name.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &RegionSet)> {
        let [sufficient, necessary] = Self::NAMES;
        std::iter::once((sufficient, &self.sufficient))
            .chain(self.necessary.iter().map(move |set| (necessary, set)))
    }
}
