//! Sums that follow the assignment, slab after slab of planes.
//!
//! Sums are in row-major order within each cluster, so that threads share them by clusters: each reads all voxels and adds
//! those of its own. Where labels are noisy, reading takes as long as adding, and threads save nothing. There each slab is
//! summed once, for all clusters, as soon as it and those before it are assigned, while other threads assign the next.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::problem::Problem;
use super::sums::{Group, Sums};

/// The slabs that wait to be summed, and the sums of those before them.
pub(super) struct Following<'a> {
    problem: &'a Problem<'a>,
    group: Group,
    /// Number of rows of a slab.
    rows: usize,
    /// Labels of each slab that was assigned and not yet summed.
    assigned: Mutex<Vec<Option<&'a [u32]>>>,
    progress: Mutex<Progress>,
}

struct Progress {
    /// The next slab to sum.
    next: usize,
    sums: Sums,
}

impl<'a> Following<'a> {
    /// Starts the sums of all `clusters`, with intensities, over so many slabs of this number of rows.
    pub(super) fn new(problem: &'a Problem<'a>, clusters: usize, slabs: usize, rows: usize) -> Self {
        let group = Group::new(0..clusters, &vec![true; clusters]);
        let sums = Sums::new(&group, problem.channels);
        Following {
            problem,
            group,
            rows,
            assigned: Mutex::new(vec![None; slabs]),
            progress: Mutex::new(Progress { next: 0, sums }),
        }
    }

    /// Hands over the labels of a slab, and sums all that are next unless another thread does.
    pub(super) fn hand_over(&self, slab: usize, labels: &'a [u32]) {
        lock(&self.assigned)[slab] = Some(labels);
        if let Ok(mut progress) = self.progress.try_lock() {
            self.proceed(&mut progress);
        }
    }

    fn proceed(&self, progress: &mut Progress) {
        let next = |slab: usize| lock(&self.assigned).get_mut(slab).and_then(Option::take);
        while let Some(labels) = next(progress.next) {
            progress.sums.add::<true>(self.problem, &self.group, progress.next * self.rows, labels, None);
            progress.next += 1;
        }
    }

    /// Sums what is left, after all slabs were handed over.
    pub(super) fn finish(self) -> Sums {
        let mut progress = lock(&self.progress);
        self.proceed(&mut progress);
        debug_assert_eq!(progress.next, lock(&self.assigned).len(), "a slab was not handed over");
        std::mem::take(&mut progress.sums)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::hash;
    use rayon::prelude::*;

    /// Whoever sums a slab, and whenever: the sums are those of one pass over all voxels, to the bit.
    #[test]
    fn sums_do_not_depend_on_the_order_of_assignment() {
        const CLUSTERS: usize = 9;
        let shape = [12, 5, 35];
        let [depth, height, width] = shape;
        let voxels = depth * height * width;
        let image: Vec<f32> = (0..2 * voxels).map(|voxel| (hash(1, voxel) >> 8) as f32 * 1e-3).collect();
        let labels: Vec<u32> = (0..voxels).map(|voxel| hash(2, voxel) % CLUSTERS as u32).collect();
        let problem = Problem {
            shape,
            image: &image,
            channels: 2,
            mask: None,
            spacing: [1.0; 3],
            reach: [4; 3],
            step: 2.0,
            iterations: 1,
            slic_zero: false,
        };
        let group = Group::new(0..CLUSTERS, &[true; CLUSTERS]);
        let mut expected = Sums::new(&group, 2);
        expected.add::<true>(&problem, &group, 0, &labels, None);
        let slabs: Vec<(usize, &[u32])> = labels.chunks(2 * height * width).enumerate().collect();
        for first in 0..slabs.len() {
            let following = Following::new(&problem, CLUSTERS, slabs.len(), 2 * height);
            let mut order = slabs.clone();
            order.rotate_left(first);
            order.reverse();
            order.into_par_iter().for_each(|(slab, labels)| following.hand_over(slab, labels));
            let found = following.finish();
            for cluster in 0..CLUSTERS {
                assert_eq!(found.clusters[cluster].first, expected.clusters[cluster].first);
                assert_eq!(found.clusters[cluster].voxels, expected.clusters[cluster].voxels);
                assert_eq!(found.other[cluster], expected.other[cluster]);
            }
        }
    }
}
