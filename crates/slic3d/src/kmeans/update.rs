//! Update step of k-means: clusters move to the mean of their voxels.
//!
//! Sums are computed in `f32` and in row-major order within each cluster, as in scikit-image. Clusters are independent
//! and are distributed over threads.

use std::ops::Range;

use rayon::prelude::*;

use super::clusters::Clusters;
use super::label_ranges::RowRanges;
use super::positions::Gains;
use super::problem::Problem;
use super::sums::{Cluster, Group, Sums};
use crate::labels::run_end;

/// Which means are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Position,
    PositionAndColour,
}

/// Sums of a group of clusters.
pub(super) type GroupSums = (Range<usize>, Sums);

/// Sums the voxels of the clusters marked in `changed`, in groups of clusters that threads share.
pub(super) fn sum_groups(
    problem: &Problem,
    labels: &[u32],
    rows: &RowRanges,
    changed: &[bool],
    means: Means,
) -> Vec<GroupSums> {
    let sum = |clusters: Range<usize>| {
        let group = Group::new(clusters, changed);
        let mut sums = Sums::new(&group, problem.channels);
        match means {
            Means::Position => sums.add::<false>(problem, &group, 0, labels, Some(rows)),
            Means::PositionAndColour => sums.add::<true>(problem, &group, 0, labels, Some(rows)),
        }
        (group.clusters, sums)
    };
    groups(changed).into_par_iter().map(sum).collect()
}

/// Moves the clusters marked in `changed` and returns which of them moved; one without voxels becomes inactive.
pub(super) fn move_to_means(
    problem: &Problem,
    clusters: &mut Clusters,
    changed: &[bool],
    sums: Vec<GroupSums>,
    means: Means,
) -> Vec<bool> {
    let channels = problem.channels;
    let mut moved = vec![false; clusters.len()];
    for (group, sums) in sums {
        for (index, cluster) in group.enumerate().filter(|(_, cluster)| changed[*cluster]) {
            let Cluster { first, voxels } = sums.clusters[index];
            let was_active = std::mem::replace(&mut clusters.active[cluster], voxels > 0);
            moved[cluster] = was_active != (voxels > 0);
            if voxels == 0 {
                continue;
            }
            let count = voxels as f32;
            let [z, y, x, colour] = first.map(|sum| sum / count);
            moved[cluster] |= [z, y, x] != clusters.position[cluster];
            clusters.position[cluster] = [z, y, x];
            if means == Means::PositionAndColour {
                let other =
                    sums.other[index * (channels - 1)..][..channels - 1].iter().map(|sum| sum / count);
                let colours = &mut clusters.colour[cluster * channels..][..channels];
                for (old, new) in colours.iter_mut().zip(std::iter::once(colour).chain(other)) {
                    moved[cluster] |= *old != new;
                    *old = new;
                }
            }
        }
    }
    moved
}

/// Moves the clusters marked in `changed` to their mean positions, and returns which of them moved. Those whose sums are too large
/// to be exact are summed voxel by voxel.
pub(super) fn move_to_positions(
    problem: &Problem,
    clusters: &mut Clusters,
    labels: &[u32],
    rows: &RowRanges,
    changed: &[bool],
    positions: &Gains,
) -> Vec<bool> {
    let (sums, exact) = positions.sums();
    let marked = |wanted: bool| -> Vec<bool> {
        changed.iter().zip(&exact).map(|(changed, exact)| *changed && *exact == wanted).collect()
    };
    let (exactly, rounded) = (marked(true), marked(false));
    let all = vec![(0..clusters.len(), sums)];
    let mut moved = move_to_means(problem, clusters, &exactly, all, Means::Position);
    if rounded.contains(&true) {
        let sums = sum_groups(problem, labels, rows, &rounded, Means::Position);
        let others = move_to_means(problem, clusters, &rounded, sums, Means::Position);
        moved.iter_mut().zip(others).for_each(|(moved, other)| *moved |= other);
    }
    moved
}

/// Groups the changed clusters by consecutive numbers, so that each group occurs in few rows; one group for each thread,
/// since noisy labels are read once for each group.
fn groups(changed: &[bool]) -> Vec<Range<usize>> {
    let changed: Vec<usize> = (0..changed.len()).filter(|&cluster| changed[cluster]).collect();
    let size = changed.len().div_ceil(rayon::current_num_threads()).max(1);
    changed.chunks(size).map(|group| group[0]..group[group.len() - 1] + 1).collect()
}

/// Calls `each` with the runs of one label in row-major order, for the clusters of `group` that `changed` marks.
fn for_each_run(
    problem: &Problem,
    labels: &[u32],
    rows: &RowRanges,
    changed: &[bool],
    group: &Range<usize>,
    mut each: impl FnMut(usize, usize, Range<usize>),
) {
    let width = problem.shape[2];
    for (row, range) in rows.iter().enumerate() {
        if range.start as usize >= group.end || range.end as usize <= group.start {
            continue;
        }
        let labels = &labels[row * width..(row + 1) * width];
        let mut start = 0;
        while start < width {
            let label = labels[start];
            let end = run_end(labels, start);
            if group.contains(&(label as usize)) && changed[label as usize] {
                each(label as usize, row, start..end);
            }
            start = end;
        }
    }
}

/// Raises each cluster's maximum squared difference from its mean, which never decreases, and marks the clusters
/// raised.
///
/// `affected` marks clusters whose voxels or mean have changed.
pub(super) fn update_max_colour(
    problem: &Problem,
    clusters: &Clusters,
    labels: &[u32],
    rows: &RowRanges,
    affected: &[bool],
    max_colour: &mut [f32],
    raised: &mut [bool],
) {
    let width = problem.shape[2];
    let channels = problem.channels;
    let groups = groups(affected);
    let found: Vec<Vec<f32>> = groups
        .par_iter()
        .map(|group| {
            let mut most = vec![0.0_f32; group.len()];
            for_each_run(problem, labels, rows, affected, group, |cluster, row, x| {
                let colours = &clusters.colour[cluster * channels..(cluster + 1) * channels];
                for voxel in row * width + x.start..row * width + x.end {
                    let mut sum = 0.0;
                    for (channel, colour) in colours.iter().enumerate() {
                        let difference = problem.image[channel * labels.len() + voxel] - colour;
                        sum += difference * difference;
                    }
                    most[cluster - group.start] = most[cluster - group.start].max(sum);
                }
            });
            most
        })
        .collect();
    for (group, most) in groups.into_iter().zip(found) {
        for (cluster, most) in group.zip(most) {
            if affected[cluster] && max_colour[cluster] < most {
                max_colour[cluster] = most;
                raised[cluster] = true;
            }
        }
    }
}
