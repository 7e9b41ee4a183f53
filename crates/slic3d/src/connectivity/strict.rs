//! Guarantees beyond scikit-image's pass: every region is one 6-connected component, and their number is the requested
//! one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::graph::Graph;
use super::neighbours::neighbours;
use crate::labels::UNASSIGNED;

/// Requirements on the regions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Demand {
    /// Components with fewer voxels are merged into the neighbour with which they share most faces.
    pub(crate) min: usize,
    /// Number of regions to reach by merging and splitting, or as near as the components of the mask allow.
    pub(crate) count: Option<usize>,
}

/// Splits labels into connected regions, numbered from 0 in the order of their first voxels.
///
/// Unlabelled components of the mask are merged into a neighbour; those without one become regions.
pub(crate) fn enforce_strict(
    labels: &[u32],
    shape: [usize; 3],
    mask: Option<&[bool]>,
    demand: Demand,
) -> Vec<u32> {
    let inside = |voxel: usize| mask.is_none_or(|mask| mask[voxel]);
    let mut components = connected_components(shape, |a, b| labels[a] == labels[b], inside);
    let mut graph = Graph::new(&components, shape);
    graph.merge_unlabelled_first(labels);
    graph.merge(|size, _| size < demand.min);
    if let Some(count) = demand.count {
        graph.merge(|_, regions| regions > count);
    }
    for component in components.iter_mut().filter(|component| **component != UNASSIGNED) {
        *component = graph.root(*component);
    }
    if let Some(count) = demand.count {
        split(&mut components, shape, graph.regions, count);
    }
    renumber(&mut components);
    components
}

/// Numbers the 6-connected components of the voxels `inside`, in the order of their first voxels.
fn connected_components(
    shape: [usize; 3],
    alike: impl Fn(usize, usize) -> bool,
    inside: impl Fn(usize) -> bool,
) -> Vec<u32> {
    let mut components = vec![UNASSIGNED; shape.iter().product()];
    let mut queue = VecDeque::new();
    let mut next = 0;
    for first in 0..components.len() {
        if !inside(first) || components[first] != UNASSIGNED {
            continue;
        }
        components[first] = next;
        queue.push_back(first);
        while let Some(voxel) = queue.pop_front() {
            for there in neighbours(shape, voxel) {
                if inside(there) && components[there] == UNASSIGNED && alike(voxel, there) {
                    components[there] = next;
                    queue.push_back(there);
                }
            }
        }
        next += 1;
    }
    components
}

/// Splits the largest region in two until there are `count`; both halves are connected.
fn split(labels: &mut [u32], shape: [usize; 3], regions: usize, count: usize) {
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (voxel, &region) in labels.iter().enumerate().filter(|(_, region)| **region != UNASSIGNED) {
        members.entry(region).or_default().push(voxel);
    }
    let mut by_size: BTreeSet<(usize, u32)> =
        members.iter().map(|(&region, voxels)| (voxels.len(), region)).collect();
    let unused = members.keys().last().map_or(0, |last| last + 1);
    for (next, _) in (unused..).zip(regions..count) {
        let Some((size, region)) = by_size.pop_last().filter(|(size, _)| *size > 1) else { return };
        let Some(voxels) = members.remove(&region) else { return };
        // A breadth-first search from one end takes a connected half; the largest component of the rest becomes the new
        // region, and the other components stay connected to the half.
        let order = flood(labels, shape, region, voxels[0], usize::MAX);
        let start = order.last().copied().unwrap_or(voxels[0]);
        let half: BTreeSet<usize> = flood(labels, shape, region, start, size / 2).into_iter().collect();
        let rest: BTreeSet<usize> = voxels.iter().copied().filter(|voxel| !half.contains(voxel)).collect();
        let mut largest = largest_component(shape, rest);
        largest.sort_unstable();
        largest.iter().for_each(|&voxel| labels[voxel] = next);
        let remaining: Vec<usize> = voxels.into_iter().filter(|&voxel| labels[voxel] == region).collect();
        by_size.insert((remaining.len(), region));
        by_size.insert((largest.len(), next));
        members.insert(region, remaining);
        members.insert(next, largest);
    }
}

