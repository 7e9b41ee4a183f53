//! Sufficient and necessary regions: a minimal set whose presence alone keeps the classifier's answer, and a minimal set
//! whose loss changes it.
//!
//! Sets of this kind explain 3D classifiers in M. Navaratnarajah, S. A. Martin, D. A. Kelly, N. Blake and H. Chockler, "3D
//! ReX: Causal Explanations in 3D Neuroimaging Classification", 2025, <https://doi.org/10.48550/arXiv.2502.12181>. That a
//! set is minimal if no single member can be left out is the 1-minimality of A. Zeller and R. Hildebrandt, "Simplifying
//! and Isolating Failure-Inducing Input", IEEE Transactions on Software Engineering 28(2), 2002,
//! <https://doi.org/10.1109/32.988498>; sets pruned backwards from a ranking are in B. Carter, J. Mueller, S. Jain and D.
//! Gifford, "What Made You Do This? Understanding Black-Box Decisions with Sufficient Input Subsets", AISTATS 2019,
//! <https://doi.org/10.48550/arXiv.1810.03805>.
//!
//! **What it finds.** One set of possibly many: of an OR, the sufficient set is one of its parts and the necessary set all
//! of them; of an AND, the other way round. The ranking decides which. No single region can be left out of a set, but
//! a smaller set with other regions may exist. For a sum of parts that all count for the answer, ranked by their
//! size, there is none smaller.

use ndarray::Array3;
use slic3d::Supervoxels;

use crate::coalition::Coalitions;
use crate::{Attribution, Error, Link, Progress, Target};

/// The answer that a set keeps or changes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Answer {
    /// The target is predicted: with a sigmoid its logit is above 0, with a softmax its output is the largest.
    #[default]
    Predicted,
    /// The target's logit is at least this share, above 0 and at most 1, of the way from the scan with every
    /// region replaced to the scan as it is. For a plain value this is the only choice.
    Share(f64),
}

/// Settings of [`sufficient`] and [`necessary`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct MinimalSets {
    /// The answer that is kept or changed.
    pub answer: Answer,
}

/// Valid settings of [`MinimalSets`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidMinimalSets(MinimalSets);

impl MinimalSets {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if a share is out of range.
    pub fn check(self) -> Result<ValidMinimalSets, Error> {
        match self.answer {
            Answer::Share(share) if !(share > 0.0 && share <= 1.0) => {
                Err(Error::setting("minimal sets: share", "a share above 0 and at most 1", share))
            }
            _ => Ok(ValidMinimalSets(self)),
        }
    }
}

impl ValidMinimalSets {
    /// Returns the settings.
    pub fn settings(&self) -> &MinimalSets {
        &self.0
    }
}

/// A set of regions.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionSet {
    /// The regions, ascending: only those that the fill changes.
    pub regions: Vec<usize>,
    /// The target's logit for the scan with only this set kept (sufficient), or with only this set replaced (necessary).
    pub logit: f64,
    /// Number of evaluations of the classifier that finding it took.
    pub evaluations: usize,
}

impl RegionSet {
    /// Marks the voxels of the set.
    ///
    /// # Shapes
    /// The result is `[z, y, x]`, as the partition.
    pub fn mask(&self, regions: &Supervoxels) -> Array3<bool> {
        let member =
            |id| regions.index_of(id).is_some_and(|region| self.regions.binary_search(&region).is_ok());
        regions.labels().mapv(member)
    }
}

/// Finds a minimal set of regions that keeps the answer of the whole scan when all other regions are replaced: if any one
/// of its regions is replaced as well, the answer changes.
///
/// The set is empty if the answer survives the replacement of every region; there is then no necessary set. The regions are added
/// in the order of `ranking`, evidence for the answer first, and bisection finds a step at which the answer comes back.
/// Then regions are left out, the least relevant first, until none can be: each round takes one evaluation for each
/// region of the set and a bisection. `progress` is called with the number of evaluations.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the ranking has another number of regions, [`Error::InvalidSetting`] for
/// [`Answer::Predicted`] of a plain value, [`Error::Cancelled`] if `progress` breaks, and the errors of
/// [`Coalitions::logits`].
pub fn sufficient(
    coalitions: &Coalitions<'_>,
    ranking: &Attribution,
    settings: &ValidMinimalSets,
    progress: Progress<'_>,
) -> Result<RegionSet, Error> {
    let mut search = Search::new(coalitions, ranking, settings, progress)?;
    let found = if search.ends_differ { search.minimal(Members::Kept)? } else { Vec::new() };
    search.finish(found, Members::Kept)
}

