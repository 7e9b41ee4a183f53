//! K-means tile by tile, in parallel over slabs of planes. Labels equal those of the plain form and do not depend on
//! the number of threads.

use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::candidates::{CandidateSearch, SearchInput, TILE};
use super::clusters::Clusters;
use super::contenders::Metric;
use super::convergence::Convergence;
use super::instructions::{Instructions, kernel};
use super::kernel::{Scratch, Slab};
use super::label_ranges::label_range;
use super::problem::{Problem, Window};
use super::ranges::{BLOCK, Ranges};
use super::update::{Means, move_to_means, update_max_colour};
use crate::labels::UNASSIGNED;

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
    let slab = TILE[0] * height * width;
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
    let mut convergence = Convergence { iterations: problem.iterations, converged: false };
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
        let slabs = labels.par_chunks_mut(slab).zip(filled.par_chunks_mut(filled_in_slab));
        slabs.zip(rows.par_chunks_mut(TILE[0] * height)).enumerate().for_each_init(
            || (CandidateSearch::default(), Scratch::new(channels)),
            |(search, scratch), (index, ((labels, filled), rows))| {
                let z = index * TILE[0]..(index * TILE[0] + TILE[0]).min(depth);
                let slab = Slab {
                    input: &input,
                    ranges: &ranges,
                    search,
                    scratch,
                    z,
                    labels,
                    filled,
                    changed: &changed,
                };
                if kernel(slab) {
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
        // Intensities do not influence positions: their means are computed once, at the end.
        let means = if by_position { Means::Position } else { Means::PositionAndColour };
        moved = move_to_means(problem, clusters, &labels, &rows, &changed, means);
        if problem.slic_zero && !by_position {
            let affected: Vec<bool> = changed.iter().zip(&moved).map(|(a, b)| *a || *b).collect();
            update_max_colour(problem, clusters, &labels, &rows, &affected, &mut max_colour, &mut moved);
        }
        if !moved.contains(&true) {
            convergence = Convergence { iterations: iteration, converged: true };
            break;
        }
    }
    if by_position {
        let all = vec![true; clusters.len()];
        move_to_means(problem, clusters, &labels, &rows, &all, Means::PositionAndColour);
    }
    (labels, convergence)
}
