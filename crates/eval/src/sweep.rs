//! Dice coefficient of a relevance map's mask as a function of the threshold.
//!
//! A mask is `map ≥ threshold`. It changes only where the threshold passes a distinct value of the map, so that a map
//! is reduced once to one [`Step`] per value. A map that is constant over regions has at most as many steps as regions.

use ndarray::{ArrayView, Dimension, Zip};

use crate::checks::{at_least, finite, same_shape};
use crate::dice::dice_of_counts;
use crate::error::Error;
use crate::map_part::MapPart;

/// A Dice coefficient and its threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtThreshold {
    /// Dice coefficient of `map ≥ threshold` and the ground truth.
    pub dice: f64,
    /// The threshold.
    pub threshold: f64,
}

/// A distinct value of a map, used as threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    threshold: f64,
    /// Number of voxels at or above the threshold.
    marked: usize,
    /// Number of those voxels that lie in the ground truth.
    hit: usize,
}

/// The masks of a relevance map at all of its thresholds, compared with the ground truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    steps: Vec<Step>, // in descending order of thresholds
    truth: usize,
}

impl Sweep {
    /// Computes the sweep of a map by sorting its voxels, in `O(n log n)`.
    ///
    /// # Shapes
    /// Map and ground truth of any equal shape.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the shapes differ, [`Error::TooFew`] if the map has no voxels and
    /// [`Error::NonFinite`] if a value is NaN or infinite.
    pub fn of_map<D: Dimension>(
        map: ArrayView<'_, f32, D>,
        truth: ArrayView<'_, bool, D>,
    ) -> Result<Self, Error> {
        same_shape("truth", map.shape(), truth.shape())?;
        at_least("voxels", 1, map.len())?;
        if let Some((index, &value)) = map.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NonFinite { what: format!("map[{index}]"), value });
        }
        let mut keys = Vec::with_capacity(map.len());
        Zip::from(&map).and(&truth).for_each(|&value, &inside| {
            keys.push((u64::from(ordered(value)) << 1) | u64::from(inside));
        });
        keys.sort_unstable();
        let voxels = keys.iter().rev().map(|key| MapPart {
            value: f64::from(unordered((key >> 1) as u32)),
            voxels: 1,
            inside: (key & 1) as usize,
        });
        Ok(Self::from_descending(voxels))
    }

    /// Computes the sweep of a map from its parts, in any order. Parts without voxels are ignored.
    ///
    /// # Errors
    /// Returns [`Error::TooFew`] if no part has a voxel and [`Error::NonFinite`] if a value is NaN or infinite.
    pub fn of_parts(parts: &[MapPart]) -> Result<Self, Error> {
        let values: Vec<f64> = parts.iter().map(|part| part.value).collect();
        finite("map", &values)?;
        let mut parts: Vec<_> = parts.iter().copied().filter(|part| part.voxels > 0).collect();
        at_least("voxels", 1, parts.len())?;
        parts.sort_by(|a, b| b.value.total_cmp(&a.value));
        Ok(Self::from_descending(parts.into_iter()))
    }

    fn from_descending(parts: impl Iterator<Item = MapPart>) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        let (mut marked, mut hit) = (0, 0);
        for MapPart { value: threshold, voxels, inside } in parts {
            marked += voxels;
            hit += inside;
            match steps.last_mut() {
                Some(last) if last.threshold == threshold => (last.marked, last.hit) = (marked, hit),
                _ => steps.push(Step { threshold, marked, hit }),
            }
        }
        Self { steps, truth: hit }
    }

    fn dice_of(&self, step: &Step) -> f64 {
        dice_of_counts(step.hit, step.marked, self.truth)
    }

    /// Iterates over the distinct values of the map in descending order.
    pub fn thresholds(&self) -> impl Iterator<Item = f64> + '_ {
        self.steps.iter().map(|step| step.threshold)
    }

    /// Returns the Dice coefficient of `map ≥ threshold`.
    pub fn at(&self, threshold: f64) -> f64 {
        match self.steps.partition_point(|step| step.threshold >= threshold) {
            0 => dice_of_counts(0, 0, self.truth),
            n => self.dice_of(&self.steps[n - 1]),
        }
    }

    /// Returns the best Dice coefficient over the distinct values of the map, which requires the ground truth. The
    /// highest threshold (the smallest mask) is chosen among equally good ones.
    ///
    /// At the lowest value the mask holds every voxel. This is the only mask of a constant map, and about the best that
    /// a map with its relevance elsewhere reaches. The empty mask is not considered, so that an empty ground truth
    /// gives 0.
    pub fn oracle(&self) -> AtThreshold {
        let first = AtThreshold { dice: f64::NEG_INFINITY, threshold: f64::NAN };
        self.steps.iter().fold(first, |best, step| {
            let dice = self.dice_of(step);
            if dice > best.dice { AtThreshold { dice, threshold: step.threshold } } else { best }
        })
    }
}

