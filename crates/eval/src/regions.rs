//! Metrics of relevance maps that are constant over regions.
//!
//! All of them follow from the number of voxels of each region and the number of those in the ground truth. These are
//! counted once per case; a metric then takes time proportional to the number of regions, not voxels.

use ndarray::{ArrayView, Dimension, Zip};

use crate::checks::{at_least, finite, same_shape, with_voxels};
use crate::dice::dice_of_counts;
use crate::error::Error;
use crate::map_part::MapPart;
use crate::mass::{Mass, mass_of_parts};
use crate::sweep::Sweep;

/// The overlap of each region of a partition with the ground truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionOverlap {
    voxels: Vec<usize>,
    inside: Vec<usize>,
    outside_voxels: usize,
    outside_inside: usize,
}

impl RegionOverlap {
    /// Counts the voxels of each region, in the order of `ids`, and those of them in the ground truth.
    ///
    /// Voxels labelled `background` belong to no region; maps are 0 there.
    ///
    /// # Shapes
    /// `labels` and `truth` of any equal shape, `ids` in ascending order.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the shapes differ, [`Error::TooFew`] if there are no regions and
    /// [`Error::UnknownId`] if a label is neither background nor one of the ids.
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
        let mut last = (ids[0], 0); // adjacent voxels mostly share a region
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

    /// Returns the number of regions.
    #[expect(clippy::len_without_is_empty, reason = "a partition has at least one region")]
    pub fn len(&self) -> usize {
        self.voxels.len()
    }

    /// Returns the number of voxels of each region.
    pub fn voxels(&self) -> &[usize] {
        &self.voxels
    }

    /// Returns the number of voxels of each region that lie in the ground truth.
    pub fn inside(&self) -> &[usize] {
        &self.inside
    }

    /// Returns the number of voxels of the ground truth, inside and outside the regions.
    pub fn truth(&self) -> usize {
        self.inside.iter().sum::<usize>() + self.outside_inside
    }

    fn check(&self, scores: &[f64]) -> Result<(), Error> {
        same_shape("scores", &[self.len()], &[scores.len()])?;
        finite("scores", scores)
    }

    /// Computes the sweep of the map with these scores, which equals that of its voxels.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] unless there is one score per region and [`Error::NonFinite`] if a score is NaN
    /// or infinite.
    pub fn sweep(&self, scores: &[f64]) -> Result<Sweep, Error> {
        Sweep::of_parts(&self.parts(scores)?)
    }

    /// Returns the parts of the map with these scores: the regions, and the voxels outside them, whose value is 0.
    fn parts(&self, scores: &[f64]) -> Result<Vec<MapPart>, Error> {
        self.check(scores)?;
        let regions = scores.iter().zip(&self.voxels).zip(&self.inside);
        let mut parts: Vec<_> =
            regions.map(|((&value, &voxels), &inside)| MapPart { value, voxels, inside }).collect();
        parts.push(MapPart { value: 0.0, voxels: self.outside_voxels, inside: self.outside_inside });
        Ok(parts)
    }

    /// Computes activation precision and pointing game of the map with these scores.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] unless there is one score per region, [`Error::NonFinite`] if a score is NaN or
    /// infinite, and [`Error::Negative`] if one is negative.
    pub fn mass(&self, scores: &[f64]) -> Result<Mass, Error> {
        mass_of_parts(&self.parts(scores)?)
    }

    /// Computes the Dice coefficient of a union of regions.
    ///
    /// # Panics
    /// If a region is not less than [`len`](RegionOverlap::len).
    pub fn dice_of(&self, regions: impl IntoIterator<Item = usize>) -> f64 {
        let (marked, hit) = regions
            .into_iter()
            .fold((0, 0), |(marked, hit), region| (marked + self.voxels[region], hit + self.inside[region]));
        dice_of_counts(hit, marked, self.truth())
    }

    /// Computes the Dice coefficient of the region with the given rank by score, from 1 (Table 1 of the paper). Equal
    /// scores are ranked by region index.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] unless there is one score per region, [`Error::NonFinite`] if a score is NaN or
    /// infinite, and [`Error::OutOfRange`] if there is no such rank.
    pub fn ranked_dice(&self, scores: &[f64], rank: usize) -> Result<f64, Error> {
        Ok(self.dice_of([self.ranking(scores, rank)?[rank - 1]]))
    }

    /// Computes the Dice coefficient of the union of the regions with ranks 1 to `rank` by score (Table 2 of the
    /// paper).
    ///
    /// # Errors
    /// Those of [`ranked_dice`](RegionOverlap::ranked_dice).
    pub fn cumulative_dice(&self, scores: &[f64], rank: usize) -> Result<f64, Error> {
        Ok(self.dice_of(self.ranking(scores, rank)?.into_iter().take(rank)))
    }

