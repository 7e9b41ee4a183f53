//! K-means tile by tile, in parallel over slabs of planes. Labels equal those of the plain form and do not depend on
//! the number of threads.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::candidates::{CandidateSearch, SearchInput, TILE};
use super::clusters::Clusters;
use super::contenders::Metric;
use super::convergence::Convergence;
use super::following::Following;
use super::instructions::{Instructions, kernel};
use super::kernel::{Scratch, Slab};
use super::positions::Gains;
use super::problem::{Problem, Window};
use super::ranges::{BLOCK, Ranges};
use super::sums::LANES;
use super::update::{Means, move_to_means, move_to_positions, sum_groups, update_max_colour};
use crate::labels::UNASSIGNED;

/// Sums follow the assignment if more than this fraction of the voxels was added one by one before.
const NOISY: usize = 4;

/// Runs all iterations, or stops when no cluster moves. With `by_position`, distances do not include intensities and
/// the clusters move after the last iteration too.
pub(super) fn run(
    problem: &Problem,
    clusters: &mut Clusters,
    by_position: bool,
    instructions: Option<Instructions>,
) -> (Vec<u32>, Convergence) {
    let [depth, height, width] = problem.shape;
    let channels = if by_position { 0 } else { problem.channels };
    let rows_in_slab = TILE[0] * height;
    let slab = rows_in_slab * width;
    let kernel = kernel(channels, problem.slic_zero, instructions);
    let ranges = Ranges::compute(problem, channels);
    let mut labels = vec![UNASSIGNED; problem.voxels()];
    let [deep, high, wide] = ranges.blocks();
    let mut filled = vec![UNASSIGNED; deep * high * wide];
    let filled_in_slab = TILE[0] / BLOCK[0] * high * wide;
    let mut rows = vec![0..0; depth * height];
    let mut max_colour = vec![1.0; clusters.len()];
    let mut moved = vec![true; clusters.len()];
    let mut windows = problem.windows(clusters);
    let mut noisy = false;
    let positions = Mutex::new(Gains::new(if by_position { clusters.len() } else { 0 }));
    let distances = AtomicU64::new(0);
    let mut converged_at = None;
    for iteration in 1..=problem.iterations {
        let before = std::mem::replace(&mut windows, problem.windows(clusters));
        let join = |(now, before): (&Window, &Window)| {
            [0, 1, 2].map(|axis| now[axis].start.min(before[axis].start)..now[axis].end.max(before[axis].end))
        };
        let joined = windows.iter().zip(&before).map(join).zip(&moved);
        let joined: Vec<Window> = joined.filter(|(_, moved)| **moved).map(|(window, _)| window).collect();
        // In the first iteration all clusters count as changed, so that those without voxels become inactive.
        let changed: Vec<AtomicBool> = moved.iter().map(|_| AtomicBool::new(iteration == 1)).collect();
        let input = SearchInput {
            problem,
            clusters,
            windows: &windows,
            max_colour: &max_colour,
            moved: &joined,
            channels,
            metric: Metric::new(problem, channels),
        };
        let buffers = || (CandidateSearch::default(), Scratch::new(channels, clusters.len()));
        let assign = |(search, scratch): &mut (CandidateSearch, Scratch),
                      index: usize,
                      labels: &mut [u32],
                      filled: &mut [u32],
                      rows: &mut [Range<u32>]| {
            let z = index * TILE[0]..(index * TILE[0] + TILE[0]).min(depth);
            let (input, ranges, changed, distances) = (&input, &ranges, &changed, &distances);
            kernel(Slab { input, ranges, search, scratch, z, labels, filled, rows, changed, distances });
            if by_position {
                positions.lock().unwrap_or_else(PoisonError::into_inner).take(&mut scratch.gains);
            }
        };
        let following = (noisy && iteration < problem.iterations)
            .then(|| Following::new(problem, clusters.len(), depth.div_ceil(TILE[0]), rows_in_slab));
        match &following {
            None => {
                let slabs = labels.par_chunks_mut(slab).zip(filled.par_chunks_mut(filled_in_slab));
                let slabs = slabs.zip(rows.par_chunks_mut(rows_in_slab)).enumerate();
                slabs.for_each_init(buffers, |buffers, (index, ((labels, filled), rows))| {
                    assign(buffers, index, labels, filled, rows);
                });
            }
            Some(following) => {
                let slabs = labels.chunks_mut(slab).zip(filled.chunks_mut(filled_in_slab));
                let slabs = slabs.zip(rows.chunks_mut(rows_in_slab)).enumerate();
                // In order, for the sums to follow.
                slabs.par_bridge().for_each_init(buffers, |buffers, (index, ((labels, filled), rows))| {
                    assign(buffers, index, labels, filled, rows);
                    following.hand_over(index, labels);
                });
            }
        }
        if iteration == problem.iterations && !by_position {
            break;
        }
        let changed: Vec<bool> = changed.into_iter().map(AtomicBool::into_inner).collect();
        moved = if by_position {
            // Intensities do not influence positions: their means are computed once, at the end.
            let positions = positions.lock().unwrap_or_else(PoisonError::into_inner);
            move_to_positions(problem, clusters, &labels, &rows, &changed, &positions)
        } else {
            let sums = match following {
                Some(following) => vec![(0..clusters.len(), following.finish())],
                None => sum_groups(problem, &labels, &rows, &changed, Means::PositionAndColour),
            };
            let one_by_one = sums.iter().map(|(_, sums)| sums.noisy * LANES).max();
            noisy = one_by_one.is_some_and(|voxels| voxels > labels.len() / NOISY);
            move_to_means(problem, clusters, &changed, sums, Means::PositionAndColour)
        };
        if problem.slic_zero && !by_position {
            let affected: Vec<bool> = changed.iter().zip(&moved).map(|(a, b)| *a || *b).collect();
            update_max_colour(problem, clusters, &labels, &rows, &affected, &mut max_colour, &mut moved);
        }
        if !moved.contains(&true) {
            converged_at = Some(iteration);
            break;
        }
    }
    if by_position {
        let all = vec![true; clusters.len()];
        let sums = sum_groups(problem, &labels, &rows, &all, Means::PositionAndColour);
        move_to_means(problem, clusters, &all, sums, Means::PositionAndColour);
    }
    let convergence = Convergence {
        iterations: converged_at.unwrap_or(problem.iterations),
        converged: converged_at.is_some(),
        distances: distances.into_inner(),
    };
    (labels, convergence)
}
