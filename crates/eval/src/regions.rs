//! Dice of unions of regions, from counts instead of voxels.
//!
//! A relevance map is constant over its regions, so how many voxels of each lie in the truth is all that any of
//! its Dice coefficients needs: counted once per case, then every score costs the regions, not the voxels.

use ndarray::{ArrayView, Dimension, Zip};

use crate::dice::dice_of_counts;
use crate::error::{Error, at_least, finite, same_shape};
use crate::mass::{Mass, mass_of_parts};
use crate::sweep::Sweep;

/// How the truth falls on a partition's regions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionOverlap {
    voxels: Vec<usize>,
    inside: Vec<usize>,
    outside_voxels: usize,
    outside_inside: usize,
}

impl RegionOverlap {
    /// Counts, for every region of `ids` (in that order), its voxels and those of them in the truth.
    /// Voxels labelled `background` belong to no region: a map is 0 there.
    ///
    /// # Shapes
    /// `labels` and `truth`: any, the same for both. `ids`: ascending.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::TooFew`] without a region, [`Error::UnknownId`].
    pub fn count<D: Dimension>(
        labels: ArrayView<'_, u32, D>,
        ids: &[u32],
        background: Option<u32>,
        truth: ArrayView<'_, bool, D>,
    ) -> Result<Self, Error> {
        same_shape("truth", labels.shape(), truth.shape())?;
        at_least("regions", 1, ids.len())?;
        let mut overlap = Self {
            voxels: vec![0; ids.len()],
            inside: vec![0; ids.len()],
            outside_voxels: 0,
            outside_inside: 0,
        };
        let mut unknown = None;
        let mut last = (ids[0], 0); // neighbours mostly share a region
        Zip::from(&labels).and(&truth).for_each(|&id, &truth| {
            if background == Some(id) {
                overlap.outside_voxels += 1;
                overlap.outside_inside += usize::from(truth);
                return;
            }
            if id != last.0 {
                match ids.binary_search(&id) {
                    Ok(region) => last = (id, region),
                    Err(_) => {
                        unknown.get_or_insert(id);
                        return;
                    }
                }
            }
            overlap.voxels[last.1] += 1;
            overlap.inside[last.1] += usize::from(truth);
        });
        match unknown {
            Some(id) => Err(Error::UnknownId { id, regions: ids.len() }),
            None => Ok(overlap),
        }
    }

    /// Regions.
    pub fn len(&self) -> usize {
        self.voxels.len()
    }

    /// Whether there is no region; never, once counted.
    pub fn is_empty(&self) -> bool {
        self.voxels.is_empty()
    }

    /// Voxels of each region.
    pub fn voxels(&self) -> &[usize] {
        &self.voxels
    }

    /// Voxels of each region that lie in the truth.
    pub fn inside(&self) -> &[usize] {
        &self.inside
    }

    /// Voxels of the truth, in regions or not.
    pub fn truth(&self) -> usize {
        self.inside.iter().sum::<usize>() + self.outside_inside
    }

    fn check(&self, scores: &[f64]) -> Result<(), Error> {
        same_shape("scores", &[self.len()], &[scores.len()])?;
        finite("scores", scores)
    }

    /// The threshold sweep of the map that these scores paint, 0 outside the regions: its
    /// [`oracle`](Sweep::oracle) and [`at`](Sweep::at) equal those of the voxel map.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one score per region, [`Error::NotFinite`].
    pub fn sweep(&self, scores: &[f64]) -> Result<Sweep, Error> {
        Sweep::of_parts(&self.parts(scores)?)
    }

    /// The map that these scores paint: value, voxels and those of them in the truth, by region and for what lies outside.
    fn parts(&self, scores: &[f64]) -> Result<Vec<(f64, usize, usize)>, Error> {
        self.check(scores)?;
        let mut parts: Vec<_> = scores
            .iter()
            .zip(&self.voxels)
            .zip(&self.inside)
            .map(|((&score, &v), &i)| (score, v, i))
            .collect();
        if self.outside_voxels > 0 {
            parts.push((0.0, self.outside_voxels, self.outside_inside));
        }
        Ok(parts)
    }

    /// Where the mass of the map that these scores paint lies, 0 outside the regions.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one score per region, [`Error::NotFinite`], [`Error::Negative`].
    pub fn mass(&self, scores: &[f64]) -> Result<Mass, Error> {
        mass_of_parts(&self.parts(scores)?)
    }

    /// Dice of a union of regions.
    pub fn dice_of(&self, regions: impl IntoIterator<Item = usize>) -> f64 {
        let (marked, hit) = regions
            .into_iter()
            .fold((0, 0), |(marked, hit), region| (marked + self.voxels[region], hit + self.inside[region]));
        dice_of_counts(hit, marked, self.truth())
    }

    /// Dice of the region ranked `rank` (from 1) by score, alone: the paper's Table 1. Equal scores rank by
    /// region index.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NotFinite`], [`Error::Rank`].
    pub fn ranked_dice(&self, scores: &[f64], rank: usize) -> Result<f64, Error> {
        Ok(self.dice_of([self.ranking(scores, rank)?[rank - 1]]))
    }

