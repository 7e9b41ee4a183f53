//! Exclusion of clusters that are nearest to no voxel of a box of positions and intensities.
//!
//! The squared distances to two clusters differ by an affine function of position and intensity, since the squares
//! cancel. Its minimum over a box is the value at the centre less, for each axis, half the extent times the slope. A
//! cluster whose difference to another one, the pivot, is positive there loses every voxel of the box to the pivot.
//! This is the test by bisecting hyperplanes of k-means with k-d trees: Pelleg, D. and Moore, A., "Accelerating exact
//! k-means algorithms with geometric reasoning", KDD 1999, doi:10.1145/312129.312248.
//!
//! The labels depend on rounded distances. All terms of a distance are positive, so that its relative error is bounded
//! by the number of roundings; a cluster is excluded only by a margin that no rounding makes up for.

use super::lanes::{LANES, Lanes};
use super::problem::Problem;

/// Margin that covers distances so small that their squares are no longer normal numbers.
const TINY: f32 = 1e-28;

/// Clusters that may be nearest to a voxel, as a struct of arrays, in ascending order.
#[derive(Default)]
pub(super) struct Contenders {
    pub(super) cluster: Vec<u32>,
    /// Position along z, y and x.
    at: [Vec<f32>; 3],
    /// Mean of each channel.
    colour: Vec<Vec<f32>>,
    /// With SLIC-zero, the divisor of the intensity term.
    max_colour: Vec<f32>,
    /// 0 for a cluster whose window contains the whole box, else infinity: such a cluster is not a pivot.
    pub(super) partial: Vec<f32>,
    /// 0 for a cluster whose window overlaps the box, else infinity.
    pub(super) absent: Vec<f32>,
}

impl Contenders {
    pub(super) fn clear(&mut self, channels: usize) {
        self.cluster.clear();
        self.colour.resize_with(channels, Vec::new);
        let Contenders { at, colour, max_colour, partial, absent, .. } = self;
        at.iter_mut().chain(colour).chain([max_colour, partial, absent]).for_each(Vec::clear);
    }

    #[inline(always)]
    pub(super) fn push(&mut self, cluster: u32, at: [f32; 3], colour: &[f32], max_colour: f32, partial: f32) {
        self.cluster.push(cluster);
        self.at.iter_mut().zip(at).for_each(|(axis, at)| axis.push(at));
        self.colour.iter_mut().zip(colour).for_each(|(channel, &value)| channel.push(value));
        self.max_colour.push(max_colour);
        self.partial.push(partial);
        self.absent.push(0.0);
    }

    /// Appends a copy of contender `index` of `from`.
    #[inline(always)]
    pub(super) fn push_from(&mut self, from: &Contenders, index: usize) {
        self.cluster.push(from.cluster[index]);
        let ours =
            self.at.iter_mut().chain(&mut self.colour).chain([&mut self.max_colour, &mut self.partial]);
        let theirs = from.at.iter().chain(&from.colour).chain([&from.max_colour, &from.partial]);
        ours.zip(theirs).for_each(|(ours, theirs)| ours.push(theirs[index]));
        self.absent.push(0.0);
    }

    /// Returns the positions of a group along z, y and x.
    #[inline(always)]
    fn position<L: Lanes>(&self, group: usize) -> [L; 3] {
        [lanes(&self.at[0], group), lanes(&self.at[1], group), lanes(&self.at[2], group)]
    }

    /// Pads the arrays to whole groups with absent contenders.
    #[inline(always)]
    pub(super) fn pad(&mut self) {
        let length = self.cluster.len().next_multiple_of(LANES);
        let Contenders { at, colour, max_colour, partial, absent, .. } = self;
        at.iter_mut().chain(colour).for_each(|axis| axis.resize(length, 0.0));
        max_colour.resize(length, 1.0);
        partial.resize(length, f32::INFINITY);
        absent.resize(length, f32::INFINITY);
    }
}

/// A box of positions and intensities.
pub(super) struct Extent<'a> {
    /// First and last voxel along z, y and x.
    pub(super) voxels: [[f32; 2]; 3],
    /// Smallest and largest intensity of each channel.
    pub(super) values: &'a [[f32; 2]],
}

