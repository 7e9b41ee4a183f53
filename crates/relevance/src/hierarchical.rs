//! Hierarchical relevance: Owen values of regions along a tree, asked from the top where it pays.
//!
//! A tree of regions is opened from the root. Opening a node compares its two children: each is worth the mean of what it
//! adds without and with the other, the Shapley value of two players. That is repeated within each child, with its
//! sibling absent and present, which gives the Owen value of nested unions: G. Owen, "Values of Games with a Priori
//! Unions", 1977, <https://doi.org/10.1007/978-3-642-45494-3_7>; E. Winter, "A Value for Cooperative Games with Levels
//! Structure of Cooperation", International Journal of Game Theory 18, 1989, <https://doi.org/10.1007/BF01268161>. As
//! explanations of images: SHAP's partition explainer; M. Rashid, E. G. Amparore, E. Ferrari and D. Verda, "ShapBPT",
//! 2026, <https://doi.org/10.48550/arXiv.2602.07047>, on binary partition trees in 2D; and, with descent only where
//! a child matters, J. Teneggi, A. Luster and J. Sulam, "Fast Hierarchical Games for Image Explanations", IEEE TPAMI,
//! 2022, <https://doi.org/10.1109/TPAMI.2022.3189849>.
//!
//! **What it finds.** A sum over regions, each part of an AND, and of an OR or a saturated sum: a tumour that survives the
//! loss of any one region is a node whose loss counts. How an AND or an OR is divided depends on the tree: evenly between
//! siblings, so that a region that joins late gets as much as all those before it together. What it can miss within a
//! budget is evidence for and evidence against that cancel in a node, and a small region in a node that was never opened,
//! whose value is spread over the node's volume.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::coalition::Coalitions;
use crate::convergence::{Track, checkpoints};
use crate::explainer::{CoalitionExplainer, Inputs};
use crate::{Attribution, Error, Progress, RegionTree};

/// Questions that are selected together: the result does not depend on the classifier's batch size.
const TOGETHER: usize = 8;
/// One of this many openings goes to a node that was never opened.
const EXPLORING: usize = 4;

/// Settings of hierarchical relevance.
///
/// Opening a node in one context (which of its ancestors' siblings are present) takes two evaluations of the classifier.
/// With `n` regions that the fill changes, each node opened once takes `2n − 1`: this gives a sum exactly. All nodes in
/// all contexts, which gives any classifier's Owen values exactly, take `1 + 2(n² − 1) / 3` on a balanced tree and
/// `2ⁿ − 1` on one that adds a region at a time. Evaluations beyond that are not made.
///
/// Within the budget the node with the largest expected gain is opened next: the mean effect of the contexts in which it
/// is still closed, over `(1 + k)^1.5` after `k` contexts. The first context of a node is drawn in proportion to its
/// effect, so that an AND or an OR is seen where it shows; the others are drawn evenly, so that they stand for all. One of
/// four openings goes to the largest node that was never opened, in which evidence may cancel. What a node is worth in
/// other contexts is divided between its children as in those asked, or, if it was never opened, among its regions by the
/// number of voxels that the fill changes. The values add up to the logit of the scan less that of the scan with every
/// region replaced, whatever the budget.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct Hierarchical {
    /// Budget of evaluations of the classifier besides the scan itself, at least 1.
    pub evaluations: usize,
    /// Ends the search once the largest expected gain is below this share of the difference between the scan's logit and
    /// that of the scan with every region replaced; at least 0, and with 0 the budget is spent.
    pub tolerance: f64,
    /// Seed of the contexts, which matters as long as the budget does not cover all of them.
    pub seed: u64,
}

impl Default for Hierarchical {
    fn default() -> Self {
        Self { evaluations: 1000, tolerance: 0.0, seed: 0 }
    }
}

checked! {
    /// Valid settings of [`Hierarchical`].
    pub struct ValidHierarchical(Hierarchical);
}

impl Hierarchical {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] with the first setting that is out of range.
    pub fn check(self) -> Result<ValidHierarchical, Error> {
        if self.evaluations == 0 {
            return Err(Error::setting("hierarchical: evaluations", "at least 1", 0));
        }
        if !(self.tolerance.is_finite() && self.tolerance >= 0.0) {
            let expected = "a number of at least 0";
            return Err(Error::setting("hierarchical: tolerance", expected, self.tolerance));
        }
        Ok(ValidHierarchical(self))
    }
}

