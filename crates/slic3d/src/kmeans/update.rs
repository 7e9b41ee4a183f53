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

/// Which means are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Position,
    PositionAndColour,
}

/// Sums over the voxels of a group of clusters.
struct Sums {
    voxels: Vec<u32>,
    /// Sum of the position along z, y and x and of the first channel, which are added by one instruction.
    first: Vec<[f32; 4]>,
    /// Sum of each other channel, cluster by cluster.
    other: Vec<f32>,
}

/// Moves the clusters marked in `changed` and returns which of them moved; one without voxels becomes inactive.
pub(super) fn move_to_means(
    problem: &Problem,
    clusters: &mut Clusters,
    labels: &[u32],
    rows: &RowRanges,
    changed: &[bool],
    means: Means,
) -> Vec<bool> {
    let channels = problem.channels;
    let mut moved = vec![false; clusters.len()];
    let groups = groups(changed);
    let sums: Vec<Sums> = groups
        .par_iter()
        .map(|group| match means {
            Means::Position => sum_group::<false>(problem, labels, rows, changed, group),
            Means::PositionAndColour => sum_group::<true>(problem, labels, rows, changed, group),
        })
        .collect();
    for (group, sums) in groups.into_iter().zip(sums) {
        for (index, cluster) in group.enumerate().filter(|(_, cluster)| changed[*cluster]) {
            let voxels = sums.voxels[index];
            let was_active = std::mem::replace(&mut clusters.active[cluster], voxels > 0);
            moved[cluster] = was_active != (voxels > 0);
            if voxels == 0 {
                continue;
            }
            let count = voxels as f32;
            let [z, y, x, colour] = sums.first[index].map(|sum| sum / count);
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

/// Number of labels that are compared at once.
const LANES: usize = 16;

/// With more runs of equal labels than this among [`LANES`], each voxel is added by itself.
const FEW_RUNS: u32 = 4;

/// Returns one bit for each lane that ends a run of equal labels, the first lane lowest.
#[inline(always)]
fn run_ends(labels: &[u32; LANES]) -> u32 {
    let ends = |lane: usize| u32::from(labels[lane] != labels[lane + 1]) << lane;
    (0..LANES - 1).fold(1 << (LANES - 1), |bits, lane| bits | ends(lane))
}

fn sum_group<const COLOUR: bool>(
    problem: &Problem,
    labels: &[u32],
    rows: &RowRanges,
    changed: &[bool],
    group: &Range<usize>,
) -> Sums {
    let [_, height, width] = problem.shape;
    // All other labels are summed too, into slots that are dropped: a branch would be mispredicted where labels are
    // noisy. There are several such slots, since additions to the same one wait for each other.
    let spare = group.len() as u32;
    let mut slots = vec![spare; changed.len() + 1];
    for cluster in group.clone().filter(|&cluster| changed[cluster]) {
        slots[cluster] = (cluster - group.start) as u32;
    }
    let length = group.len() + LANES;
    let channels = if COLOUR { problem.channels } else { 1 };
    let mut sums = Sums {
        voxels: vec![0; length],
        first: vec![[0.0; 4]; length],
        other: vec![0.0; length * (channels - 1)],
    };
    for (row, range) in rows.iter().enumerate() {
        if range.start as usize >= group.end || range.end as usize <= group.start {
            continue;
        }
        let at = [row / height, row % height];
        let labels = &labels[row * width..(row + 1) * width];
        for (chunk, labels) in labels.chunks(LANES).enumerate() {
            let x = chunk * LANES;
            let values = COLOUR.then(|| &problem.image[row * width + x..][..labels.len()]);
            let slot = |label: u32| slots[(label as usize).min(slots.len() - 1)];
            match <&[u32; LANES]>::try_from(labels) {
                Ok(labels) if run_ends(labels).count_ones() > FEW_RUNS => {
                    sums.add_each(labels.map(slot), spare, at, x, values);
                }
                whole => {
                    let mut ends = whole.map_or(u32::MAX, run_ends);
                    let mut start = 0;
                    while start < labels.len() {
                        let end = ends.trailing_zeros() as usize + 1;
                        ends &= ends.wrapping_sub(1);
                        let slot = slot(labels[start]);
                        if slot != spare {
                            sums.add_run(
                                slot as usize,
                                at,
                                x + start..x + end,
                                values.map(|v| &v[start..end]),
                            );
                        }
                        start = end;
                    }
                }
            }
            for channel in 1..channels {
                let first = channel * problem.voxels() + row * width + x;
                let values = &problem.image[first..][..labels.len()];
                for ((lane, &label), value) in (0..).zip(labels).zip(values) {
                    let slot = slot(label);
                    let slot = if slot == spare { slot + lane } else { slot };
                    sums.other[slot as usize * (channels - 1) + channel - 1] += value;
                }
            }
        }
    }
    sums
}

impl Sums {
    /// Adds voxels `x` of row `[z, y]` to a cluster.
    #[inline(always)]
    fn add_run(&mut self, slot: usize, at: [usize; 2], x: Range<usize>, values: Option<&[f32]>) {
        self.voxels[slot] += x.len() as u32;
        let [z, y, position, colour] = &mut self.first[slot];
        add_equal(z, at[0], x.len());
        add_equal(y, at[1], x.len());
        add_ascending(position, x);
        if let Some(values) = values {
            // Adding zeros changes nothing: background is not worth a chain of additions.
            if values.iter().fold(0, |any, value| any | value.to_bits()) != 0 {
                *colour = values.iter().fold(*colour, |sum, value| sum + value);
            }
        }
    }

    /// Adds each voxel from `x` of row `[z, y]` to the cluster of its slot.
    #[inline(always)]
    fn add_each(
        &mut self,
        slots: [u32; LANES],
        spare: u32,
        at: [usize; 2],
        x: usize,
        values: Option<&[f32]>,
    ) {
        let mut colours = [0.0; LANES];
        if let Some(values) = values {
            colours.copy_from_slice(values);
        }
        let mut point = [at[0] as f32, at[1] as f32, x as f32, 0.0];
        for lane in 0..LANES {
            let slot = slots[lane] + if slots[lane] == spare { lane as u32 } else { 0 };
            point[3] = colours[lane];
            self.voxels[slot as usize] += 1;
            let sum = &mut self.first[slot as usize];
            *sum = [sum[0] + point[0], sum[1] + point[1], sum[2] + point[2], sum[3] + point[3]];
            point[2] += 1.0;
        }
    }
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
