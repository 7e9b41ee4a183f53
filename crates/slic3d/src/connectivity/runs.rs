//! The connectivity pass in linear time: components are unions of runs along x, and only those that are merged or cut
//! are searched voxel by voxel, along links.

use std::ops::Range;

use super::limits::SizeLimits;
use super::links::Search;
use crate::labels::{UNASSIGNED, run_end};

/// Runs of one label along x in row-major order, with the component of each.
struct Runs {
    /// First voxel of each run.
    start: Vec<u32>,
    /// One past the last voxel of each run.
    end: Vec<u32>,
    /// Union-find parent of each run; after [`join`](Runs::join), the first run of its component.
    component: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// The links of all voxels are found if more than this fraction of them is searched.
const MANY: usize = 20;

impl Runs {
    /// Finds all runs, or returns `None` if they are too short to be worth it.
    fn find(labels: &[u32], width: usize) -> Option<Runs> {
        let most = labels.len() / 5 + 64;
        let mut runs = Runs { start: Vec::new(), end: Vec::new(), component: Vec::new() };
        for (row, line) in labels.chunks_exact(width).enumerate() {
            let mut x = 0;
            while x < width {
                let label = line[x];
                let end = run_end(line, x);
                if label != UNASSIGNED {
                    if runs.start.len() == most {
                        return None;
                    }
                    runs.component.push(runs.start.len() as u32);
                    runs.start.push((row * width + x) as u32);
                    runs.end.push((row * width + end) as u32);
                }
                x = end;
            }
        }
        Some(runs)
    }

    fn voxels(&self, run: usize) -> Range<usize> {
        self.start[run] as usize..self.end[run] as usize
    }

    fn root(&mut self, mut run: u32) -> u32 {
        while self.component[run as usize] != run {
            let above = self.component[self.component[run as usize] as usize];
            self.component[run as usize] = above;
            run = above;
        }
        run
    }

    /// Joins runs of equal label that share a face, of two rows whose voxels are `distance` apart. `before` and `here`
    /// are the rows' ranges of runs.
    fn join_rows(&mut self, labels: &[u32], before: Range<usize>, here: Range<usize>, distance: u32) {
        let (mut a, mut b) = (before.start, here.start);
        while a < before.end && b < here.end {
            let (start, end) = (self.start[a] + distance, self.end[a] + distance);
            if start < self.end[b]
                && self.start[b] < end
                && labels[self.start[a] as usize] == labels[self.start[b] as usize]
            {
                let (one, other) = (self.root(a as u32), self.root(b as u32));
                self.component[one.max(other) as usize] = one.min(other);
            }
            if end <= self.end[b] {
                a += 1;
            } else {
                b += 1;
            }
        }
    }

    /// Joins the runs of each component, and sets `component` to its first run.
    fn join(&mut self, labels: &[u32], [depth, height, width]: [usize; 3]) {
        let rows = depth * height;
        let mut first = Vec::with_capacity(rows + 1);
        let mut run = 0;
        for row in 0..=rows {
            while run < self.start.len() && (self.start[run] as usize) < row * width {
                run += 1;
            }
            first.push(run);
        }
        for row in 0..rows {
            let here = first[row]..first[row + 1];
            if !row.is_multiple_of(height) {
                self.join_rows(labels, first[row - 1]..first[row], here.clone(), width as u32);
            }
            if row >= height {
                let above = first[row - height]..first[row - height + 1];
                self.join_rows(labels, above, here, (height * width) as u32);
            }
        }
        for run in 0..self.component.len() {
            self.component[run] = self.component[self.component[run] as usize];
        }
    }
}

/// Computes the labels of [`super::plain::enforce`] if the maximum size is not below the minimum one, for fewer than
/// 2³² − 1 voxels. Returns the buffer if the labels are too noisy to profit from runs.
pub(super) fn enforce(
    labels: &[u32],
    shape: [usize; 3],
    limits: SizeLimits,
    buffer: Vec<u32>,
) -> Result<Vec<u32>, Vec<u32>> {
    let Some(mut runs) = Runs::find(labels, shape[2]) else { return Err(buffer) };
    runs.join(labels, shape);
    let count = runs.component.len();
    let mut sizes = vec![0_u32; count];
    let mut following = vec![NONE; count];
    let mut last: Vec<u32> = (0..count as u32).collect();
    for run in 0..count {
        let component = runs.component[run] as usize;
        sizes[component] += runs.end[run] - runs.start[run];
        if component != run {
            following[last[component] as usize] = run as u32;
            last[component] = run as u32;
        }
    }
    drop(last);
    let normal = |size: usize| limits.min <= size && size <= limits.max;
    let searched: usize = sizes.iter().map(|&size| size as usize).filter(|size| !normal(*size)).sum();
    let mut search = Search::new(labels, shape, limits, buffer);
    if searched > labels.len() / MANY {
        search.find_links();
    }
    for run in 0..count {
        let component = runs.component[run] as usize;
        let size = sizes[component] as usize;
        if !normal(size) {
            runs.voxels(run).for_each(|voxel| search.visit(voxel));
        } else if component == run {
            let mut at = run as u32;
            while at != NONE {
                search.new[runs.voxels(at as usize)].fill(search.next);
                at = following[at as usize];
            }
            search.next += 1;
        }
    }
    Ok(search.new)
}