/// Finds a minimal set of regions whose replacement changes the answer of the whole scan: if any one of its regions is
/// kept, the answer does not change. `None` if no set does that: the answer is the same with every region replaced.
///
/// The search is that of [`sufficient`], on the regions that are replaced.
///
/// # Errors
/// As [`sufficient`].
pub fn necessary(
    coalitions: &Coalitions<'_>,
    ranking: &Attribution,
    settings: &ValidMinimalSets,
    progress: Progress<'_>,
) -> Result<Option<RegionSet>, Error> {
    let mut search = Search::new(coalitions, ranking, settings, progress)?;
    if !search.ends_differ {
        return Ok(None);
    }
    let found = search.minimal(Members::Replaced)?;
    search.finish(found, Members::Replaced).map(Some)
}

/// Treatment of a set's members; the other regions get the opposite.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Members {
    Kept,
    Replaced,
}

/// The answer of the whole scan, as a property of a classifier's outputs.
#[derive(Clone, Copy)]
enum Kept {
    /// The target is predicted, or is not.
    Predicted(bool),
    /// The logit has gone a share of the span from its value with every region replaced.
    Share { from: f64, span: f64, share: f64 },
}

struct Search<'a> {
    coalitions: &'a Coalitions<'a>,
    progress: Progress<'a>,
    /// The regions that the fill changes, evidence for the answer first.
    ranked: Vec<usize>,
    answer: Kept,
    /// True if the answer changes when every region is replaced.
    ends_differ: bool,
    evaluations: usize,
}

impl<'a> Search<'a> {
    fn new(
        coalitions: &'a Coalitions<'a>,
        ranking: &Attribution,
        settings: &ValidMinimalSets,
        progress: Progress<'a>,
    ) -> Result<Self, Error> {
        let (regions, target) = (coalitions.regions(), coalitions.target());
        if ranking.values.len() != regions {
            return Err(Error::ShapeMismatch {
                what: "the regions of a ranking",
                expected: vec![regions],
                found: vec![ranking.values.len()],
            });
        }
        if settings.0.answer == Answer::Predicted && target.link == Link::Value {
            let expected = "a share of the logit, as a plain value has no predicted class";
            return Err(Error::setting("minimal sets: answer", expected, "the predicted class"));
        }
        let whole = coalitions.outputs(&[vec![true; regions]])?.swap_remove(0);
        let mut search = Self {
            coalitions,
            progress,
            ranked: coalitions.players().to_vec(),
            answer: Kept::Predicted(predicted(target, &whole)),
            ends_differ: false,
            evaluations: 0,
        };
        let replaced = search.outputs(&[coalitions.players()], Members::Replaced)?.swap_remove(0);
        let from = target.logit(&replaced);
        let span = target.logit(&whole) - from;
        if let Answer::Share(share) = settings.0.answer {
            search.answer = Kept::Share { from, span, share };
        }
        search.ends_differ = !search.keeps(&replaced);
        // Evidence for the answer raises the logit, or lowers it.
        let sign = match search.answer {
            Kept::Predicted(true) => 1.0,
            Kept::Predicted(false) => -1.0,
            Kept::Share { span, .. } => span.signum(),
        };
        // Adding 0 makes one zero of the two.
        let evidence = |region: usize| ranking.values[region] * sign + 0.0;
        search.ranked.sort_by(|&a, &b| evidence(b).total_cmp(&evidence(a)));
        Ok(search)
    }