/// Computes the Dice coefficient of `map ≥ threshold` and the ground truth.
///
/// # Shapes
/// Map and ground truth of any equal shape.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the shapes differ.
pub fn dice_at<D: Dimension>(
    map: ArrayView<'_, f32, D>,
    truth: ArrayView<'_, bool, D>,
    threshold: f64,
) -> Result<f64, Error> {
    same_shape("truth", map.shape(), truth.shape())?;
    let (mut both, mut marked, mut inside) = (0, 0, 0);
    Zip::from(&map).and(&truth).for_each(|&value, &truth| {
        let mark = f64::from(value) >= threshold;
        both += usize::from(mark && truth);
        marked += usize::from(mark);
        inside += usize::from(truth);
    });
    Ok(dice_of_counts(both, marked, inside))
}

/// Computes [`Sweep::oracle`] of a map.
///
/// # Shapes
/// Map and ground truth of any equal shape.
///
/// # Errors
/// Those of [`Sweep::of_map`].
pub fn oracle_dice<D: Dimension>(
    map: ArrayView<'_, f32, D>,
    truth: ArrayView<'_, bool, D>,
) -> Result<AtThreshold, Error> {
    Ok(Sweep::of_map(map, truth)?.oracle())
}

/// Computes the threshold with the best mean Dice coefficient over several cases, and that mean. A threshold chosen on
/// a validation split can be applied to a test split.
///
/// Candidates are the distinct values of all maps; the highest is chosen among equally good ones.
///
/// # Errors
/// Returns [`Error::TooFew`] if there are no cases.
pub fn common_threshold(cases: &[Sweep]) -> Result<AtThreshold, Error> {
    at_least("cases", 1, cases.len())?;
    let mut events: Vec<(f64, usize, f64)> =
        Vec::with_capacity(cases.iter().map(|case| case.steps.len()).sum());
    for (index, case) in cases.iter().enumerate() {
        events.extend(case.steps.iter().map(|step| (step.threshold, index, case.dice_of(step))));
    }
    events.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut current: Vec<f64> = cases.iter().map(|case| dice_of_counts(0, 0, case.truth)).collect();
    let mut sum: f64 = current.iter().sum();
    let mut best = AtThreshold { dice: f64::NEG_INFINITY, threshold: f64::NAN };
    let mut events = events.into_iter().peekable();
    while let Some((threshold, case, dice)) = events.next() {
        sum += dice - std::mem::replace(&mut current[case], dice);
        let complete = events.peek().is_none_or(|next| next.0 != threshold);
        let mean = sum / cases.len() as f64;
        // The sum is updated incrementally: a gain below its rounding error does not count.
        if complete && mean > best.dice + 1e-12 {
            best = AtThreshold { dice: mean, threshold };
        }
    }
    best.dice = cases.iter().map(|case| case.at(best.threshold)).sum::<f64>() / cases.len() as f64;
    Ok(best)
}

/// Returns bits that sort as the finite float does; −0 becomes 0.
fn ordered(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// Inverts [`ordered`].
fn unordered(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::*;

    #[test]
    fn ordered_bits_sort_as_floats() {
        let values = [-f32::MAX, -1.5, -f32::MIN_POSITIVE, 0.0, f32::MIN_POSITIVE, 1.5, f32::MAX];
        assert!(values.windows(2).all(|pair| ordered(pair[0]) < ordered(pair[1])));
        assert!(values.iter().all(|&value| unordered(ordered(value)) == value));
        assert_eq!(ordered(-0.0), ordered(0.0));
    }

    #[test]
    fn the_mask_at_the_lowest_value_holds_everything() {
        let sweep =
            Sweep::of_map(arr1(&[0f32; 4]).view(), arr1(&[true, false, false, false]).view()).unwrap();
        assert_eq!(sweep.oracle(), AtThreshold { dice: 2.0 / 5.0, threshold: 0.0 });
        assert_eq!(sweep.at(0.1), 0.0);
    }

    #[test]
    fn the_highest_of_equally_good_thresholds_is_chosen() {
        // At 4, one of the two voxels is hit; at 1, both are, with two others: 2 · 1 / (1 + 2) = 2 · 2 / (4 + 2).
        let (map, truth) = (arr1(&[4f32, 3.0, 2.0, 1.0]), arr1(&[true, false, false, true]));
        let sweep = Sweep::of_map(map.view(), truth.view()).unwrap();
        assert_eq!(sweep.oracle(), AtThreshold { dice: 2.0 / 3.0, threshold: 4.0 });
        assert_eq!(
            common_threshold(&[sweep.clone(), sweep]),
            Ok(AtThreshold { dice: 2.0 / 3.0, threshold: 4.0 })
        );
    }

    #[test]
    fn the_oracle_of_an_empty_ground_truth_is_0() {
        let sweep = Sweep::of_map(arr1(&[1f32, 2.0]).view(), arr1(&[false, false]).view()).unwrap();
        assert_eq!(sweep.oracle().dice, 0.0);
        assert_eq!(sweep.at(3.0), 1.0);
    }

    #[test]
    fn invalid_input_is_rejected() {
        let error =
            Sweep::of_map(arr1(&[1f32, f32::INFINITY]).view(), arr1(&[false, true]).view()).unwrap_err();
        assert_eq!(error, Error::NonFinite { what: "map[1]".into(), value: f32::INFINITY });
        assert!(matches!(common_threshold(&[]), Err(Error::TooFew { .. })));
    }
}
