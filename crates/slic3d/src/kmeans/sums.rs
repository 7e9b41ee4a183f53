//! Sums of the positions and intensities of the voxels of clusters, in `f32` and in row-major order within each cluster.

use std::ops::Range;

use super::label_ranges::RowRanges;
use super::problem::Problem;

/// Integers up to this one are exact in `f32`.
pub(super) const EXACT: f32 = 16_777_216.0;

/// Sums over the voxels of a group of clusters.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) clusters: Vec<Cluster>,
    /// Sum of each other channel, cluster by cluster.
    pub(super) other: Vec<f32>,
    /// Number of times that [`LANES`] voxels were added one by one.
    pub(super) noisy: usize,
}

/// Sums over the voxels of a cluster, in half a line of the cache.
#[derive(Clone, Copy, Default)]
#[repr(align(32))]
pub(super) struct Cluster {
    /// Sum of the position along z, y and x and of the first channel, which are added by one instruction.
    pub(super) first: [f32; 4],
    pub(super) voxels: u32,
}

/// Number of labels that are compared at once.
pub(super) const LANES: usize = 16;

/// With more runs of equal labels than this among [`LANES`], each voxel is added by itself.
const FEW_RUNS: u32 = 3;

/// Returns one bit for each lane that ends a run of equal labels, the first lane lowest.
#[inline(always)]
fn run_ends(labels: &[u32; LANES]) -> u32 {
    let ends = |lane: usize| u32::from(labels[lane] != labels[lane + 1]) << lane;
    (0..LANES - 1).fold(1 << (LANES - 1), |bits, lane| bits | ends(lane))
}

/// Consecutive clusters, of which some are summed.
pub(super) struct Group {
    pub(super) clusters: Range<usize>,
    /// The slot of each label's sums; that after the group's for all other labels.
    slots: Vec<u32>,
}

impl Group {
    /// Returns a group whose clusters marked in `changed` are summed; the sums of its others mean nothing.
    pub(super) fn new(clusters: Range<usize>, changed: &[bool]) -> Group {
        let mut slots = vec![clusters.len() as u32; changed.len() + 1];
        for cluster in clusters.clone().filter(|&cluster| changed[cluster]) {
            slots[cluster] = (cluster - clusters.start) as u32;
        }
        Group { clusters, slots }
    }

    /// Returns the first slot of labels that are not summed.
    fn spare(&self) -> u32 {
        self.clusters.len() as u32
    }

    #[inline(always)]
    fn slot(&self, label: u32) -> u32 {
        self.slots[(label as usize).min(self.slots.len() - 1)]
    }
}

impl Sums {
    /// Returns sums of positions alone.
    pub(super) fn of(clusters: Vec<Cluster>) -> Sums {
        Sums { clusters, other: Vec::new(), noisy: 0 }
    }

    pub(super) fn new(group: &Group, channels: usize) -> Sums {
        let slots = group.clusters.len() + LANES;
        Sums { clusters: vec![Cluster::default(); slots], other: vec![0.0; slots * (channels - 1)], noisy: 0 }
    }

    /// Adds the voxels of some rows, of which `first` is the first one, to the group's clusters; intensities only with
    /// `COLOUR`. Rows whose range of labels misses the group are skipped.
    pub(super) fn add<const COLOUR: bool>(
        &mut self,
        problem: &Problem,
        group: &Group,
        first: usize,
        labels: &[u32],
        ranges: Option<&RowRanges>,
    ) {
        let [_, height, width] = problem.shape;
        let Range { start, end } = group.clusters;
        for (index, labels) in labels.chunks_exact(width).enumerate() {
            if let Some(range) = ranges.map(|ranges| &ranges[index])
                && (range.start as usize >= end || range.end as usize <= start)
            {
                continue;
            }
            let row = first + index;
            let at = [row / height, row % height];
            for (chunk, labels) in labels.chunks(LANES).enumerate() {
                let x = chunk * LANES;
                let values = COLOUR.then(|| &problem.image[row * width + x..][..labels.len()]);
                match <&[u32; LANES]>::try_from(labels) {
                    Ok(labels) if run_ends(labels).count_ones() > FEW_RUNS => {
                        self.noisy += 1;
                        self.add_each(group, labels, at, x, values);
                    }
                    whole => {
                        let ends = whole.map_or(u32::MAX, run_ends);
                        self.add_runs(group, labels, ends, at, x, values);
                    }
                }
                if COLOUR && problem.channels > 1 {
                    self.add_other_channels(problem, group, labels, row * width + x);
                }
            }
        }
    }

