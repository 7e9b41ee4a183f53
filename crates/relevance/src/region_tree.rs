//! A binary partition tree: regions of a partition merged pair by pair until one node holds all of them.
//!
//! P. Salembier and L. Garrido, "Binary Partition Tree as an Efficient Representation for Image Processing, Segmentation,
//! and Information Retrieval", IEEE Transactions on Image Processing 9(4), 2000, <https://doi.org/10.1109/83.841934>. The
//! order of merging is that of the piecewise constant Mumford–Shah functional: G. Koepfler, C. Lopez and J.-M. Morel, "A
//! Multiscale Algorithm for Image Segmentation by Variational Method", SIAM Journal on Numerical Analysis 31(1), 1994,
//! <https://doi.org/10.1137/0731017>.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use ndarray::Axis;
use relevox_perturb::ImageView;
use slic3d::Supervoxels;

use crate::Error;
use crate::borders::faces;
use crate::region_logits::check_grid;

/// The nodes that hold the regions of a partition, from single regions to the whole scan.
///
/// Of `n` regions there are `2n − 1` nodes. Node `i` below `n` is region `i`, a leaf. The others have two children each
/// and are numbered in the order of merging, so that children come before parents and the last node is the root.
///
/// ```
/// use ndarray::{Array3, Array4};
/// use relevox_relevance::RegionTree;
/// use slic3d::Supervoxels;
///
/// // Four regions in a row: two are bright, two are dark.
/// let labels = Array3::from_shape_fn((1, 1, 8), |(.., x)| x as u32 / 2);
/// let image = Array4::from_shape_fn((1, 1, 1, 8), |(.., x)| if x < 4 { 1.0 } else { 0.1 });
/// let tree = RegionTree::new(image.view(), &Supervoxels::from_labels(labels, None)?)?;
/// assert_eq!((tree.len(), tree.root()), (7, 6));
/// assert_eq!([tree.children(4), tree.children(5)], [Some([0, 1]), Some([2, 3])]);
/// assert_eq!(tree.leaves(5), [2, 3]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionTree {
    regions: usize,
    /// The children of node `regions + i`.
    merges: Vec<[usize; 2]>,
    parents: Vec<Option<usize>>,
    /// All regions, those of a node next to each other.
    order: Vec<usize>,
    /// Where a node's regions start in `order`, and their number.
    spans: Vec<(usize, usize)>,
}

impl RegionTree {
    /// Merges the regions of a partition by likeness and common border.
    ///
    /// The next to merge are the neighbours `a` and `b` with the least `|a| |b| / (|a| + |b|) · d² / l`: `|a|` is a node's
    /// number of voxels, `d` the Euclidean distance between mean intensities over all channels, `l` the number of voxel
    /// faces between the two. That is the rise of the squared error when both get one mean, per unit of border that
    /// disappears; the unit of intensities does not matter. Of equal pairs the one with the lower nodes is next. Parts of
    /// a partition that do not touch are merged last, the two with the fewest voxels first.
    ///
    /// Takes `O(e log e)` for `e` pairs of neighbours where their number per node is bounded.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the partition lies on another grid, and [`Error::NonFinite`] if a mean intensity
    /// is NaN or infinite.
    pub fn new(image: ImageView<'_>, regions: &Supervoxels) -> Result<Self, Error> {
        check_grid(image, regions)?;
        let means = regions.mean_features(image).map_err(|_| Error::ShapeMismatch {
            what: "the shape of the partition",
            expected: image.shape()[1..].to_vec(),
            found: regions.labels().shape().to_vec(),
        })?;
        if let Some(&value) = means.iter().find(|mean| !mean.is_finite()) {
            return Err(Error::NonFinite { what: "a region's mean intensity".into(), value: value as f32 });
        }
        let mut merging = Merging {
            voxels: regions.voxel_counts().iter().map(|&voxels| voxels as f64).collect(),
            means: means.axis_iter(Axis(0)).map(|mean| mean.to_vec()).collect(),
            borders: vec![Some(BTreeMap::new()); regions.len()],
            merges: Vec::with_capacity(regions.len() - 1),
        };
        for ((a, b), length) in faces(regions) {
            for (one, other) in [(a, b), (b, a)] {
                if let Some(borders) = &mut merging.borders[one] {
                    borders.insert(other, length);
                }
            }
        }
        merging.neighbours();
        merging.rest();
        Ok(Self::linked(regions.len(), merging.merges))
    }

    /// Creates the tree of merges that were found elsewhere: merge `i` makes node `regions + i` of two earlier nodes.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if there is not one merge less than regions, [`Error::OutOfRange`] if a merge
    /// names a node that does not exist yet, and [`Error::InvalidSetting`] if a node is merged twice.
    pub fn from_merges(regions: usize, merges: &[[usize; 2]]) -> Result<Self, Error> {
        if merges.len() + 1 != regions {
            return Err(Error::ShapeMismatch {
                what: "the number of a tree's merges",
                expected: vec![regions.saturating_sub(1)],
                found: vec![merges.len()],
            });
        }
        let mut merged = vec![false; regions + merges.len()];
        for (index, &pair) in merges.iter().enumerate() {
            for node in pair {
                if node >= regions + index {
                    let len = regions + index;
                    return Err(Error::OutOfRange { what: "a merged node", len, found: node });
                }
                if std::mem::replace(&mut merged[node], true) {
                    return Err(Error::setting(
                        "tree",
                        "each node merged once",
                        format!("node {node} twice"),
                    ));
                }
            }
        }
        Ok(Self::linked(regions, merges.to_vec()))
    }

