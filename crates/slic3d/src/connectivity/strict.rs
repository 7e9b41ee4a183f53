//! What scikit-image's pass does not promise: regions that are each one 6-connected part, and as many as asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::kmeans::UNASSIGNED;

/// What the regions must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Demand {
    /// Parts with fewer voxels join the neighbour they share most faces with.
    pub(crate) min: usize,
    /// Merge and split until there are so many regions, or as near as the mask's own parts allow.
    pub(crate) count: Option<usize>,
}

/// Splits labels into connected regions, numbered from 0 in the order of their first voxels.
///
/// Voxels of the mask that carry no label join a neighbour, or stand for themselves where they have none.
pub(crate) fn enforce(labels: &[u32], shape: [usize; 3], mask: Option<&[bool]>, demand: Demand) -> Vec<u32> {
    let inside = |voxel: usize| mask.is_none_or(|mask| mask[voxel]);
    let mut parts = components(shape, |a, b| labels[a] == labels[b] && inside(a) == inside(b), inside);
    let mut graph = Graph::of(&parts, shape);
    for part in 0..graph.sizes.len() {
        let voxel = graph.first[part];
        if labels[voxel] == UNASSIGNED {
            graph.queue.insert((0, part as u32));
        }
    }
    graph.merge(|size, _| size < demand.min);
    if let Some(count) = demand.count {
        graph.merge(|_, regions| regions > count);
    }
    for part in parts.iter_mut().filter(|part| **part != UNASSIGNED) {
        *part = graph.root(*part);
    }
    if let Some(count) = demand.count {
        split(&mut parts, shape, graph.regions, count);
    }
    renumber(&mut parts);
    parts
}

/// The voxels that share a face with `voxel`.
fn neighbours([depth, height, width]: [usize; 3], voxel: usize) -> impl Iterator<Item = usize> {
    let plane = height * width;
    let (z, y, x) = (voxel / plane, voxel / width % height, voxel % width);
    let all = [
        (x > 0, voxel.wrapping_sub(1)),
        (x + 1 < width, voxel + 1),
        (y > 0, voxel.wrapping_sub(width)),
        (y + 1 < height, voxel + width),
        (z > 0, voxel.wrapping_sub(plane)),
        (z + 1 < depth, voxel + plane),
    ];
    all.into_iter().filter_map(|(exists, there)| exists.then_some(there))
}

/// Numbers the 6-connected parts of the voxels `inside`, in the order of their first voxels.
fn components(
    shape: [usize; 3],
    alike: impl Fn(usize, usize) -> bool,
    inside: impl Fn(usize) -> bool,
) -> Vec<u32> {
    let mut parts = vec![UNASSIGNED; shape.iter().product()];
    let mut queue = VecDeque::new();
    let mut next = 0;
    for first in 0..parts.len() {
        if !inside(first) || parts[first] != UNASSIGNED {
            continue;
        }
        parts[first] = next;
        queue.push_back(first);
        while let Some(voxel) = queue.pop_front() {
            for there in neighbours(shape, voxel) {
                if inside(there) && parts[there] == UNASSIGNED && alike(voxel, there) {
                    parts[there] = next;
                    queue.push_back(there);
                }
            }
        }
        next += 1;
    }
    parts
}

/// Parts that merge: their sizes, shared faces, and which part each has joined.
struct Graph {
    joined: Vec<u32>,
    sizes: Vec<usize>,
    first: Vec<usize>,
    faces: Vec<BTreeMap<u32, usize>>,
    /// Regions by size, the smallest first.
    queue: BTreeSet<(usize, u32)>,
    regions: usize,
}

impl Graph {
    fn of(parts: &[u32], shape: [usize; 3]) -> Graph {
        let mut graph = Graph {
            joined: Vec::new(),
            sizes: Vec::new(),
            first: Vec::new(),
            faces: Vec::new(),
            queue: BTreeSet::new(),
            regions: 0,
        };
        for (voxel, &part) in parts.iter().enumerate().filter(|(_, part)| **part != UNASSIGNED) {
            if part as usize == graph.sizes.len() {
                graph.joined.push(part);
                graph.sizes.push(0);
                graph.first.push(voxel);
                graph.faces.push(BTreeMap::new());
            }
            graph.sizes[part as usize] += 1;
            for there in neighbours(shape, voxel) {
                if parts[there] != part && parts[there] != UNASSIGNED {
                    *graph.faces[part as usize].entry(parts[there]).or_insert(0) += 1;
                }
            }
        }
        graph.queue = graph.sizes.iter().enumerate().map(|(part, &size)| (size, part as u32)).collect();
        graph.regions = graph.sizes.len();
        graph
    }