/// Factors of the distance.
#[derive(Clone, Copy)]
pub(super) struct Metric {
    /// Factor of the squared offset in voxels along z, y and x.
    axes: [f32; 3],
    /// Bound of the relative error of a comparison of two distances.
    slack: f32,
}

impl Metric {
    pub(super) fn new(problem: &Problem, channels: usize) -> Metric {
        let weight = problem.spatial_weight();
        // A distance takes at most 10 roundings and one a channel, as do the terms of the test. Over the box, both
        // distances and the slopes are at most four times those at the centre and the squared extent together.
        let roundings = 64.0 + 8.0 * channels as f32;
        Metric {
            axes: problem.spacing.map(|spacing| spacing * spacing * weight),
            slack: roundings * (f32::EPSILON / 2.0),
        }
    }
}

/// Buffers of the test.
#[derive(Default)]
pub(super) struct Buffers {
    /// Distance of each contender at the centre of the box; with SLIC-zero, with the smallest intensity term.
    centre: Vec<f32>,
    /// With SLIC-zero, the distance with the greatest intensity term.
    upper: Vec<f32>,
}

/// The smallest distance of each lane, and the group of its contender.
#[derive(Clone, Copy)]
struct Least<L> {
    distance: L,
    group: L,
}

impl<L: Lanes> Least<L> {
    #[inline(always)]
    fn update(&mut self, distance: L, group: L) {
        self.group = group.select(distance.less(self.distance), self.group);
        self.distance = distance.min(self.distance);
    }

    /// Returns the index of the contender with the smallest distance, or `None` if none is finite.
    #[inline(always)]
    fn contender(self) -> Option<usize> {
        let (least, lane) = self.distance.least();
        let group = self.group.store_bits()[lane] as usize;
        (least < f32::INFINITY).then_some(group * LANES + lane)
    }
}

