//! Update step of k-means: clusters move to the mean of their voxels.
//!
//! Sums are computed in `f32` and in row-major order within each cluster, as in scikit-image. Clusters are independent
//! and are distributed over threads.

use std::ops::Range;

use rayon::prelude::*;

use super::clusters::Clusters;
use super::problem::Problem;
use crate::labels::run_end;

/// Integers up to this one are exact in `f32`.
const EXACT: f32 = 16_777_216.0;

/// The range of labels in each row.
pub(super) type RowRanges = [Range<u32>];

/// Returns the range of a row's labels, without unassigned voxels.
pub(super) fn label_range(row: &[u32]) -> Range<u32> {
    let first = row.iter().fold(u32::MAX, |least, &label| least.min(label));
    let end = row.iter().fold(0, |most, &label| most.max(label.wrapping_add(1)));
    first..end
}

#[derive(Clone)]
struct Sum {
    voxels: usize,
    position: [f32; 3],
}

/// Moves the clusters marked in `changed` and returns which of them moved; one without voxels becomes inactive.
pub(super) fn move_to_means(
    problem: &Problem,
    clusters: &mut Clusters,
    labels: &[u32],
    rows: &RowRanges,
    changed: &[bool],
) -> Vec<bool> {
    let channels = problem.channels;
    let mut moved = vec![false; clusters.len()];
    let groups = groups(changed);
    let sums: Vec<(Vec<Sum>, Vec<f32>)> =
        groups.par_iter().map(|group| sum_group(problem, labels, rows, changed, group)).collect();
    for (group, (sums, colours)) in groups.into_iter().zip(sums) {
        for (index, cluster) in group.enumerate().filter(|(_, cluster)| changed[*cluster]) {
            let Sum { voxels, position } = sums[index].clone();
            let was_active = std::mem::replace(&mut clusters.active[cluster], voxels > 0);
            moved[cluster] = was_active != (voxels > 0);
            if voxels == 0 {
                continue;
            }
            let count = voxels as f32;
            let position = position.map(|sum| sum / count);
            moved[cluster] |= position != clusters.position[cluster];
            clusters.position[cluster] = position;
            let colours = &colours[index * channels..(index + 1) * channels];
            for (colour, sum) in clusters.colour[cluster * channels..].iter_mut().zip(colours) {
                moved[cluster] |= *colour != sum / count;
                *colour = sum / count;
            }
        }
    }
    moved
}

/// Groups the changed clusters by consecutive numbers, so that each group occurs in few rows.
fn groups(changed: &[bool]) -> Vec<Range<usize>> {
    let changed: Vec<usize> = (0..changed.len()).filter(|&cluster| changed[cluster]).collect();
    let size = changed.len().div_ceil(2 * rayon::current_num_threads()).max(1);
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

fn sum_group(
    problem: &Problem,
    labels: &[u32],
    rows: &RowRanges,
    changed: &[bool],
    group: &Range<usize>,
) -> (Vec<Sum>, Vec<f32>) {
    let [_, height, width] = problem.shape;
    let channels = problem.channels;
    let mut sums = vec![Sum { voxels: 0, position: [0.0; 3] }; group.len()];
    let mut colours = vec![0.0; group.len() * channels];
    for_each_run(problem, labels, rows, changed, group, |cluster, row, x| {
        let index = cluster - group.start;
        let sum = &mut sums[index];
        sum.voxels += x.len();
        add_equal(&mut sum.position[0], row / height, x.len());
        add_equal(&mut sum.position[1], row % height, x.len());
        add_ascending(&mut sum.position[2], x.clone());
        for channel in 0..channels {
            let first = channel * labels.len() + row * width;
            let colour = &mut colours[index * channels + channel];
            *colour =
                problem.image[first + x.start..first + x.end].iter().fold(*colour, |sum, value| sum + value);
        }
    });
    (sums, colours)
}

/// Adds `value` to the sum `times` times, rounding each time; a single addition if all of them are exact.
fn add_equal(sum: &mut f32, value: usize, times: usize) {
    let total = (value * times) as f32;
    if *sum + total < EXACT && value * times < EXACT as usize {
        *sum += total;
    } else {
        for _ in 0..times {
            *sum += value as f32;
        }
    }
}

/// Adds each number of the range to the sum, rounding each time; a single addition if all of them are exact.
fn add_ascending(sum: &mut f32, range: Range<usize>) {
    let total = (range.start + range.end - 1) * range.len() / 2;
    if *sum + (total as f32) < EXACT && total < EXACT as usize {
        *sum += total as f32;
    } else {
        for value in range {
            *sum += value as f32;
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