    /// Derives parents and leaves from valid merges.
    fn linked(regions: usize, merges: Vec<[usize; 2]>) -> Self {
        let nodes = regions + merges.len();
        let mut parents = vec![None; nodes];
        let mut spans = vec![(0, 1); nodes];
        for (index, &[a, b]) in merges.iter().enumerate() {
            parents[a] = Some(regions + index);
            parents[b] = Some(regions + index);
            spans[regions + index].1 = spans[a].1 + spans[b].1;
        }
        // From the root down: a parent's start is known before its children's.
        for (index, &[a, b]) in merges.iter().enumerate().rev() {
            let start = spans[regions + index].0;
            spans[a].0 = start;
            spans[b].0 = start + spans[a].1;
        }
        let mut order = vec![0; regions];
        (0..regions).for_each(|region| order[spans[region].0] = region);
        Self { regions, merges, parents, order, spans }
    }

    /// Returns the number of regions, which are the leaves.
    pub fn regions(&self) -> usize {
        self.regions
    }

    /// Returns the number of nodes.
    #[expect(clippy::len_without_is_empty, reason = "a partition has at least one region")]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Returns the node of all regions.
    pub fn root(&self) -> usize {
        self.spans.len() - 1
    }

    /// Returns the two children of a node; `None` of a leaf, and of a node that does not exist.
    pub fn children(&self, node: usize) -> Option<[usize; 2]> {
        self.merges.get(node.checked_sub(self.regions)?).copied()
    }

    /// Returns the parent of a node; `None` of the root, and of a node that does not exist.
    pub fn parent(&self, node: usize) -> Option<usize> {
        self.parents.get(node).copied().flatten()
    }

    /// Returns the regions of a node, from left to right in the tree.
    ///
    /// # Panics
    /// If `node` is not less than [`len`](RegionTree::len).
    pub fn leaves(&self, node: usize) -> &[usize] {
        let (start, count) = self.spans[node];
        &self.order[start..start + count]
    }
}

/// Nodes while they are merged.
struct Merging {
    voxels: Vec<f64>,
    means: Vec<Vec<f64>>,
    /// Neighbours of a node and the length of the border with them; `None` once it is merged.
    borders: Vec<Option<BTreeMap<usize, usize>>>,
    merges: Vec<[usize; 2]>,
}

impl Merging {
    /// Merges neighbours until none are left.
    fn neighbours(&mut self) {
        let mut waiting = BinaryHeap::new();
        for (a, borders) in self.borders.iter().enumerate() {
            let ahead = borders.iter().flatten().filter(|&(&b, _)| a < b);
            waiting.extend(ahead.map(|(&b, &length)| self.pair(a, b, length)));
        }
        while let Some(Reverse((_, a, b))) = waiting.pop() {
            if self.borders[a].is_none() || self.borders[b].is_none() {
                continue;
            }
            let mut borders = self.borders[a].take().unwrap_or_default();
            for (node, length) in self.borders[b].take().unwrap_or_default() {
                *borders.entry(node).or_default() += length;
            }
            borders.retain(|&node, _| node != a && node != b);
            let new = self.merge(a, b);
            for (&node, &length) in &borders {
                if let Some(theirs) = &mut self.borders[node] {
                    theirs.remove(&a);
                    theirs.remove(&b);
                    theirs.insert(new, length);
                }
                waiting.push(self.pair(node, new, length));
            }
            self.borders[new] = Some(borders);
        }
    }

    /// Merges what does not touch.
    fn rest(&mut self) {
        let left = self.borders.iter().enumerate().filter(|(_, borders)| borders.is_some());
        let mut waiting: BinaryHeap<_> =
            left.map(|(node, _)| Reverse((self.voxels[node] as u64, node))).collect();
        while let (Some(Reverse((_, a))), Some(Reverse((_, b)))) = (waiting.pop(), waiting.pop()) {
            let new = self.merge(a.min(b), a.max(b));
            waiting.push(Reverse((self.voxels[new] as u64, new)));
        }
    }

    /// Merges two nodes; the new one has no borders yet.
    fn merge(&mut self, a: usize, b: usize) -> usize {
        let voxels = self.voxels[a] + self.voxels[b];
        let share = self.voxels[b] / voxels;
        let mean = self.means[a].iter().zip(&self.means[b]).map(|(a, b)| a + (b - a) * share).collect();
        self.borders[a] = None;
        self.borders[b] = None;
        self.voxels.push(voxels);
        self.means.push(mean);
        self.borders.push(Some(BTreeMap::new()));
        self.merges.push([a, b]);
        self.voxels.len() - 1
    }

    /// Returns a pair of neighbours with the bits of its cost, which are ordered as the cost is: it is at least 0.
    fn pair(&self, a: usize, b: usize, length: usize) -> Reverse<(u64, usize, usize)> {
        let squared: f64 = self.means[a].iter().zip(&self.means[b]).map(|(a, b)| (a - b) * (a - b)).sum();
        let (one, other) = (self.voxels[a], self.voxels[b]);
        let cost = one * other / (one + other) * squared / length as f64;
        Reverse((cost.to_bits(), a, b))
    }
}