/// On the [`RegionTree`] of the scan. A region that the fill does not change has exactly 0. `progress` is called with the
/// number of evaluations, which is how samples are counted in [`Attribution::convergence`].
impl CoalitionExplainer for ValidHierarchical {
    fn explain_coalitions(
        &self,
        inputs: &Inputs<'_>,
        coalitions: &Coalitions<'_>,
        progress: Progress<'_>,
    ) -> Result<Attribution, Error> {
        let tree = RegionTree::new(inputs.baseline.image(), inputs.regions)?;
        self.explain_along(&tree, inputs, coalitions, progress)
    }
}

impl ValidHierarchical {
    /// Explains along a given tree of the regions.
    ///
    /// # Errors
    /// As [`Explainer::explain`](crate::Explainer::explain), and [`Error::ShapeMismatch`] if the tree has another number of regions.
    pub fn explain_tree(
        &self,
        inputs: &Inputs<'_>,
        tree: &RegionTree,
        progress: Progress<'_>,
    ) -> Result<Attribution, Error> {
        self.explain_along(tree, inputs, &inputs.coalitions()?, progress)
    }

    fn explain_along(
        &self,
        tree: &RegionTree,
        inputs: &Inputs<'_>,
        coalitions: &Coalitions<'_>,
        progress: Progress<'_>,
    ) -> Result<Attribution, Error> {
        let Inputs { baseline, regions, target, .. } = *inputs;
        if tree.regions() != regions.len() {
            return Err(Error::ShapeMismatch {
                what: "the number of a tree's regions",
                expected: vec![regions.len()],
                found: vec![tree.regions()],
            });
        }
        let mut search = Search::new(coalitions, tree, self.0.seed);
        let Some(root) = search.top else {
            return Attribution::new(baseline, regions, target, vec![0.0; regions.len()]);
        };
        let (budget, with) = (self.0.evaluations, target.logit(baseline.logits()));
        let without = search.ask(&[search.replaced.clone()], progress)?[0];
        search.add(root, Question { effect: with - without, context: None, without, with });
        let least = self.0.tolerance * (with - without).abs();
        let mut track = Track::default();
        let mut ahead = checkpoints(budget).into_iter().peekable();
        loop {
            let open = search.select(TOGETHER.min((budget - search.asked) / 2), least);
            let passed = ahead.next_if(|&checkpoint| checkpoint <= search.asked).is_some();
            while ahead.next_if(|&checkpoint| checkpoint <= search.asked).is_some() {}
            if passed || open.is_empty() {
                track.record(search.asked, &search.values(root, with - without));
            }
            if open.is_empty() {
                break;
            }
            search.open(open, progress)?;
        }
        let (values, convergence) = track.finish();
        Ok(Attribution { convergence, ..Attribution::new(baseline, regions, target, values)? })
    }
}

/// A node in a context in which it was not opened yet.
#[derive(Clone, Copy, Debug)]
struct Question {
    /// The change of the logit when the node is added.
    effect: f64,
    /// The last of [`Search::contexts`] that is present; `None` for none.
    context: Option<usize>,
    /// The logit without the node, and with it.
    without: f64,
    with: f64,
}

/// State of a node in the search.
#[derive(Clone, Debug, Default)]
struct Node {
    /// The two nodes that divide its players; `None` if it has fewer than two.
    branches: Option<[usize; 2]>,
    /// Number of voxels that the fill changes.
    volume: usize,
    waiting: Vec<Question>,
    /// Sum of the absolute effects of the questions that wait.
    stake: f64,
    /// Number of contexts it is known in, and in how many of them it was opened.
    contexts: usize,
    opened: usize,
    /// Sums of the branches' values over the contexts in which it was opened.
    sums: [f64; 2],
}

/// A place in the order of opening: the bits of the expected gain, which are ordered as the gain is, then the volume,
/// then the lower node.
type Place = (u64, usize, Reverse<usize>);

impl Node {
    fn gain(&self) -> f64 {
        self.stake.max(0.0) / self.contexts as f64 / (1.0 + self.opened as f64).powf(1.5)
    }

