//! The region adjacency graph along which components are merged.

use std::collections::{BTreeMap, BTreeSet};

use super::neighbours::neighbours;
use crate::labels::UNASSIGNED;

/// Connected components with their sizes and shared faces, and the component into which each was merged.
pub(super) struct Graph {
    merged_into: Vec<u32>,
    sizes: Vec<usize>,
    /// First voxel of each component.
    first: Vec<usize>,
    /// Number of faces shared with each neighbour.
    faces: Vec<BTreeMap<u32, usize>>,
    /// Regions by size, the smallest first.
    queue: BTreeSet<(usize, u32)>,
    /// Number of regions left.
    pub(super) regions: usize,
}

impl Graph {
    /// Builds the graph of components that are numbered in the order of their first voxels.
    pub(super) fn new(components: &[u32], shape: [usize; 3]) -> Graph {
        let mut graph = Graph {
            merged_into: Vec::new(),
            sizes: Vec::new(),
            first: Vec::new(),
            faces: Vec::new(),
            queue: BTreeSet::new(),
            regions: 0,
        };
        for (voxel, &component) in components.iter().enumerate().filter(|(_, c)| **c != UNASSIGNED) {
            if component as usize == graph.sizes.len() {
                graph.merged_into.push(component);
                graph.sizes.push(0);
                graph.first.push(voxel);
                graph.faces.push(BTreeMap::new());
            }
            graph.sizes[component as usize] += 1;
            for there in neighbours(shape, voxel) {
                if components[there] != component && components[there] != UNASSIGNED {
                    *graph.faces[component as usize].entry(components[there]).or_insert(0) += 1;
                }
            }
        }
        let sizes = graph.sizes.iter().enumerate();
        graph.queue = sizes.map(|(component, &size)| (size, component as u32)).collect();
        graph.regions = graph.sizes.len();
        graph
    }

    /// Queues the components without a label as if their size were 0, so that they are merged first.
    pub(super) fn merge_unlabelled_first(&mut self, labels: &[u32]) {
        for (component, &voxel) in self.first.iter().enumerate() {
            if labels[voxel] == UNASSIGNED {
                self.queue.insert((0, component as u32));
            }
        }
    }

    /// Returns the component into which `component` was merged, itself if it was not.
    pub(super) fn root(&self, mut component: u32) -> u32 {
        while self.merged_into[component as usize] != component {
            component = self.merged_into[component as usize];
        }
        component
    }

    /// Merges the smallest region that has a neighbour into the one with which it shares most faces, while
    /// `wanted(size, regions)` holds.
    pub(super) fn merge(&mut self, wanted: impl Fn(usize, usize) -> bool) {
        let mut isolated = Vec::new();
        while let Some(&(size, component)) = self.queue.first() {
            if size > 0 && !wanted(size, self.regions) {
                break;
            }
            self.queue.pop_first();
            self.queue.remove(&(self.sizes[component as usize], component));
            let faces = std::mem::take(&mut self.faces[component as usize]);
            let best = faces.iter().max_by_key(|&(&other, &count)| (count, std::cmp::Reverse(other)));
            let Some((&other, _)) = best else {
                isolated.push((self.sizes[component as usize], component));
                continue;
            };
            self.queue.remove(&(self.sizes[other as usize], other));
            self.sizes[other as usize] += self.sizes[component as usize];
            self.queue.insert((self.sizes[other as usize], other));
            self.merged_into[component as usize] = other;
            self.regions -= 1;
            for (neighbour, count) in faces {
                self.faces[neighbour as usize].remove(&component);
                if neighbour != other {
                    *self.faces[neighbour as usize].entry(other).or_insert(0) += count;
                    *self.faces[other as usize].entry(neighbour).or_insert(0) += count;
                }
            }
        }
        self.queue.extend(isolated);
    }
}
