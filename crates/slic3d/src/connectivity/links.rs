//! The connectivity pass for noisy labels: a search voxel by voxel along links between equal neighbours, which are found
//! beforehand for all voxels at once.

use rayon::prelude::*;

use super::limits::SizeLimits;
use crate::labels::UNASSIGNED;
use crate::prefetch::prefetch;

/// Number of neighbours, one bit of a voxel's links each: x + 1, x − 1, y + 1, y − 1, z + 1, z − 1. This is
/// scikit-image's order, which decides the last neighbour.
const NEIGHBOURS: usize = 6;

/// A bit of the links of a voxel whose component was found.
const FOUND: u8 = 1 << NEIGHBOURS;

/// Number of voxels of the queue whose neighbours are prefetched.
const AHEAD: usize = 16;

/// Computes the labels of [`super::plain::enforce`] if the maximum size is not below the minimum one.
pub(super) fn enforce(labels: &[u32], shape: [usize; 3], limits: SizeLimits, buffer: Vec<u32>) -> Vec<u32> {
    let mut search = Search::new(labels, shape, limits, buffer);
    search.find_links();
    for (voxel, &label) in labels.iter().enumerate() {
        if label != UNASSIGNED {
            search.visit(voxel);
        }
    }
    search.new
}

/// Returns the links of every voxel.
fn links(labels: &[u32], [depth, height, width]: [usize; 3]) -> Vec<u8> {
    let plane = height * width;
    let mut links = vec![0; labels.len()];
    links.par_chunks_mut(plane).enumerate().for_each(|(z, links)| {
        for (y, links) in links.chunks_mut(width).enumerate() {
            let row = z * plane + y * width;
            let here = &labels[row..row + width];
            let mut link = |bit: usize, there: Option<usize>| {
                let Some(there) = there else { return };
                for ((link, a), b) in links.iter_mut().zip(here).zip(&labels[there..there + width]) {
                    *link |= u8::from(a == b) << bit;
                }
            };
            link(2, (y + 1 < height).then(|| row + width));
            link(3, (y > 0).then(|| row - width));
            link(4, (z + 1 < depth).then(|| row + plane));
            link(5, (z > 0).then(|| row - plane));
            for ((link, a), b) in links.iter_mut().zip(here).zip(&here[1..]) {
                *link |= u8::from(a == b);
            }
            for ((link, a), b) in links[1..].iter_mut().zip(&here[1..]).zip(here) {
                *link |= u8::from(a == b) << 1;
            }
        }
    });
    links
}

/// State of the pass, as in [`super::plain::Search`].
pub(super) struct Search<'a> {
    labels: &'a [u32],
    /// Links of all voxels, with [`FOUND`], or empty if they are found when they are needed.
    links: Vec<u8>,
    /// Distance to each neighbour.
    offsets: [isize; NEIGHBOURS],
    shape: [usize; 3],
    limits: SizeLimits,
    queue: Vec<u32>,
    /// The new labels so far.
    pub(super) new: Vec<u32>,
    /// Label of the next component.
    pub(super) next: u32,
}

impl<'a> Search<'a> {
    /// Starts the pass; a maximum size below the minimum one is not supported.
    pub(super) fn new(labels: &'a [u32], shape: [usize; 3], limits: SizeLimits, buffer: Vec<u32>) -> Self {
        let (plane, width) = ((shape[1] * shape[2]) as isize, shape[2] as isize);
        Search {
            labels,
            links: Vec::new(),
            offsets: [1, -1, width, -width, plane, -plane],
            shape,
            limits,
            queue: Vec::new(),
            new: buffer,
            next: 0,
        }
    }

    /// Finds the links of all voxels, which pays if many of them are searched.
    pub(super) fn find_links(&mut self) {
        self.links = links(self.labels, self.shape);
    }

    #[inline(always)]
    fn links_of(&self, voxel: usize) -> u8 {
        match self.links.get(voxel) {
            Some(&links) => links,
            None => self.compare(voxel),
        }
    }

    /// Finds the links of one voxel.
    fn compare(&self, voxel: usize) -> u8 {
        let exists = self.exists(voxel);
        let linked = |neighbour: usize| {
            let there = voxel.wrapping_add_signed(self.offsets[neighbour]);
            exists[neighbour] && self.labels[there] == self.labels[voxel]
        };
        (0..NEIGHBOURS).fold(0, |links, neighbour| links | u8::from(linked(neighbour)) << neighbour)
    }

    /// Returns which neighbours are in the image.
    fn exists(&self, voxel: usize) -> [bool; NEIGHBOURS] {
        let [depth, height, width] = self.shape;
        let (row, x) = (voxel / width, voxel % width);
        let (z, y) = (row / height, row % height);
        [x + 1 < width, x > 0, y + 1 < height, y > 0, z + 1 < depth, z > 0]
    }

