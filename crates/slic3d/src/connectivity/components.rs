//! Connected components of equal labels, by union-find over runs of voxels along x.

use rayon::prelude::*;

use crate::labels::UNASSIGNED;

/// The first voxel, in row-major order, of no component: that of an unassigned voxel.
pub(super) const NONE: u32 = u32::MAX;

/// Images of this many voxels or more are not supported, since a bit of an entry marks roots.
pub(super) const MOST_VOXELS: usize = ROOT as usize - 1;

/// A bit of the entry of a root; the others are the number of voxels of its tree.
const ROOT: u32 = 1 << 31;

/// A bit that marks the voxels of large components.
pub(super) const LARGE: u32 = 1 << 31;

/// A connected component, or a piece of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    /// The first of its voxels in row-major order, by which it is known.
    pub(super) first: u32,
    pub(super) voxels: u32,
}

/// All components of an image.
pub(super) struct Components {
    /// The first voxel of each voxel's component, marked by [`LARGE`], or [`NONE`].
    pub(super) of_voxel: Vec<u32>,
    /// In row-major order of their first voxels.
    pub(super) all: Vec<Component>,
}

impl Components {
    /// Finds the components of `labels`, whose memory becomes [`of_voxel`](Components::of_voxel); those of more than `most` voxels
    /// are large. `forest` has the length of `labels`; its content does not matter.
    pub(super) fn find(
        mut labels: Vec<u32>,
        shape: [usize; 3],
        most: usize,
        forest: &mut [u32],
    ) -> Components {
        let planes = shape[0].div_ceil(rayon::current_num_threads());
        join(&labels, forest, shape, planes);
        let plane = shape[1] * shape[2];
        let forest: &[u32] = forest;
        let slabs: Vec<Vec<Component>> = labels
            .par_chunks_mut(planes * plane)
            .enumerate()
            .map(|(slab, of_voxel)| resolve(forest, slab * planes * plane, of_voxel, most))
            .collect();
        Components { of_voxel: labels, all: slabs.concat() }
    }
}

/// Joins the voxels of each component of some planes to a tree, in parallel over slabs of at most `most` planes.
///
/// The entry of a root is [`ROOT`] and the size of its tree; that of another voxel is its distance from a voxel before it in the
/// same tree, and that of an unassigned voxel is [`NONE`]. Distances do not depend on where a slab begins. The root is the
/// first voxel of its tree, and the voxels of a run after the first always refer to the first.
fn join(labels: &[u32], forest: &mut [u32], [depth, height, width]: [usize; 3], most: usize) {
    let plane = height * width;
    if depth <= most {
        for row in 0..depth * height {
            find_runs(&labels[row * width..][..width], &mut forest[row * width..][..width]);
            let in_plane = !row.is_multiple_of(height);
            join_row(
                labels,
                forest,
                width,
                row,
                [in_plane.then_some(width), (row >= height).then_some(plane)],
            );
        }
        return;
    }
    let half = depth.div_ceil(most) / 2 * most;
    let (low, high) = forest.split_at_mut(half * plane);
    let (labels_low, labels_high) = labels.split_at(half * plane);
    rayon::join(
        || join(labels_low, low, [half, height, width], most),
        || join(labels_high, high, [depth - half, height, width], most),
    );
    for row in half * height..(half + 1) * height {
        join_row(labels, forest, width, row, [None, Some(plane)]);
    }
}

/// Number of voxels that are compared at once for a run that goes on.
const LANES: usize = 16;

/// Starts a tree for each run of one row.
fn find_runs(labels: &[u32], forest: &mut [u32]) {
    let (mut first, mut before) = (0, labels[0]);
    for (chunk, labels) in labels.chunks(LANES).enumerate() {
        let start = chunk * LANES;
        let end = start + labels.len();
        let assigned = before != UNASSIGNED;
        if labels.iter().fold(0, |differ, &label| differ | (label ^ before)) == 0 {
            (start..end).for_each(|x| forest[x] = if assigned { (x - first) as u32 } else { NONE });
            forest[first] = if assigned { ROOT | (end - first) as u32 } else { NONE };
            continue;
        }
        for (x, &label) in (start..end).zip(labels) {
            first = if label == before { first } else { x };
            before = label;
            let assigned = label != UNASSIGNED;
            forest[x] = if assigned { (x - first) as u32 } else { NONE };
            // The last write counts: no branch depends on where a run ends, which cannot be predicted.
            forest[first] = if assigned { ROOT | (x - first + 1) as u32 } else { NONE };
        }
    }
}

/// Number of voxels whose comparisons fill a word.
const WORD: usize = u64::BITS as usize;