    /// Returns the regions in descending order of score.
    fn ranking(&self, scores: &[f64], rank: usize) -> Result<Vec<usize>, Error> {
        self.check(scores)?;
        if rank == 0 || rank > self.len() {
            return Err(Error::OutOfRange { what: "rank", len: self.len(), found: rank });
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        Ok(order)
    }

    /// Computes the best Dice coefficient of any union of regions, which no map on this partition can exceed. The
    /// voxels outside the regions count as one more region.
    ///
    /// The result is exact. For any λ, the union that maximises `2 |∩| − λ (|union| + |truth|)` consists of the regions
    /// whose fraction of ground-truth voxels exceeds λ/2, and for the optimal λ it is the best union (Dinkelbach, W.,
    /// "On Nonlinear Fractional Programming", Management Science 13(7), 1967, doi:10.1287/mnsc.13.7.492). The best
    /// union is thus a prefix of the regions sorted by that fraction.
    pub fn ceiling(&self) -> f64 {
        let mut parts: Vec<(usize, usize)> =
            self.inside.iter().copied().zip(self.voxels.iter().copied()).collect();
        parts.push((self.outside_inside, self.outside_voxels));
        parts.retain(|part| part.1 > 0);
        // Compares a.0 / a.1 with b.0 / b.1 without division.
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

/// Computes the fraction of a map's mass that lies in the region of highest relevance, 0 to 1, where the mass of a
/// region is relevance · voxels. Returns `None` if the total mass is not positive.
///
/// # Shapes
/// One value per region in both.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the lengths differ and [`Error::NonFinite`] if a relevance is NaN or infinite.
pub fn focus(relevance: &[f64], voxels: &[usize]) -> Result<Option<f64>, Error> {
    with_voxels(relevance, voxels)?;
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
    fn voxels_are_counted_by_region() {
        let overlap = example();
        assert_eq!((overlap.voxels(), overlap.inside()), (&[3, 1, 2][..], &[2, 0, 1][..]));
        assert_eq!(overlap.truth(), 4);
    }

    #[test]
    fn equal_scores_are_ranked_by_index() {
        let overlap = example();
        let scores = [0.2, 0.2, 0.9];
        assert_eq!(overlap.ranked_dice(&scores, 1), Ok(2.0 * 1.0 / 6.0));
        assert_eq!(overlap.ranked_dice(&scores, 2), Ok(2.0 * 2.0 / 7.0));
        assert_eq!(overlap.cumulative_dice(&scores, 1), overlap.ranked_dice(&scores, 1));
        assert_eq!(overlap.cumulative_dice(&scores, 2), Ok(2.0 * 3.0 / 9.0));
        assert_eq!(
            overlap.ranked_dice(&scores, 4),
            Err(Error::OutOfRange { what: "rank", len: 3, found: 4 })
        );
        assert_eq!(
            overlap.ranked_dice(&scores, 0),
            Err(Error::OutOfRange { what: "rank", len: 3, found: 0 })
        );
    }

    #[test]
    fn each_region_needs_one_finite_score() {
        let overlap = example();
        let rejected = |scores: &[f64]| {
            [
                overlap.sweep(scores).unwrap_err(),
                overlap.mass(scores).unwrap_err(),
                overlap.ranked_dice(scores, 1).unwrap_err(),
                overlap.cumulative_dice(scores, 1).unwrap_err(),
            ]
        };
        for count in [2, 4] {
            let expected = Error::ShapeMismatch { what: "scores", expected: vec![3], found: vec![count] };
            assert!(rejected(&vec![1.0; count]).iter().all(|error| *error == expected));
        }
        assert!(rejected(&[1.0, f64::NAN, 1.0]).iter().all(|error| matches!(error, Error::NonFinite { .. })));
    }

    #[test]
    fn an_unknown_label_is_named() {
        let (labels, truth) = (arr1(&[4, 5]), arr1(&[true, true]));
        let error = RegionOverlap::count(labels.view(), &[4], None, truth.view()).unwrap_err();
        assert_eq!(error, Error::UnknownId { id: 5, regions: 1 });
    }

    #[test]
    fn focus_is_a_fraction_of_the_mass() {
        assert_eq!(focus(&[0.0, 100.0, 50.0], &[7, 1, 2]), Ok(Some(0.5)));
        assert_eq!(focus(&[0.0, 0.0], &[7, 1]), Ok(None));
        assert_eq!(focus(&[], &[]), Ok(None));
    }
}