    /// Takes a question: the first in proportion to its effect, the others evenly.
    fn draw(&mut self, rng: &mut ChaCha8Rng) -> Option<Question> {
        let total: f64 = self.waiting.iter().map(|question| question.effect.abs()).sum();
        let drawn = match self.waiting.len() {
            0 => return None,
            _ if self.opened == 0 && total > 0.0 => {
                let mut at = rng.random::<f64>() * total;
                self.waiting.iter().position(|question| {
                    at -= question.effect.abs();
                    at < 0.0
                })
            }
            waiting => Some(rng.random_range(0..waiting)),
        };
        let question = self.waiting.swap_remove(drawn.unwrap_or(0));
        self.stake -= question.effect.abs();
        self.opened += 1;
        Some(question)
    }

    fn place(&self, index: usize) -> Option<Place> {
        (!self.waiting.is_empty()).then(|| (self.gain().to_bits(), self.volume, Reverse(index)))
    }
}

/// A tree while it is opened.
struct Search<'a> {
    coalitions: &'a Coalitions<'a>,
    tree: &'a RegionTree,
    nodes: Vec<Node>,
    /// The lowest node with all players; `None` if there are none.
    top: Option<usize>,
    /// Present nodes, each with the one before it.
    contexts: Vec<(Option<usize>, usize)>,
    queue: BTreeSet<Place>,
    /// Volumes and nodes of the queue that were never opened.
    closed: BTreeSet<(usize, Reverse<usize>)>,
    /// The coalition without players.
    replaced: Vec<bool>,
    /// Number of evaluations so far.
    asked: usize,
    rng: ChaCha8Rng,
}

