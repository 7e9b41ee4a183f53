//! Candidates of a tile: the clusters that may be nearest to one of its voxels.
//!
//! Rounding is monotone, so that the distance computed from the smallest (largest) value of each term is a lower
//! (upper) bound of every distance computed in the tile. A cluster whose lower bound exceeds the upper bound of another
//! cluster is nearest to no voxel of the tile.
//!
//! Everything is inlined into the kernel and compiled for its instruction set.

use std::ops::Range;

use super::clusters::Clusters;
use super::problem::{Problem, Window};

/// Size of a tile along z, y and x.
pub(super) const TILE: [usize; 3] = [8, 8, 16];

/// A cluster in reach of a slab or band, with bounds of its squared offset along the axes narrowed so far.
#[derive(Clone, Copy)]
struct Nearby {
    cluster: u32,
    least: f32,
    greatest: f32,
    /// Whether its window contains the whole slab or band.
    covers: bool,
}

/// The clusters in reach of a band, as a struct of arrays.
#[derive(Default)]
struct Band {
    cluster: Vec<u32>,
    centre: Vec<f32>,
    window: Vec<[i32; 2]>,
    least: Vec<f32>,
    /// Infinite if the window does not contain the whole band.
    greatest: Vec<f32>,
    /// Bounds of the spatial distance in the tile; infinite if there is no bound.
    lower: Vec<f32>,
    upper: Vec<f32>,
}

/// A cluster that may be nearest to a voxel of a tile, with the terms of its distances.
pub(super) struct Candidate {
    pub(super) cluster: u32,
    pub(super) max_colour: f32,
    /// Whether its window contains the whole tile.
    pub(super) covers: bool,
    /// Squared offset of the tile's voxels along each axis; infinite outside the window.
    pub(super) dz: [f32; TILE[0]],
    pub(super) dy: [f32; TILE[1]],
    pub(super) dx: [f32; TILE[2]],
    /// Smallest and largest of `dx` in the tile.
    pub(super) dx_bounds: [f32; 2],
    /// Bounds of the intensity term of the distance.
    pub(super) colour_bounds: [f32; 2],
}

/// Input of the search for candidates.
pub(super) struct SearchInput<'a> {
    pub(super) problem: &'a Problem<'a>,
    pub(super) clusters: &'a Clusters,
    pub(super) windows: &'a [Window],
    pub(super) max_colour: &'a [f32],
    /// For each cluster that moved since labels were last assigned, the box around its previous and its current window.
    /// Outside these boxes labels are up to date.
    pub(super) moved: &'a [Window],
    /// Number of channels in the distance: all or 0.
    pub(super) channels: usize,
}