/// Appends to `kept` the indices of the contenders that may be nearest to a voxel of the box.
///
/// Pivots are the nearest clusters at the centre of the box and at two opposite ends of its x and intensity axes, along
/// which boxes are long. With SLIC-zero, the intensity term is not the same function for all clusters: it is replaced by
/// its bounds, and there is one pivot.
#[inline(always)]
pub(super) fn retain<L: Lanes, const CHANNELS: usize, const ZERO: bool>(
    contenders: &Contenders,
    extent: &Extent,
    metric: &Metric,
    buffers: &mut Buffers,
    kept: &mut Vec<u32>,
) {
    let groups = contenders.absent.len() / LANES;
    let channels = if CHANNELS == usize::MAX { contenders.colour.len() } else { CHANNELS };
    let values = &extent.values[..channels];
    // No closures here and below: they are compiled without the instruction set unless they are inlined.
    let (mut centre, mut half, mut radius) = ([L::splat(0.0); 3], [0.0; 3], 0.0);
    let (mut factors, mut slopes) = ([L::splat(0.0); 3], [L::splat(0.0); 3]);
    for axis in 0..3 {
        let [first, last] = extent.voxels[axis];
        centre[axis] = L::splat((first + last) * 0.5);
        half[axis] = (last - first) * 0.5;
        radius += metric.axes[axis] * half[axis] * half[axis];
        factors[axis] = L::splat(metric.axes[axis]);
        slopes[axis] = L::splat(2.0 * metric.axes[axis] * half[axis]);
    }
    for &range in values {
        radius += half_width(range) * half_width(range);
    }
    let [z, y, x] = centre;
    let [kz, ky, kx] = factors;
    let [first, last] = [L::splat(extent.voxels[2][0]), L::splat(extent.voxels[2][1])];
    buffers.centre.resize(groups * LANES, 0.0);
    buffers.upper.resize(if ZERO { groups * LANES } else { 0 }, 0.0);

    let none = Least { distance: L::splat(f32::INFINITY), group: L::splat_bits(0) };
    let mut pivots = [none; 3];
    for group in 0..groups {
        let [az, ay, ax] = contenders.position::<L>(group);
        let partial = lanes::<L>(&contenders.partial, group);
        let plane = square(az.sub(z)).mul(kz).add(square(ay.sub(y)).mul(ky));
        let mut at_mid = plane.add(square(ax.sub(x)).mul(kx));
        let index = L::splat_bits(group as u32);
        if ZERO {
            let [mut least, mut greatest] = [L::splat(0.0); 2];
            for (colour, range) in contenders.colour.iter().zip(values) {
                let colour = lanes::<L>(colour, group);
                let [below, above] = [colour.sub(L::splat(range[0])), colour.sub(L::splat(range[1]))];
                // Below the range both are negative, above it both are positive.
                let outside = below.max(L::splat(0.0).sub(below)).min(above.max(L::splat(0.0).sub(above)));
                let inside = L::splat(0.0).less(below.mul(L::splat(0.0).sub(above)));
                least = least.add(square(L::splat(0.0).select(inside, outside)));
                greatest = greatest.add(square(below).max(square(above)));
            }
            let divisor = lanes::<L>(&contenders.max_colour, group);
            let upper = at_mid.add(greatest.div(divisor));
            upper.store(lanes_mut(&mut buffers.upper, group));
            pivots[0].update(upper.add(partial), index);
            at_mid = at_mid.add(least.div(divisor));
        } else {
            let mut at_low = plane.add(square(ax.sub(first)).mul(kx));
            let mut at_high = plane.add(square(ax.sub(last)).mul(kx));
            for (colour, &[low, high]) in contenders.colour.iter().zip(values) {
                let colour = lanes::<L>(colour, group);
                at_low = at_low.add(square(colour.sub(L::splat(low))));
                at_mid = at_mid.add(square(colour.sub(L::splat((low + high) * 0.5))));
                at_high = at_high.add(square(colour.sub(L::splat(high))));
            }
            for (pivot, distance) in pivots.iter_mut().zip([at_mid, at_low, at_high]) {
                pivot.update(distance.add(partial), index);
            }
        }
        at_mid.store(lanes_mut(&mut buffers.centre, group));
    }

    let slack = metric.slack;
    let pivots = [pivots[0].contender(), pivots[1].contender(), pivots[2].contender()];
    let distances = if ZERO { &buffers.upper } else { &buffers.centre };
    for group in 0..groups {
        let at = contenders.position::<L>(group);
        let centre = lanes::<L>(&buffers.centre, group).mul(L::splat(1.0 - slack));
        let mut lost = L::bits(L::splat(0.0).less(lanes(&contenders.absent, group)));
        for (rank, pivot) in pivots.iter().enumerate() {
            let Some(pivot) = *pivot else { continue };
            if pivots[..rank].contains(&Some(pivot)) {
                continue;
            }
            let bound = distances[pivot] * (1.0 + slack) + 2.0 * slack * radius + TINY;
            let mut slope = L::splat(0.0);
            for axis in 0..3 {
                let offset = at[axis].sub(L::splat(contenders.at[axis][pivot])).abs();
                slope = slope.add(offset.mul(slopes[axis]));
            }
            if !ZERO {
                for (colour, &range) in contenders.colour.iter().zip(values) {
                    let offset = lanes::<L>(colour, group).sub(L::splat(colour[pivot])).abs();
                    slope = slope.add(offset.mul(L::splat(2.0 * half_width(range))));
                }
            }
            lost |= L::bits(L::splat(bound).less(centre.sub(slope)));
        }
        let mut remaining = !lost & 0xffff;
        while remaining != 0 {
            kept.push((group * LANES) as u32 + remaining.trailing_zeros());
            remaining &= remaining - 1;
        }
    }
}

/// Returns the larger distance of an end of the range to the middle.
#[inline(always)]
fn half_width([low, high]: [f32; 2]) -> f32 {
    let middle = (low + high) * 0.5;
    if high - middle > middle - low { high - middle } else { middle - low }
}

#[inline(always)]
fn square<L: Lanes>(value: L) -> L {
    value.mul(value)
}

#[inline(always)]
fn lanes<L: Lanes>(values: &[f32], group: usize) -> L {
    L::load(&values.as_chunks::<LANES>().0[group])
}

#[inline(always)]
fn lanes_mut(values: &mut [f32], group: usize) -> &mut [f32; LANES] {
    &mut values.as_chunks_mut::<LANES>().0[group]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_range_reaches_both_ends_from_the_middle() {
        assert_eq!(half_width([2.0, 6.0]), 2.0);
        assert_eq!(half_width([-3.0, 1.0]), 2.0);
        assert_eq!(half_width([7.0, 7.0]), 0.0);
    }
}