impl<'a> Search<'a> {
    fn new(coalitions: &'a Coalitions<'a>, tree: &'a RegionTree, seed: u64) -> Self {
        let changed = coalitions.changed();
        let mut nodes = vec![Node::default(); tree.len()];
        // The lowest node with the same players: what the fill does not change is passed over.
        let mut lowest: Vec<Option<usize>> = vec![None; tree.len()];
        for index in 0..tree.len() {
            let Some([a, b]) = tree.children(index) else {
                nodes[index].volume = changed[index];
                lowest[index] = (changed[index] > 0).then_some(index);
                continue;
            };
            nodes[index].volume = nodes[a].volume + nodes[b].volume;
            lowest[index] = match (lowest[a], lowest[b]) {
                (Some(a), Some(b)) => {
                    nodes[index].branches = Some([a, b]);
                    Some(index)
                }
                (one, other) => one.or(other),
            };
        }
        Self {
            coalitions,
            tree,
            nodes,
            top: lowest[tree.root()],
            contexts: Vec::new(),
            queue: BTreeSet::new(),
            closed: BTreeSet::new(),
            replaced: changed.iter().map(|&voxels| voxels == 0).collect(),
            asked: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Adds a context of a node that can be opened.
    fn add(&mut self, index: usize, question: Question) {
        let node = &mut self.nodes[index];
        if node.branches.is_none() {
            return;
        }
        if let Some(place) = node.place(index) {
            self.queue.remove(&place);
        }
        node.stake += question.effect.abs();
        node.contexts += 1;
        node.waiting.push(question);
        self.queue.extend(node.place(index));
        if node.opened == 0 {
            self.closed.insert((node.volume, Reverse(index)));
        }
    }

    /// Takes the next questions, at most `most`; none if no node's expected gain is `least`.
    fn select(&mut self, most: usize, least: f64) -> Vec<(usize, Question)> {
        let mut taken = Vec::with_capacity(most);
        while taken.len() < most {
            let Some(&(gain, _, Reverse(best))) = self.queue.last() else { break };
            if f64::from_bits(gain) < least {
                break;
            }
            let explored = self.closed.last().filter(|_| taken.len() % EXPLORING == EXPLORING - 1);
            let index = explored.map_or(best, |&(_, Reverse(index))| index);
            let node = &mut self.nodes[index];
            if let Some(place) = node.place(index) {
                self.queue.remove(&place);
            }
            self.closed.remove(&(node.volume, Reverse(index)));
            let Some(question) = node.draw(&mut self.rng) else { continue };
            self.queue.extend(node.place(index));
            taken.push((index, question));
        }
        taken
    }

    /// Opens nodes, each in its context.
    fn open(&mut self, questions: Vec<(usize, Question)>, progress: Progress<'_>) -> Result<(), Error> {
        let opened = questions.into_iter().filter_map(|(node, question)| {
            let branches = self.nodes[node].branches?;
            Some((node, branches, question))
        });
        let opened: Vec<(usize, [usize; 2], Question)> = opened.collect();
        let coalitions: Vec<Vec<bool>> = opened
            .iter()
            .flat_map(|(_, branches, question)| {
                branches.map(|branch| self.coalition(question.context, branch))
            })
            .collect();
        let logits = self.ask(&coalitions, progress)?;
        for ((node, [a, b], question), only) in opened.into_iter().zip(logits.chunks_exact(2)) {
            let Question { context, without, with, .. } = question;
            for (which, (own, other)) in [(a, b), (b, a)].into_iter().enumerate() {
                let (own_only, other_only) = (only[which], only[1 - which]);
                let (first, last) = (own_only - without, with - other_only);
                self.nodes[node].sums[which] += 0.5 * (first + last);
                self.add(own, Question { effect: first, context, without, with: own_only });
                self.contexts.push((context, other));
                let joined = Some(self.contexts.len() - 1);
                self.add(own, Question { effect: last, context: joined, without: other_only, with });
            }
        }
        Ok(())
    }

    /// Returns the coalition of a context and one more node.
    fn coalition(&self, mut context: Option<usize>, node: usize) -> Vec<bool> {
        let mut kept = self.replaced.clone();
        self.tree.leaves(node).iter().for_each(|&region| kept[region] = true);
        while let Some((before, present)) = context.map(|index| self.contexts[index]) {
            self.tree.leaves(present).iter().for_each(|&region| kept[region] = true);
            context = before;
        }
        kept
    }

    /// Computes the logits of coalitions.
    fn ask(&mut self, coalitions: &[Vec<bool>], progress: Progress<'_>) -> Result<Vec<f64>, Error> {
        let mut logits = Vec::with_capacity(coalitions.len());
        for part in coalitions.chunks(self.coalitions.batch_size()) {
            logits.extend(self.coalitions.logits(part)?);
            self.asked += part.len();
            if progress(part.len()).is_break() {
                return Err(Error::Cancelled);
            }
        }
        Ok(logits)
    }

    /// Divides the value of the top among the regions.
    fn values(&self, top: usize, value: f64) -> Vec<f64> {
        let mut values = vec![0.0; self.tree.regions()];
        let mut left = vec![(top, value)];
        while let Some((index, value)) = left.pop() {
            let node = &self.nodes[index];
            match node.branches {
                Some(branches) if node.opened > 0 => {
                    let shares = node.sums.map(|sum| sum / node.opened as f64);
                    let rest = value - shares[0] - shares[1];
                    let sizes = shares.map(f64::abs);
                    let volumes = branches.map(|branch| self.nodes[branch].volume as f64);
                    let by = if sizes == [0.0; 2] { volumes } else { sizes };
                    let first = rest * (by[0] / (by[0] + by[1]));
                    left.push((branches[0], shares[0] + first));
                    left.push((branches[1], shares[1] + (rest - first)));
                }
                _ => {
                    let changed = self.coalitions.changed();
                    for &region in self.tree.leaves(index) {
                        values[region] = value * (changed[region] as f64 / node.volume as f64);
                    }
                }
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_question_is_drawn_by_its_effect_and_the_others_evenly() {
        const SEEDS: u64 = 2000;
        let question = |effect: f64| Question { effect, context: None, without: 0.0, with: effect };
        let (mut first, mut second) = ([0.0; 3], 0.0);
        for seed in 0..SEEDS {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let effects = [0.0, -3.0, 1.0];
            let mut node = Node { waiting: effects.map(question).to_vec(), ..Node::default() };
            let drawn = node.draw(&mut rng).unwrap().effect;
            first[effects.iter().position(|&effect| effect == drawn).unwrap()] += 1.0 / SEEDS as f64;
            // Of the two that are left, one has no effect.
            second += f64::from(u8::from(node.draw(&mut rng).unwrap().effect == 0.0)) / SEEDS as f64;
            assert!(node.draw(&mut rng).is_some() && node.draw(&mut rng).is_none());
        }
        // Four standard errors are 0.039 and 0.045.
        assert_eq!(first[0], 0.0);
        assert!((first[1] - 0.75).abs() < 0.039, "{first:?}");
        assert!((second - 0.5).abs() < 0.045, "{second}");
    }
}