/// Returns one bit for each of at most [`WORD`] pairs of equal labels, the first lowest.
#[inline(always)]
fn equal(a: &[u32], b: &[u32]) -> u64 {
    match (a.first_chunk(), b.first_chunk()) {
        (Some(a), Some(b)) => equal_word(a, b),
        _ => a.iter().zip(b).rev().fold(0, |bits, (a, b)| bits << 1 | u64::from(a == b)),
    }
}

#[inline(always)]
fn equal_word(a: &[u32; WORD], b: &[u32; WORD]) -> u64 {
    let (mut low, mut high) = (0_u32, 0_u32);
    for lane in 0..WORD / 2 {
        low |= u32::from(a[lane] == b[lane]) << lane;
    }
    for lane in 0..WORD / 2 {
        high |= u32::from(a[lane + WORD / 2] == b[lane + WORD / 2]) << lane;
    }
    u64::from(low) | u64::from(high) << (WORD / 2)
}

/// Joins the runs of a row with those of equal label in the rows that are so many voxels before it.
fn join_row(labels: &[u32], forest: &mut [u32], width: usize, row: usize, distances: [Option<usize>; 2]) {
    let first = row * width;
    let mut carried = [0; 2];
    for x in (0..width).step_by(WORD) {
        let here = first + x..first + width.min(x + WORD);
        let start = here.start.max(first + 1);
        // A run starts where the label is not that before it, and at the start of the row.
        let same = equal(&labels[start..here.end], &labels[start - 1..here.end - 1]) << (start - here.start);
        for (distance, carried) in distances.iter().zip(&mut carried) {
            let &Some(distance) = distance else { continue };
            let shared = equal(&labels[here.clone()], &labels[here.start - distance..here.end - distance]);
            // Where both rows continue a run, these have been joined before.
            let mut first_shared = shared & !(same & (shared << 1 | *carried));
            *carried = shared >> (WORD - 1);
            while first_shared != 0 {
                let voxel = here.start + first_shared.trailing_zeros() as usize;
                first_shared &= first_shared - 1;
                if forest[voxel] != NONE {
                    unite(forest, voxel - distance, voxel);
                }
            }
        }
    }
}

/// Returns the root of the tree that `voxel` belongs to.
#[inline(always)]
fn root(forest: &[u32], mut voxel: usize) -> usize {
    while forest[voxel] & ROOT == 0 {
        voxel -= forest[voxel] as usize;
    }
    voxel
}

/// Joins the trees of two voxels.
#[inline(always)]
fn unite(forest: &mut [u32], before: usize, here: usize) {
    let (one, other) = (short_root(forest, before), short_root(forest, here));
    if one != other {
        let (first, last) = (one.min(other), one.max(other));
        let voxels = forest[last] & !ROOT;
        forest[last] = (last - first) as u32;
        forest[first] += voxels;
    }
}

/// Returns the root of a voxel's tree, and halves the way there from the first voxel of its run.
#[inline(always)]
fn short_root(forest: &mut [u32], mut voxel: usize) -> usize {
    if forest[voxel] & ROOT != 0 {
        return voxel;
    }
    let parent = voxel - forest[voxel] as usize;
    if forest[parent] & ROOT != 0 {
        return parent;
    }
    voxel = parent;
    loop {
        let distance = forest[voxel];
        if distance & ROOT != 0 {
            return voxel;
        }
        let above = forest[voxel - distance as usize];
        if above & ROOT != 0 {
            return voxel - distance as usize;
        }
        forest[voxel] = distance + above;
        voxel -= (distance + above) as usize;
    }
}

/// Replaces the labels of voxels from `start` on by the first voxel of each component, marks those of components of more than
/// `most` voxels, and returns the components that begin there.
fn resolve(forest: &[u32], start: usize, of_voxel: &mut [u32], most: usize) -> Vec<Component> {
    let marked = |root: usize, voxels: u32| root as u32 | if voxels as usize > most { LARGE } else { 0 };
    let mut found = Vec::new();
    for index in 0..of_voxel.len() {
        let voxel = start + index;
        let entry = forest[voxel];
        of_voxel[index] = if entry & ROOT == 0 {
            // A voxel before this one in its tree, whose component is known already.
            let before = voxel - entry as usize;
            if before >= start {
                of_voxel[before - start]
            } else {
                let root = root(forest, before);
                marked(root, forest[root] & !ROOT)
            }
        } else if entry == NONE {
            NONE
        } else {
            let voxels = entry & !ROOT;
            found.push(Component { first: voxel as u32, voxels });
            marked(voxel, voxels)
        };
    }
    found
}