    /// Adds some voxels from `x` of row `[z, y]` run by run of equal labels, whose ends `ends` marks.
    #[inline(always)]
    fn add_runs(
        &mut self,
        group: &Group,
        labels: &[u32],
        mut ends: u32,
        at: [usize; 2],
        x: usize,
        values: Option<&[f32]>,
    ) {
        let mut start = 0;
        while start < labels.len() {
            let end = ends.trailing_zeros() as usize + 1;
            ends &= ends.wrapping_sub(1);
            let slot = group.slot(labels[start]);
            if slot != group.spare() {
                let values = values.map(|values| &values[start..end]);
                self.add_run(slot as usize, at, x + start..x + end, values);
            }
            start = end;
        }
    }

    /// Adds voxels `x` of row `[z, y]` to a cluster.
    #[inline(always)]
    fn add_run(&mut self, slot: usize, at: [usize; 2], x: Range<usize>, values: Option<&[f32]>) {
        let Cluster { first: [z, y, position, colour], voxels } = &mut self.clusters[slot];
        *voxels += x.len() as u32;
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

    /// Adds each of some voxels from `x` of row `[z, y]`, those of unchanged clusters too.
    ///
    /// Voxels of other groups are added into slots that are dropped: a branch would be mispredicted where labels are noisy.
    /// There are several such slots, since additions to the same one wait for each other.
    #[inline(always)]
    fn add_each(
        &mut self,
        group: &Group,
        labels: &[u32; LANES],
        at: [usize; 2],
        x: usize,
        values: Option<&[f32]>,
    ) {
        let mut slots = [0; LANES];
        for lane in 0..LANES {
            let slot = labels[lane].wrapping_sub(group.clusters.start as u32);
            slots[lane] = if slot < group.spare() { slot } else { group.spare() + lane as u32 };
        }
        let mut colours = [0.0; LANES];
        if let Some(values) = values {
            colours.copy_from_slice(values);
        }
        let mut point = [at[0] as f32, at[1] as f32, x as f32, 0.0];
        for lane in 0..LANES {
            point[3] = colours[lane];
            let Cluster { first: sum, voxels } = &mut self.clusters[slots[lane] as usize];
            *voxels += 1;
            *sum = [sum[0] + point[0], sum[1] + point[1], sum[2] + point[2], sum[3] + point[3]];
            point[2] += 1.0;
        }
    }

    /// Adds the channels after the first one of some voxels, of which `first` is the first one.
    fn add_other_channels(&mut self, problem: &Problem, group: &Group, labels: &[u32], first: usize) {
        let others = problem.channels - 1;
        for other in 0..others {
            let values = &problem.image[(other + 1) * problem.voxels() + first..][..labels.len()];
            for ((lane, &label), value) in (0..).zip(labels).zip(values) {
                let slot = group.slot(label);
                let slot = if slot == group.spare() { slot + lane } else { slot };
                self.other[slot as usize * others + other] += value;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Sums below, at and above the limit up to which integers are exact.
    const SUMS: [f32; 7] = [0.0, 1000.0, 16_776_000.0, 16_777_215.0, EXACT, 16_777_220.0, 3.0e7];

    fn one_by_one(mut sum: f32, values: impl Iterator<Item = usize>) -> f32 {
        values.for_each(|value| sum += value as f32);
        sum
    }

    #[test]
    fn a_repeated_value_is_rounded_as_often_as_it_is_added() {
        for start in SUMS {
            for value in [0, 1, 3, 255, 4097] {
                for times in [1, 2, 15, 16, 500, 5000] {
                    let mut sum = start;
                    add_equal(&mut sum, value, times);
                    assert_eq!(
                        sum,
                        one_by_one(start, std::iter::repeat_n(value, times)),
                        "{start} {value} {times}"
                    );
                }
            }
        }
    }

    #[test]
    fn ascending_values_are_rounded_as_often_as_they_are_added() {
        for start in SUMS {
            for first in [0, 1, 255, 4097] {
                for length in [1, 2, 15, 16, 500, 8000] {
                    let mut sum = start;
                    add_ascending(&mut sum, first..first + length);
                    assert_eq!(sum, one_by_one(start, first..first + length), "{start} {first} {length}");
                }
            }
        }
    }
}