impl SearchInput<'_> {
    /// Returns the squared offset between a cluster and the voxel `at` along `axis`.
    #[inline(always)]
    fn offset(&self, axis: usize, cluster: u32, at: usize) -> f32 {
        let centre = self.clusters.position[cluster as usize][axis];
        let difference = self.problem.spacing[axis] * (centre - at as f32);
        difference * difference
    }

    /// Adds the bounds along `axis` over `span`, or returns `None` if the cluster's window does not overlap the span.
    #[inline(always)]
    fn narrow(&self, axis: usize, span: &Range<usize>, near: Nearby) -> Option<Nearby> {
        let window = &self.windows[near.cluster as usize][axis];
        if !overlap(window, span) {
            return None;
        }
        let centre = self.clusters.position[near.cluster as usize][axis];
        let first = self.offset(axis, near.cluster, span.start);
        let last = self.offset(axis, near.cluster, span.end - 1);
        let inside = centre >= span.start as f32 && centre <= (span.end - 1) as f32;
        Some(Nearby {
            cluster: near.cluster,
            least: near.least + if inside { 0.0 } else { first.min(last) },
            greatest: near.greatest + first.max(last),
            covers: near.covers && window.start <= span.start && span.end <= window.end,
        })
    }

    /// Returns the squared offsets between a cluster and the voxels of `span` along `axis`, infinite outside its
    /// window.
    #[inline(always)]
    fn offsets<const N: usize>(&self, axis: usize, span: &Range<usize>, cluster: u32) -> [f32; N] {
        let centre = self.clusters.position[cluster as usize][axis];
        let spacing = self.problem.spacing[axis];
        let window = &self.windows[cluster as usize][axis];
        let (low, high) = (window.start as i32, window.end.min(span.end) as i32);
        let mut offsets = [0.0; N];
        for (at, offset) in (span.start as i32..).zip(&mut offsets) {
            let difference = spacing * (centre - at as f32);
            *offset = if at >= low && at < high { difference * difference } else { f32::INFINITY };
        }
        offsets
    }

    /// Returns bounds of the intensity term, given the smallest and largest intensity of each channel.
    #[inline(always)]
    fn colour_bounds(&self, cluster: u32, range: &[[f32; 2]]) -> [f32; 2] {
        if self.channels == 0 {
            return [0.0; 2];
        }
        let cluster = cluster as usize;
        let colours = &self.clusters.colour[cluster * self.channels..(cluster + 1) * self.channels];
        let (mut least, mut greatest) = (0.0_f32, 0.0_f32);
        for (&colour, &[low, high]) in colours.iter().zip(range) {
            let (below, above) = (low - colour, high - colour);
            let (below, above, outside) = (below * below, above * above, colour < low || colour > high);
            least += if outside { below.min(above) } else { 0.0 };
            greatest += below.max(above);
        }
        if self.problem.slic_zero {
            least /= self.max_colour[cluster];
            greatest /= self.max_colour[cluster];
        }
        [least, greatest]
    }
}

#[inline(always)]
fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

impl Band {
    #[inline(always)]
    fn clear(&mut self) {
        let Band { cluster, centre, window, least, greatest, lower, upper } = self;
        cluster.clear();
        window.clear();
        [centre, least, greatest, lower, upper].into_iter().for_each(Vec::clear);
    }

    #[inline(always)]
    fn push(&mut self, input: &SearchInput, near: Nearby) {
        let window = &input.windows[near.cluster as usize][2];
        self.cluster.push(near.cluster);
        self.centre.push(input.clusters.position[near.cluster as usize][2]);
        self.window.push([window.start as i32, window.end as i32]);
        self.least.push(near.least);
        self.greatest.push(if near.covers { near.greatest } else { f32::INFINITY });
        self.lower.push(f32::INFINITY);
        self.upper.push(f32::INFINITY);
    }

    /// Computes the bounds of the spatial distance for the voxels `x`, and returns the index of the smallest upper
    /// bound.
    #[inline(always)]
    fn bound(&mut self, x: &Range<usize>, spacing: f32, weight: f32) -> usize {
        let (start, end) = (x.start as i32, x.end as i32);
        let (first_x, last_x) = (x.start as f32, (x.end - 1) as f32);
        let count = self.cluster.len();
        let (centre, window) = (&self.centre[..count], &self.window[..count]);
        let (least, greatest) = (&self.least[..count], &self.greatest[..count]);
        let (lower, upper) = (&mut self.lower[..count], &mut self.upper[..count]);
        for i in 0..count {
            let (first, last) = (spacing * (centre[i] - first_x), spacing * (centre[i] - last_x));
            let (first, last) = (first * first, last * last);
            let (less, more) = if first < last { (first, last) } else { (last, first) };
            let inside = (centre[i] >= first_x) & (centre[i] <= last_x);
            let [low, high] = window[i];
            let near = (least[i] + if inside { 0.0 } else { less }) * weight;
            let far = (greatest[i] + more) * weight;
            lower[i] = if (low < end) & (start < high) { near } else { f32::INFINITY };
            upper[i] = if (low <= start) & (end <= high) { far } else { f32::INFINITY };
        }
        let mut best = 0;
        for (index, &bound) in upper.iter().enumerate() {
            if bound < upper[best] {
                best = index;
            }
        }
        best
    }
}

/// The search for candidates, from a slab of planes to its bands of rows to their tiles. Buffers are reused.
#[derive(Default)]
pub(super) struct CandidateSearch {
    slab: Vec<Nearby>,
    band: Band,
    /// Moved clusters whose boxes overlap the slab, and those of them that overlap the band.
    moved_in_slab: Vec<u32>,
    moved_in_band: Vec<u32>,
    /// Index in the band, and bounds of the intensity term.
    tile: Vec<(u32, [f32; 2])>,
    pub(super) candidates: Vec<Candidate>,
}