    /// Returns whether outputs have the answer of the whole scan.
    fn keeps(&self, outputs: &[f32]) -> bool {
        let target = self.coalitions.target();
        match self.answer {
            Kept::Predicted(whole) => predicted(target, outputs) == whole,
            Kept::Share { from, span, share } => {
                span == 0.0 || (target.logit(outputs) - from) / span >= share
            }
        }
    }

    /// Finds a minimal set, where the empty one does not do and the full one does.
    fn minimal(&mut self, members: Members) -> Result<Vec<usize>, Error> {
        let ranked = std::mem::take(&mut self.ranked);
        let (mut low, mut high) = (0, ranked.len());
        while high - low > 1 {
            let middle = low.midpoint(high);
            if self.does(&[&ranked[..middle]], members)?[0] {
                high = middle;
            } else {
                low = middle;
            }
        }
        let mut set = ranked[..high].to_vec();
        loop {
            let smaller: Vec<Vec<usize>> = set.iter().rev().map(|&out| without(&set, &[out])).collect();
            let enough = self.does(&smaller, members)?;
            let spare: Vec<usize> =
                set.iter().rev().zip(enough).filter(|(_, enough)| *enough).map(|(&out, _)| out).collect();
            if spare.is_empty() {
                return Ok(set);
            }
            // Each of them can be left out alone, and the first few together.
            let (mut low, mut high) = (1, spare.len() + 1);
            while high - low > 1 {
                let middle = if high > spare.len() { spare.len() } else { low.midpoint(high) };
                if self.does(&[without(&set, &spare[..middle])], members)?[0] {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            set = without(&set, &spare[..low]);
        }
    }

    /// Returns of each set whether it is sufficient, or necessary.
    fn does(&mut self, sets: &[impl AsRef<[usize]>], members: Members) -> Result<Vec<bool>, Error> {
        let outputs = self.outputs(sets, members)?;
        Ok(outputs.iter().map(|outputs| self.keeps(outputs) == (members == Members::Kept)).collect())
    }

    /// Computes the outputs for each set.
    fn outputs(&mut self, sets: &[impl AsRef<[usize]>], members: Members) -> Result<Vec<Vec<f32>>, Error> {
        let kept = members == Members::Kept;
        let mut outputs = Vec::with_capacity(sets.len());
        for part in sets.chunks(self.coalitions.batch_size()) {
            let spread = |set: &[usize]| {
                let mut flags = vec![!kept; self.coalitions.regions()];
                set.iter().for_each(|&region| flags[region] = kept);
                flags
            };
            let asked: Vec<Vec<bool>> = part.iter().map(|set| spread(set.as_ref())).collect();
            outputs.extend(self.coalitions.outputs(&asked)?);
            let computed = asked.iter().filter(|kept| self.coalitions.is_changed(kept)).count();
            self.evaluations += computed;
            if (self.progress)(computed).is_break() {
                return Err(Error::Cancelled);
            }
        }
        Ok(outputs)
    }

    /// Returns a set with its logit.
    fn finish(mut self, mut regions: Vec<usize>, members: Members) -> Result<RegionSet, Error> {
        regions.sort_unstable();
        let outputs = self.outputs(&[&regions], members)?.swap_remove(0);
        let logit = self.coalitions.target().logit(&outputs);
        Ok(RegionSet { regions, logit, evaluations: self.evaluations })
    }
}

/// Returns whether the target is predicted: its probability is above one half, or above that of the other classes.
fn predicted(target: &Target, outputs: &[f32]) -> bool {
    match target.link {
        Link::Softmax => {
            let mut others = outputs.iter().enumerate().filter(|(output, _)| *output != target.output);
            others.all(|(_, &other)| outputs[target.output] > other)
        }
        Link::Sigmoid | Link::Value => target.logit(outputs) > 0.0,
    }
}

/// Returns a set without some of its regions, in the same order.
fn without(set: &[usize], out: &[usize]) -> Vec<usize> {
    set.iter().copied().filter(|region| !out.contains(region)).collect()
}