/// Returns the largest connected component of a set of voxels; the first of equally large ones.
fn largest_component(shape: [usize; 3], mut voxels: BTreeSet<usize>) -> Vec<usize> {
    let mut largest: Vec<usize> = Vec::new();
    while let Some(first) = voxels.pop_first() {
        let mut component = vec![first];
        let mut visited = 0;
        while visited < component.len() {
            component.extend(neighbours(shape, component[visited]).filter(|there| voxels.remove(there)));
            visited += 1;
        }
        if component.len() > largest.len() {
            largest = component;
        }
    }
    largest
}

/// Returns up to `most` voxels of `region` in breadth-first order from `start`.
fn flood(labels: &[u32], shape: [usize; 3], region: u32, start: usize, most: usize) -> Vec<usize> {
    let mut seen = BTreeSet::from([start]);
    let mut order = vec![start];
    let mut visited = 0;
    while visited < order.len() && order.len() < most {
        for there in neighbours(shape, order[visited]) {
            if labels[there] == region && order.len() < most && seen.insert(there) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(labels: &[u32]) -> Vec<usize> {
        let mut sizes = vec![0; labels.iter().max().map_or(0, |&most| most as usize + 1)];
        labels.iter().for_each(|&label| sizes[label as usize] += 1);
        sizes
    }

    #[test]
    fn a_small_region_joins_the_neighbour_with_most_faces() {
        let demand = Demand { min: 2, count: None };
        // The voxel of label 2 shares two faces with one neighbour and one face with the other.
        let left = [0, 0, 0, 1, 0, 2, 1, 1];
        assert_eq!(enforce_strict(&left, [1, 2, 4], None, demand), [0, 0, 0, 1, 0, 0, 1, 1]);
        let right = [0, 1, 1, 1, 0, 0, 2, 1];
        assert_eq!(enforce_strict(&right, [1, 2, 4], None, demand), [0, 1, 1, 1, 0, 0, 1, 1]);
        // With equally many faces, it joins the neighbour that comes first.
        let between = [0, 0, 0, 1, 2, 2, 2];
        assert_eq!(enforce_strict(&between, [1, 1, 7], None, demand), [0, 0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn voxels_without_a_label_join_a_neighbour_if_there_is_one() {
        const NONE: u32 = UNASSIGNED;
        let demand = Demand { min: 0, count: None };
        let found = enforce_strict(&[7, NONE, NONE, NONE, 5, 5], [1, 1, 6], None, demand);
        assert_eq!(found, [0, 0, 0, 0, 1, 1]);
        let mask = [true, true, false, true, true, true];
        let found = enforce_strict(&[NONE, NONE, 5, 5, NONE, 5], [6, 1, 1], Some(&mask), demand);
        assert_eq!(found, [0, 0, NONE, 1, 1, 2]);
    }

    #[test]
    fn a_partition_that_meets_the_demand_remains() {
        let labels = [0, 0, 1, 1, 0, 2, 1, 3];
        for count in [None, Some(4)] {
            assert_eq!(enforce_strict(&labels, [2, 2, 2], None, Demand { min: 1, count }), labels);
        }
    }

    #[test]
    fn the_smallest_region_is_merged_first() {
        // Of lines of 3, 2, 4 and 1 voxels, the one joins the four, then the two join the three.
        let labels = [0, 0, 0, 1, 1, 2, 2, 2, 2, 3];
        let merged =
            |count| sizes(&enforce_strict(&labels, [1, 1, 10], None, Demand { min: 0, count: Some(count) }));
        assert_eq!(
            [merged(4), merged(3), merged(2), merged(1)],
            [vec![3, 2, 4, 1], vec![3, 2, 5], vec![5, 5], vec![10]]
        );
    }

    #[test]
    fn the_largest_region_is_halved() {
        let line = |voxels: usize, count| {
            enforce_strict(&vec![0; voxels], [voxels, 1, 1], None, Demand { min: 0, count: Some(count) })
        };
        for (count, size) in [(2, 8), (4, 4), (8, 2), (16, 1)] {
            assert_eq!(sizes(&line(16, count)), vec![size; count]);
        }
        // Nine voxels become four and five, and the five become two and three.
        let mut odd = sizes(&line(9, 3));
        odd.sort_unstable();
        assert_eq!(odd, [2, 3, 4]);
    }
}