impl CandidateSearch {
    /// Enters the planes `z`; returns false if the labels there are up to date.
    #[inline(always)]
    pub(super) fn enter_slab(&mut self, input: &SearchInput, z: &Range<usize>) -> bool {
        self.moved_in_slab.clear();
        let moved = (0..).zip(input.moved).filter(|(_, window)| overlap(&window[0], z));
        self.moved_in_slab.extend(moved.map(|(index, _)| index));
        if self.moved_in_slab.is_empty() {
            return false;
        }
        self.slab.clear();
        let active =
            (0..input.clusters.len() as u32).filter(|&cluster| input.clusters.active[cluster as usize]);
        let start = |cluster| Nearby { cluster, least: 0.0, greatest: 0.0, covers: true };
        self.slab.extend(active.filter_map(|cluster| input.narrow(0, z, start(cluster))));
        true
    }

    /// Enters the rows `y` of the slab; returns false if the labels there are up to date.
    #[inline(always)]
    pub(super) fn enter_band(&mut self, input: &SearchInput, y: &Range<usize>) -> bool {
        self.moved_in_band.clear();
        let moved = self.moved_in_slab.iter().filter(|&&index| overlap(&input.moved[index as usize][1], y));
        self.moved_in_band.extend(moved);
        if self.moved_in_band.is_empty() {
            return false;
        }
        self.band.clear();
        for near in self.slab.iter().filter_map(|&near| input.narrow(1, y, near)) {
            self.band.push(input, near);
        }
        true
    }

    /// Fills `candidates` in ascending order for a tile of the band; returns false if the labels there are up to date.
    ///
    /// `range` is the smallest and largest intensity of each channel over the voxels of the tile.
    #[inline(always)]
    pub(super) fn enter_tile(
        &mut self,
        input: &SearchInput,
        [z, y, x]: &[Range<usize>; 3],
        range: &[[f32; 2]],
    ) -> bool {
        if !self.moved_in_band.iter().any(|&index| overlap(&input.moved[index as usize][2], x)) {
            return false;
        }
        self.candidates.clear();
        let band = &mut self.band;
        if band.cluster.is_empty() {
            return true;
        }
        let best = band.bound(x, input.problem.spacing[2], input.problem.spatial_weight());
        // Intensities are compared only for clusters that the spatial bounds do not exclude.
        let mut bound = band.upper[best] + input.colour_bounds(band.cluster[best], range)[1];
        self.tile.clear();
        for index in 0..band.cluster.len() {
            if band.lower[index] <= bound && band.lower[index] < f32::INFINITY {
                let colour = input.colour_bounds(band.cluster[index], range);
                bound = bound.min(band.upper[index] + colour[1]);
                self.tile.push((index as u32, colour));
            }
        }
        for &(index, colour_bounds) in &self.tile {
            let index = index as usize;
            if band.lower[index] + colour_bounds[0] > bound {
                continue;
            }
            let cluster = band.cluster[index];
            let dx = input.offsets(2, x, cluster);
            self.candidates.push(Candidate {
                cluster,
                covers: band.upper[index] < f32::INFINITY,
                max_colour: input.max_colour[cluster as usize],
                dz: input.offsets(0, z, cluster),
                dy: input.offsets(1, y, cluster),
                dx_bounds: bounds(&dx[..x.len()]),
                dx,
                colour_bounds,
            });
        }
        true
    }
}

/// Returns the smallest and the largest value.
#[inline(always)]
fn bounds(values: &[f32]) -> [f32; 2] {
    let low = values.iter().fold(f32::INFINITY, |low, &value| if value < low { value } else { low });
    let high = values.iter().fold(0.0, |high, &value| if value > high { value } else { high });
    [low, high]
}

/// Splits `0..length` into ranges of at most `size`.
pub(super) fn pieces(length: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(size).map(move |start| start..(start + size).min(length))
}
