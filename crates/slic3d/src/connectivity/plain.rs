//! scikit-image's connectivity pass with one breadth-first search per component: the reference of the pass by pieces.

use super::limits::SizeLimits;
use crate::labels::UNASSIGNED;

/// Relabels components from 0; unassigned voxels remain unassigned.
pub(super) fn enforce(labels: &[u32], shape: [usize; 3], limits: SizeLimits) -> Vec<u32> {
    let mut search = Search::new(labels, shape, limits);
    (0..labels.len()).for_each(|voxel| search.visit(voxel));
    search.new
}

/// State of the pass.
///
/// A search stops at `limits.max` voxels; the rest of the component is found later, as another component. A component
/// of fewer than `limits.min` voxels takes the label of the last labelled neighbour that its search encountered; if
/// there was none, it shares the label of the next component.
pub(super) struct Search<'a> {
    labels: &'a [u32],
    shape: [usize; 3],
    limits: SizeLimits,
    queue: Vec<u32>,
    /// The new labels so far.
    pub(super) new: Vec<u32>,
    /// Label of the next component.
    pub(super) next: u32,
}

impl<'a> Search<'a> {
    pub(super) fn new(labels: &'a [u32], shape: [usize; 3], limits: SizeLimits) -> Self {
        Search { labels, shape, limits, queue: Vec::new(), new: vec![UNASSIGNED; labels.len()], next: 0 }
    }

    /// Labels the component that starts at `voxel`, unless it is labelled already.
    pub(super) fn visit(&mut self, voxel: usize) {
        if self.labels[voxel] == UNASSIGNED || self.new[voxel] != UNASSIGNED {
            return;
        }
        let adjacent = self.label_component(voxel);
        if self.queue.len() < self.limits.min {
            for &voxel in &self.queue {
                self.new[voxel as usize] = adjacent;
            }
        } else {
            self.next += 1;
        }
    }

    /// Labels the component of `first`, leaves its voxels in `queue`, and returns the last other label encountered.
    fn label_component(&mut self, first: usize) -> u32 {
        let [depth, height, width] = self.shape;
        let plane = height * width;
        let mut adjacent = self.next;
        self.queue.clear();
        self.queue.push(first as u32);
        self.new[first] = self.next;
        let mut visited = 0;
        while visited < self.queue.len() && self.queue.len() < self.limits.max {
            let voxel = self.queue[visited] as usize;
            let (z, y, x) = (voxel / plane, voxel / width % height, voxel % width);
            // scikit-image's order, which decides the last neighbour.
            let neighbours = [
                (x + 1 < width).then(|| voxel + 1),
                (x > 0).then(|| voxel - 1),
                (y + 1 < height).then(|| voxel + width),
                (y > 0).then(|| voxel - width),
                (z + 1 < depth).then(|| voxel + plane),
                (z > 0).then(|| voxel - plane),
            ];
            for there in neighbours.into_iter().flatten() {
                if self.labels[there] == self.labels[first] && self.new[there] == UNASSIGNED {
                    self.new[there] = self.next;
                    self.queue.push(there as u32);
                    if self.queue.len() >= self.limits.max {
                        break;
                    }
                } else if self.new[there] != UNASSIGNED && self.new[there] != self.next {
                    adjacent = self.new[there];
                }
            }
            visited += 1;
        }
        adjacent
    }
}
