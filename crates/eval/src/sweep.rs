//! How a map's mask meets the truth as its threshold falls.
//!
//! A mask is `map ≥ threshold`. It changes only where the threshold passes one of the map's own distinct
//! values, so a map is reduced once to one [`Step`] per value; every threshold question is then a walk over
//! the steps. A map that is constant over regions has as few steps as it has regions.

use ndarray::{ArrayView, Dimension, Zip};

use crate::dice::dice_of_counts;
use crate::error::{Error, at_least, finite, same_shape};

/// A Dice coefficient and the threshold that gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtThreshold {
    /// Dice of `map ≥ threshold` with the truth.
    pub dice: f64,
    /// The threshold.
    pub threshold: f64,
}

/// One distinct value of a map, as a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Step {
    threshold: f64,
    /// Voxels at or above the threshold.
    marked: usize,
    /// Those of them in the truth.
    hit: usize,
}

/// A map reduced to its thresholds, with the truth counted in.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    steps: Vec<Step>, // thresholds fall
    truth: usize,
}

impl Sweep {
    /// Sorts the voxels of a map: `O(n log n)`.
    ///
    /// # Shapes
    /// Any, the same for both.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::TooFew`] for an empty map, [`Error::NotFinite`].
    pub fn of_map<D: Dimension>(
        map: ArrayView<'_, f32, D>,
        truth: ArrayView<'_, bool, D>,
    ) -> Result<Self, Error> {
        same_shape("truth", map.shape(), truth.shape())?;
        at_least("map", 1, map.len())?;
        if let Some((index, &value)) = map.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NotFinite { what: "map", index, value: f64::from(value) });
        }
        let mut keys = Vec::with_capacity(map.len());
        Zip::from(&map).and(&truth).for_each(|&value, &inside| {
            keys.push((u64::from(ordered(value)) << 1) | u64::from(inside));
        });
        keys.sort_unstable();
        let pairs =
            keys.iter().rev().map(|key| (f64::from(unordered((key >> 1) as u32)), 1, (key & 1) as usize));
        Ok(Self::from_descending(pairs))
    }

    /// From parts of one value each: `(value, voxels, voxels in the truth)`, in any order. A part without a voxel
    /// counts for nothing.
    ///
    /// # Errors
    /// [`Error::TooFew`] without a voxel, [`Error::NotFinite`].
    pub fn of_parts(parts: &[(f64, usize, usize)]) -> Result<Self, Error> {
        let values: Vec<f64> = parts.iter().map(|part| part.0).collect();
        finite("part values", &values)?;
        let mut parts: Vec<_> = parts.iter().copied().filter(|part| part.1 > 0).collect();
        at_least("parts with a voxel", 1, parts.len())?;
        parts.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(Self::from_descending(parts.into_iter()))
    }

    fn from_descending(parts: impl Iterator<Item = (f64, usize, usize)>) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        let (mut marked, mut hit) = (0, 0);
        for (threshold, voxels, inside) in parts {
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

    /// The map's distinct values, falling.
    pub fn thresholds(&self) -> impl Iterator<Item = f64> + '_ {
        self.steps.iter().map(|step| step.threshold)
    }

    /// Dice of `map ≥ threshold`.
    pub fn at(&self, threshold: f64) -> f64 {
        match self.steps.partition_point(|step| step.threshold >= threshold) {
            0 => dice_of_counts(0, 0, self.truth),
            n => self.dice_of(&self.steps[n - 1]),
        }
    }

    /// The best Dice over the map's own distinct values: the threshold that only someone who already has
    /// the truth can choose. Ties go to the higher threshold (the smaller mask).
    ///
    /// The lowest value is among them, and marks every voxel: that is all a flat map can do, and about what a
    /// map reaches that points elsewhere. A mask without a voxel is not among them, so an empty truth
    /// gives 0.
    pub fn oracle(&self) -> AtThreshold {
        let first = AtThreshold { dice: f64::NEG_INFINITY, threshold: f64::NAN };
        self.steps.iter().fold(first, |best, step| {
            let dice = self.dice_of(step);
            if dice > best.dice { AtThreshold { dice, threshold: step.threshold } } else { best }
        })
    }
}

/// Dice of `map ≥ threshold` with the truth.
///
/// # Shapes
/// Any, the same for both.
///
/// # Errors
/// [`Error::Shape`].
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

/// [`Sweep::oracle`] of a voxel map.
///
/// # Shapes
/// Any, the same for both.
///
/// # Errors
/// Those of [`Sweep::of_map`].
pub fn oracle_dice<D: Dimension>(
    map: ArrayView<'_, f32, D>,
    truth: ArrayView<'_, bool, D>,
) -> Result<AtThreshold, Error> {
    Ok(Sweep::of_map(map, truth)?.oracle())
}

/// The one threshold with the best mean Dice over several cases, and that mean: what a validation split can
/// fix for a test split. Candidates are the distinct values of all maps; ties go to the higher threshold.
///
/// # Errors
/// [`Error::TooFew`] without a case.
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
        // Sums are updated in place: a gain below rounding is no gain.
        if complete && mean > best.dice + 1e-12 {
            best = AtThreshold { dice: mean, threshold };
        }
    }
    best.dice = cases.iter().map(|case| case.at(best.threshold)).sum::<f64>() / cases.len() as f64;
    Ok(best)
}

/// Bits of a finite float that sort as the float does; −0 becomes 0.
fn ordered(value: f32) -> u32 {
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

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
    fn the_lowest_value_marks_everything() {
        let sweep =
            Sweep::of_map(arr1(&[0f32; 4]).view(), arr1(&[true, false, false, false]).view()).unwrap();
        assert_eq!(sweep.oracle(), AtThreshold { dice: 2.0 / 5.0, threshold: 0.0 });
        assert_eq!(sweep.at(0.1), 0.0);
    }

    #[test]
    fn an_empty_truth_is_never_reached() {
        let sweep = Sweep::of_map(arr1(&[1f32, 2.0]).view(), arr1(&[false, false]).view()).unwrap();
        assert_eq!(sweep.oracle().dice, 0.0);
        assert_eq!(sweep.at(3.0), 1.0);
    }

    #[test]
    fn infinity_is_named() {
        let error =
            Sweep::of_map(arr1(&[1f32, f32::INFINITY]).view(), arr1(&[false, true]).view()).unwrap_err();
        assert_eq!(error, Error::NotFinite { what: "map", index: 1, value: f64::INFINITY });
        assert!(matches!(common_threshold(&[]), Err(Error::TooFew { .. })));
    }
}
