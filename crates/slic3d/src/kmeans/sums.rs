//! Sums of the positions and intensities of the voxels of clusters, in `f32` and in row-major order within each cluster.

use std::ops::Range;

use super::label_ranges::RowRanges;
use super::problem::Problem;

/// Integers up to this one are exact in `f32`.
const EXACT: f32 = 16_777_216.0;

/// Sums over the voxels of a group of clusters.
pub(super) struct Sums {
    pub(super) voxels: Vec<u32>,
    /// Sum of the position along z, y and x and of the first channel, which are added by one instruction.
    pub(super) first: Vec<[f32; 4]>,
    /// Sum of each other channel, cluster by cluster.
    pub(super) other: Vec<f32>,
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

/// Sums the voxels of the clusters of `group` that `changed` marks; intensities only with `COLOUR`.
pub(super) fn sum_group<const COLOUR: bool>(
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
