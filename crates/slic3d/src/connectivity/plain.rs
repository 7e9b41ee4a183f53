//! scikit-image's connectivity pass, one breadth-first search per part: the oracle of the fast form.

use super::Limits;
use crate::kmeans::UNASSIGNED;

/// New labels from 0, in `room`; unassigned voxels stay so.
pub(crate) fn enforce(labels: &[u32], shape: [usize; 3], limits: Limits, room: Vec<u32>) -> Vec<u32> {
    let mut search = Search::new(labels, shape, limits, room);
    (0..labels.len()).for_each(|voxel| search.visit(voxel));
    search.new
}

/// The pass under way.
///
/// A search stops at `limits.max` voxels: what is left of the part is found again later, as another part. A part of fewer
/// than `limits.min` voxels takes the label of the last labelled neighbour its search met, and where it met none shares
/// the label of the next part.
pub(crate) struct Search<'a> {
    labels: &'a [u32],
    shape: [usize; 3],
    limits: Limits,
    queue: Vec<u32>,
    /// The labels so far.
    pub(crate) new: Vec<u32>,
    /// The next part's label.
    pub(crate) next: u32,
}

impl<'a> Search<'a> {
    pub(crate) fn new(labels: &'a [u32], shape: [usize; 3], limits: Limits, room: Vec<u32>) -> Self {
        Search { labels, shape, limits, queue: Vec::new(), new: room, next: 0 }
    }

    /// Labels the part that starts at `voxel`, unless it has a label.
    pub(crate) fn visit(&mut self, voxel: usize) {
        if self.labels[voxel] == UNASSIGNED || self.new[voxel] != UNASSIGNED {
            return;
        }
        let adjacent = self.label_part(voxel);
        if self.queue.len() < self.limits.min {
            for &voxel in &self.queue {
                self.new[voxel as usize] = adjacent;
            }
        } else {
            self.next += 1;
        }
    }

    /// Labels the part around `first`, leaving its voxels in `queue`, and returns the last other label met.
    fn label_part(&mut self, first: usize) -> u32 {
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