    fn root(&self, mut part: u32) -> u32 {
        while self.joined[part as usize] != part {
            part = self.joined[part as usize];
        }
        part
    }

    /// Merges the smallest region that has a neighbour, as long as `wanted(size, regions)`; unlabelled parts count as
    /// of size 0.
    fn merge(&mut self, wanted: impl Fn(usize, usize) -> bool) {
        let mut alone = Vec::new();
        while let Some(&(size, part)) = self.queue.first() {
            if size > 0 && !wanted(size, self.regions) {
                break;
            }
            self.queue.pop_first();
            self.queue.remove(&(self.sizes[part as usize], part));
            let faces = std::mem::take(&mut self.faces[part as usize]);
            let best = faces.iter().max_by_key(|&(&other, &count)| (count, std::cmp::Reverse(other)));
            let Some((&other, _)) = best else {
                alone.push((self.sizes[part as usize], part));
                continue;
            };
            self.queue.remove(&(self.sizes[other as usize], other));
            self.sizes[other as usize] += self.sizes[part as usize];
            self.queue.insert((self.sizes[other as usize], other));
            self.joined[part as usize] = other;
            self.regions -= 1;
            for (neighbour, count) in faces {
                self.faces[neighbour as usize].remove(&part);
                if neighbour != other {
                    *self.faces[neighbour as usize].entry(other).or_insert(0) += count;
                    *self.faces[other as usize].entry(neighbour).or_insert(0) += count;
                }
            }
        }
        self.queue.extend(alone);
    }
}

/// Halves the largest region until there are `count`; both halves are connected.
fn split(parts: &mut [u32], shape: [usize; 3], regions: usize, count: usize) {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (voxel, &part) in parts.iter().enumerate().filter(|(_, part)| **part != UNASSIGNED) {
        members.entry(part).or_default().push(voxel);
    }
    let mut by_size: BTreeSet<(usize, u32)> =
        members.iter().map(|(&part, voxels)| (voxels.len(), part)).collect();
    let unused = members.keys().last().map_or(0, |last| last + 1);
    for (next, _) in (unused..).zip(regions..count) {
        let Some((size, part)) = by_size.pop_last().filter(|(size, _)| *size > 1) else { return };
        let Some(voxels) = members.remove(&part) else { return };
        // A breadth-first search from one end takes a connected half; of the rest only the largest part leaves it.
        let far = flood(parts, shape, part, voxels[0], usize::MAX);
        let start = far.last().copied().unwrap_or(voxels[0]);
        let near: BTreeSet<usize> = flood(parts, shape, part, start, size / 2).into_iter().collect();
        let mut rest: BTreeSet<usize> =
            voxels.iter().copied().filter(|voxel| !near.contains(voxel)).collect();
        let mut largest: Vec<usize> = Vec::new();
        while let Some(first) = rest.pop_first() {
            let mut piece = vec![first];
            let mut visited = 0;
            while visited < piece.len() {
                piece.extend(neighbours(shape, piece[visited]).filter(|there| rest.remove(there)));
                visited += 1;
            }
            if piece.len() > largest.len() {
                largest = piece;
            }
        }
        largest.sort_unstable();
        largest.iter().for_each(|&voxel| parts[voxel] = next);
        let kept: Vec<usize> = voxels.into_iter().filter(|&voxel| parts[voxel] == part).collect();
        by_size.insert((kept.len(), part));
        by_size.insert((largest.len(), next));
        members.insert(part, kept);
        members.insert(next, largest);
    }
}

/// Up to `most` voxels of `part` in breadth-first order from `start`.
fn flood(parts: &[u32], shape: [usize; 3], part: u32, start: usize, most: usize) -> Vec<usize> {
    let mut seen = BTreeSet::from([start]);
    let mut order = vec![start];
    let mut visited = 0;
    while visited < order.len() && order.len() < most {
        for there in neighbours(shape, order[visited]) {
            if parts[there] == part && order.len() < most && seen.insert(there) {
                order.push(there);
            }
        }
        visited += 1;
    }
    order
}

/// Numbers labels from 0 in the order of their first voxels.
fn renumber(labels: &mut [u32]) {
    let mut new: BTreeMap<u32, u32> = BTreeMap::new();
    for label in labels.iter_mut().filter(|label| **label != UNASSIGNED) {
        let next = new.len() as u32;
        *label = *new.entry(*label).or_insert(next);
    }
}
