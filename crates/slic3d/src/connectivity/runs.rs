//! The connectivity pass in linear time: components are unions of runs along x, and only those that are merged or cut
//! are searched voxel by voxel, along links.

use std::ops::Range;

use rayon::prelude::*;

use super::limits::SizeLimits;
use super::links::Search;
use crate::labels::{UNASSIGNED, run_end};

/// Runs of one label along x in row-major order, with the component of each.
struct Runs {
    /// First voxel of each run.
    start: Vec<u32>,
    /// One past the last voxel of each run.
    end: Vec<u32>,
    /// Union-find parent of each run; once all are joined, the first run of its component.
    component: Vec<u32>,
    /// First run of each row, and the number of runs.
    first: Vec<u32>,
}

const NONE: u32 = u32::MAX;

/// The links of all voxels are found if more than this fraction of them is searched.
const MANY: usize = 20;

impl Runs {
    /// Finds all runs and joins those of each component, or returns `None` if they are too short to be worth it.
    fn find(labels: &[u32], shape: [usize; 3]) -> Option<Runs> {
        let [depth, height, width] = shape;
        let ends = |row: &[u32]| 1 + row.iter().zip(&row[1..]).map(|(a, b)| u32::from(a != b)).sum::<u32>();
        let count: usize = labels.par_chunks(width).with_min_len(64).map(|row| ends(row) as usize).sum();
        if count > labels.len() / 5 + 64 {
            return None;
        }
        let planes = depth.div_ceil(rayon::current_num_threads());
        let slabs: Vec<Range<usize>> =
            (0..depth).step_by(planes).map(|first| first..(first + planes).min(depth)).collect();
        let found: Vec<Runs> =
            slabs.par_iter().map(|planes| Runs::of_planes(labels, shape, planes.clone())).collect();
        let mut found = found.into_iter();
        let mut runs = found.next()?;
        for slab in found {
            let offset = runs.start.len() as u32;
            runs.start.extend(slab.start);
            runs.end.extend(slab.end);
            runs.component.extend(slab.component.into_iter().map(|run| run + offset));
            runs.first.pop();
            runs.first.extend(slab.first.into_iter().map(|run| run + offset));
        }
        for slab in &slabs[1..] {
            for row in slab.start * height..(slab.start + 1) * height {
                runs.join_rows(labels, row - height, row, (height * width) as u32);
            }
        }
        for run in 0..runs.component.len() {
            runs.component[run] = runs.component[runs.component[run] as usize];
        }
        Some(runs)
    }

    /// Finds the runs of some planes, and joins those that share a face there.
    fn of_planes(labels: &[u32], [_, height, width]: [usize; 3], planes: Range<usize>) -> Runs {
        let mut runs = Runs { start: Vec::new(), end: Vec::new(), component: Vec::new(), first: Vec::new() };
        for row in planes.start * height..planes.end * height {
            let line = &labels[row * width..(row + 1) * width];
            runs.first.push(runs.start.len() as u32);
            let mut x = 0;
            while x < width {
                let label = line[x];
                let end = run_end(line, x);
                if label != UNASSIGNED {
                    runs.component.push(runs.start.len() as u32);
                    runs.start.push((row * width + x) as u32);
                    runs.end.push((row * width + end) as u32);
                }
                x = end;
            }
        }
        runs.first.push(runs.start.len() as u32);
        for row in 0..planes.len() * height {
            if !row.is_multiple_of(height) {
                runs.join_rows(labels, row - 1, row, width as u32);
            }
            if row >= height {
                runs.join_rows(labels, row - height, row, (height * width) as u32);
            }
        }
        runs
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

    /// Joins runs of equal label that share a face, of two rows whose voxels are `distance` apart.
    fn join_rows(&mut self, labels: &[u32], before: usize, here: usize, distance: u32) {
        let runs = |row: usize| self.first[row] as usize..self.first[row + 1] as usize;
        let (before, here) = (runs(before), runs(here));
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
}

/// Computes the labels of [`super::plain::enforce`] if the maximum size is not below the minimum one, for fewer than
/// 2³² − 1 voxels. Returns the buffer if the labels are too noisy to profit from runs.
pub(super) fn enforce(
    labels: &[u32],
    shape: [usize; 3],
    limits: SizeLimits,
    buffer: Vec<u32>,
) -> Result<Vec<u32>, Vec<u32>> {
    let Some(runs) = Runs::find(labels, shape) else { return Err(buffer) };
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