    /// Dice of the union of the regions ranked 1 to `rank` by score: the paper's Table 2.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NotFinite`], [`Error::Rank`].
    pub fn cumulative_dice(&self, scores: &[f64], rank: usize) -> Result<f64, Error> {
        Ok(self.dice_of(self.ranking(scores, rank)?.into_iter().take(rank)))
    }

    fn ranking(&self, scores: &[f64], rank: usize) -> Result<Vec<usize>, Error> {
        self.check(scores)?;
        if rank == 0 || rank > self.len() {
            return Err(Error::Rank { rank, regions: self.len() });
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        Ok(order)
    }

    /// The best Dice that any union of these regions reaches (what lies outside counts as one region more, so
    /// that no map painted on the partition can beat it).
    ///
    /// Exact: for any value λ, a union maximises `2 |∩| − λ (|union| + |truth|)` by taking just the regions whose
    /// share of truth exceeds λ/2, and at the optimal λ that maximiser is the best union (Dinkelbach, "On
    /// nonlinear fractional programming", Management Science 13(7), 1967, doi:10.1287/mnsc.13.7.492). So
    /// the best union is a prefix of the regions sorted by their share of truth.
    pub fn ceiling(&self) -> f64 {
        let mut parts: Vec<(usize, usize)> =
            self.inside.iter().copied().zip(self.voxels.iter().copied()).collect();
        parts.push((self.outside_inside, self.outside_voxels));
        parts.retain(|part| part.1 > 0);
        // a.0/a.1 against b.0/b.1 without division.
        parts.sort_by(|a, b| (b.0 as u128 * a.1 as u128).cmp(&(a.0 as u128 * b.1 as u128)));
        let truth = self.truth();
        let mut best = dice_of_counts(0, 0, truth);
        let (mut hit, mut marked) = (0, 0);
        for (inside, voxels) in parts {
            hit += inside;
            marked += voxels;
            best = best.max(dice_of_counts(hit, marked, truth));
        }
        best
    }
}

/// How much of a map's mass its top region holds, 0 to 1: `max_r(relevance · voxels)` of the region with the
/// highest relevance, over the sum. `None` if the map is flat at 0, which focuses on nothing.
///
/// # Shapes
/// One value per region in both.
///
/// # Errors
/// [`Error::Shape`], [`Error::NotFinite`].
pub fn focus(relevance: &[f64], voxels: &[usize]) -> Result<Option<f64>, Error> {
    same_shape("voxels", &[relevance.len()], &[voxels.len()])?;
    finite("relevance", relevance)?;
    let mass = |region: usize| relevance[region] * voxels[region] as f64;
    let total: f64 = (0..voxels.len()).map(mass).sum();
    let top = (0..voxels.len()).max_by(|&a, &b| relevance[a].total_cmp(&relevance[b]).then(b.cmp(&a)));
    Ok(top.filter(|_| total > 0.0).map(|top| mass(top) / total))
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    fn example() -> RegionOverlap {
        let labels = arr1(&[4, 4, 4, 9, 9, 7, 0]);
        let truth = arr1(&[true, true, false, true, false, false, true]);
        RegionOverlap::count(labels.view(), &[4, 7, 9], Some(0), truth.view()).unwrap()
    }

    #[test]
    fn counts() {
        let overlap = example();
        assert_eq!((overlap.voxels(), overlap.inside()), (&[3, 1, 2][..], &[2, 0, 1][..]));
        assert_eq!(overlap.truth(), 4);
    }

    #[test]
    fn ranks() {
        let overlap = example();
        let scores = [0.2, 0.2, 0.9];
        assert_eq!(overlap.ranked_dice(&scores, 1), Ok(2.0 * 1.0 / 6.0));
        assert_eq!(overlap.ranked_dice(&scores, 2), Ok(2.0 * 2.0 / 7.0));
        assert_eq!(overlap.cumulative_dice(&scores, 1), overlap.ranked_dice(&scores, 1));
        assert_eq!(overlap.cumulative_dice(&scores, 2), Ok(2.0 * 3.0 / 9.0));
        assert_eq!(overlap.ranked_dice(&scores, 4), Err(Error::Rank { rank: 4, regions: 3 }));
        assert_eq!(overlap.ranked_dice(&scores, 0), Err(Error::Rank { rank: 0, regions: 3 }));
    }

    #[test]
    fn a_label_without_region_is_named() {
        let (labels, truth) = (arr1(&[4, 5]), arr1(&[true, true]));
        let error = RegionOverlap::count(labels.view(), &[4], None, truth.view()).unwrap_err();
        assert_eq!(error, Error::UnknownId { id: 5, regions: 1 });
    }

    #[test]
    fn focus_is_a_share() {
        assert_eq!(focus(&[0.0, 100.0, 50.0], &[7, 1, 2]), Ok(Some(0.5)));
        assert_eq!(focus(&[0.0, 0.0], &[7, 1]), Ok(None));
        assert_eq!(focus(&[], &[]), Ok(None));
    }
}
