//! K-means tile by tile, in parallel over slabs of planes: the same labels as the plain form, for any number of threads.

use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::instructions::{Instructions, kernel};
use super::kernel::{Room, Slab};
use super::means::{label_range, move_to_means, widen};
use super::ranges::Ranges;
use super::tiles::{Field, Search, TILE, Window};
use super::{Clusters, Course, Problem, UNASSIGNED};

/// Runs all iterations, or fewer where no cluster moves any more. `by_position` leaves the image out of the distance
/// and moves the clusters after the last iteration too.
pub(crate) fn run(
    problem: &Problem,
    clusters: &mut Clusters,
    by_position: bool,
    instructions: Option<Instructions>,
) -> (Vec<u32>, Course) {
    let [depth, height, width] = problem.shape;
    let channels = if by_position { 0 } else { problem.channels };
    let slab = TILE[0] * height * width;
    let kernel = kernel(channels, problem.slic_zero, instructions);
    let ranges = Ranges::of(problem, channels);
    let mut labels = vec![UNASSIGNED; problem.voxels()];
    let mut rows = vec![0..0; depth * height];
    let mut widest = vec![1.0; clusters.len()];
    let mut moved = vec![true; clusters.len()];
    let mut windows = problem.windows(clusters);
    for iteration in 1..=problem.iterations {
        let before = std::mem::replace(&mut windows, problem.windows(clusters));
        let around = |(now, before): (&Window, &Window)| {
            [0, 1, 2].map(|axis| now[axis].start.min(before[axis].start)..now[axis].end.max(before[axis].end))
        };
        let boxes = windows.iter().zip(&before).map(around).zip(&moved);
        let boxes: Vec<Window> = boxes.filter(|(_, moved)| **moved).map(|(window, _)| window).collect();
        // At first all count as changed, so that those which win no voxel die.
        let changed: Vec<AtomicBool> = moved.iter().map(|_| AtomicBool::new(iteration == 1)).collect();
        let field = Field { problem, clusters, windows: &windows, widest: &widest, moved: &boxes, channels };
        labels.par_chunks_mut(slab).zip(rows.par_chunks_mut(TILE[0] * height)).enumerate().for_each_init(
            || (Search::default(), Room::new(channels)),
            |(search, room), (index, (labels, rows))| {
                let z = index * TILE[0]..(index * TILE[0] + TILE[0]).min(depth);
                if kernel(Slab { field: &field, ranges: &ranges, search, room, z, labels, changed: &changed })
                {
                    for (row, labels) in rows.iter_mut().zip(labels.chunks(width)) {
                        *row = label_range(labels);
                    }
                }
            },
        );
        if iteration == problem.iterations && !by_position {
            break;
        }
        let changed: Vec<bool> = changed.into_iter().map(AtomicBool::into_inner).collect();
        moved = move_to_means(problem, clusters, &labels, &rows, &changed);
        if problem.slic_zero {
            let looked_at: Vec<bool> = changed.iter().zip(&moved).map(|(a, b)| *a || *b).collect();
            widen(problem, clusters, &labels, &rows, &looked_at, &mut widest, &mut moved);
        }
        if !moved.contains(&true) {
            return (labels, Course { iterations: iteration, converged: true });
        }
    }
    (labels, Course { iterations: problem.iterations, converged: false })
}