    /// Labels the component that starts at a voxel of the mask, unless it is labelled already.
    #[inline(always)]
    pub(super) fn visit(&mut self, first: usize) {
        if self.new[first] == UNASSIGNED {
            self.search(first);
        }
    }

    /// Labels the component of an unlabelled voxel, the first of it. Not inlined: most voxels are labelled already.
    #[inline(never)]
    fn search(&mut self, first: usize) {
        if self.links_of(first) == 0 && self.limits.min > 1 {
            self.new[first] = self.next;
            self.new[first] = self.neighbour(first).unwrap_or(self.next);
            return;
        }
        self.label_component(first);
        if self.queue.len() >= self.limits.min {
            self.next += 1;
            return;
        }
        // The last labelled neighbour that the search encounters is the first one on the way back.
        let mut back = self.queue.iter().rev();
        if let Some(adjacent) = back.find_map(|&voxel| self.neighbour(voxel as usize)) {
            for &voxel in &self.queue {
                self.new[voxel as usize] = adjacent;
            }
        }
    }

    /// Labels the component of `first` with the next label and leaves its voxels in `queue`.
    fn label_component(&mut self, first: usize) {
        self.queue.clear();
        self.queue.push(first as u32);
        self.mark(first);
        let mut visited = 0;
        while visited < self.queue.len() && self.queue.len() < self.limits.max {
            if !self.links.is_empty() && self.queue.len() + NEIGHBOURS <= self.limits.max {
                self.visit_all(visited);
            } else {
                self.visit_up_to_limit(visited);
            }
            visited += 1;
        }
        for &voxel in &self.queue[visited..] {
            self.new[voxel as usize] = self.next;
        }
    }

    /// Marks a voxel as one of the component.
    fn mark(&mut self, voxel: usize) {
        match self.links.get_mut(voxel) {
            Some(links) => *links |= FOUND,
            None => self.new[voxel] = self.next,
        }
    }

    /// Returns whether a voxel is one of a component that was found.
    fn is_found(&self, voxel: usize) -> bool {
        match self.links.get(voxel) {
            Some(links) => links & FOUND != 0,
            None => self.new[voxel] != UNASSIGNED,
        }
    }

    /// Visits the neighbours of a voxel in the queue, if the links of all voxels are known. Whether a neighbour is linked and
    /// not yet found cannot be predicted: all six are written, those that change nothing included.
    #[inline(always)]
    fn visit_all(&mut self, visited: usize) {
        let Search { links, offsets, queue, new, next, .. } = self;
        let voxel = queue[visited] as usize;
        let links_here = links[voxel];
        new[voxel] = *next;
        // Large components are searched along a front that does not fit into the cache.
        if let Some(&ahead) = queue.get(visited + AHEAD) {
            prefetch(new, ahead as usize);
            for offset in offsets.iter().skip(1) {
                prefetch(links, (ahead as usize).wrapping_add_signed(*offset));
            }
        }
        let mut length = queue.len();
        queue.resize(length + NEIGHBOURS, 0);
        for (bit, &offset) in offsets.iter().enumerate() {
            // A neighbour without a link is replaced by the voxel, which is marked.
            let linked = -isize::from(links_here >> bit & 1 == 1);
            let there = voxel.wrapping_add_signed(offset & linked);
            let links = &mut links[there];
            queue[length] = there as u32;
            length += usize::from(*links & FOUND == 0);
            *links |= FOUND;
        }
        queue.truncate(length);
    }

    /// Visits the neighbours of a voxel in the queue until the component has its maximum size.
    fn visit_up_to_limit(&mut self, visited: usize) {
        let voxel = self.queue[visited] as usize;
        self.new[voxel] = self.next;
        let links = self.links_of(voxel);
        for neighbour in (0..NEIGHBOURS).filter(|bit| links >> bit & 1 == 1) {
            let there = voxel.wrapping_add_signed(self.offsets[neighbour]);
            if !self.is_found(there) {
                self.mark(there);
                self.queue.push(there as u32);
                if self.queue.len() >= self.limits.max {
                    return;
                }
            }
        }
    }

    /// Returns the label of the last neighbour of a voxel that has another label than the next one.
    fn neighbour(&self, voxel: usize) -> Option<u32> {
        let exists = self.exists(voxel);
        (0..NEIGHBOURS).rev().filter(|&neighbour| exists[neighbour]).find_map(|neighbour| {
            let label = self.new[voxel.wrapping_add_signed(self.offsets[neighbour])];
            (label != UNASSIGNED && label != self.next).then_some(label)
        })
    }
}
