//! Candidates of a tile: the clusters that may be nearest to one of its voxels.
//!
//! Clusters are narrowed down from a slab of planes to its bands of rows and to their tiles, first by search windows,
//! then by [`contenders`](super::contenders). Everything is inlined into the kernel and compiled for its instruction
//! set.

use std::ops::Range;

use super::clusters::Clusters;
use super::contenders::{Buffers, Contenders, Extent, Metric, retain};
use super::lanes::{LANES, Lanes};
use super::problem::{Problem, Window};

/// Size of a tile along z, y and x.
pub(super) const TILE: [usize; 3] = [8, 8, LANES];

/// A cluster that may be nearest to a voxel of a tile, with the terms of its distances.
pub(super) struct Candidate {
    pub(super) cluster: u32,
    pub(super) max_colour: f32,
    /// Mean of the first channel.
    pub(super) colour: f32,
    /// True if its window contains the whole tile.
    pub(super) covers: bool,
    /// Squared offset of the tile's voxels along each axis; infinite outside the window.
    pub(super) dz: [f32; TILE[0]],
    pub(super) dy: [f32; TILE[1]],
    pub(super) dx: [f32; TILE[2]],
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
    pub(super) metric: Metric,
}

impl SearchInput<'_> {
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
}

#[inline(always)]
fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

#[inline(always)]
fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The search for candidates, from a slab of planes to its bands of rows to their tiles. Buffers are reused.
#[derive(Default)]
pub(super) struct CandidateSearch {
    /// Clusters in reach of the slab, and whether their windows contain all its planes.
    slab: Vec<(u32, bool)>,
    /// Clusters in reach of the band.
    band: Contenders,
    /// Windows along x of the clusters in reach of the band, and 0 if they contain all its rows, else infinity.
    windows: Vec<[i32; 2]>,
    partial: Vec<f32>,
    /// Moved clusters whose boxes overlap the slab, and those of them that overlap the band.
    moved_in_slab: Vec<u32>,
    moved_in_band: Vec<u32>,
    tile: Contenders,
    kept: Vec<u32>,
    buffers: Buffers,
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
        for (cluster, window) in (0..).zip(input.windows) {
            if input.clusters.active[cluster as usize] && overlap(&window[0], z) {
                self.slab.push((cluster, contains(&window[0], z)));
            }
        }
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
        self.band.clear(input.channels);
        self.windows.clear();
        for &(cluster, covers) in &self.slab {
            let index = cluster as usize;
            let [_, window_y, window_x] = &input.windows[index];
            if overlap(window_y, y) {
                let covers = covers && contains(window_y, y);
                let colour = &input.clusters.colour[index * input.problem.channels..][..input.channels];
                self.band.push(
                    cluster,
                    input.clusters.position[index],
                    colour,
                    input.max_colour[index],
                    if covers { 0.0 } else { f32::INFINITY },
                );
                self.windows.push([window_x.start as i32, window_x.end as i32]);
            }
        }
        self.band.pad();
        self.windows.resize(self.band.absent.len(), [0; 2]);
        self.partial.clone_from(&self.band.partial);
        true
    }

    /// Fills `candidates` in ascending order for a tile of the band; returns false if the labels there are up to date.
    ///
    /// `range` is the smallest and largest intensity of each channel over the voxels of the tile.
    #[inline(always)]
    pub(super) fn enter_tile<L: Lanes, const CHANNELS: usize, const ZERO: bool>(
        &mut self,
        input: &SearchInput,
        [z, y, x]: &Window,
        range: &[[f32; 2]],
    ) -> bool {
        if !self.moved_in_band.iter().any(|&index| overlap(&input.moved[index as usize][2], x)) {
            return false;
        }
        let (start, end) = (x.start as i32, x.end as i32);
        let windows = self.windows.iter().zip(&self.partial);
        let marks = self.band.absent.iter_mut().zip(&mut self.band.partial);
        for ((&[low, high], &covers), (absent, partial)) in windows.zip(marks) {
            *absent = if (low < end) & (start < high) { 0.0 } else { f32::INFINITY };
            *partial = if (low <= start) & (end <= high) { covers } else { f32::INFINITY };
        }
        let extent = extent([z, y, x], range);
        self.kept.clear();
        retain::<L, CHANNELS, ZERO>(&self.band, &extent, &input.metric, &mut self.buffers, &mut self.kept);
        self.tile.clear(input.channels);
        self.candidates.clear();
        for &index in &self.kept {
            let index = index as usize;
            let cluster = self.band.cluster[index];
            self.tile.push_from(&self.band, index);
            self.candidates.push(Candidate {
                cluster,
                covers: self.band.partial[index] == 0.0,
                max_colour: input.max_colour[cluster as usize],
                colour: input.clusters.colour[cluster as usize * input.problem.channels],
                dz: input.offsets(0, z, cluster),
                dy: input.offsets(1, y, cluster),
                dx: input.offsets(2, x, cluster),
            });
        }
        self.tile.pad();
        true
    }

    /// Appends to `remaining` the indices of the candidates that may be nearest to a voxel of this block of the tile.
    #[inline(always)]
    pub(super) fn enter_block<L: Lanes, const CHANNELS: usize, const ZERO: bool>(
        &mut self,
        input: &SearchInput,
        [z, y, x]: &Window,
        range: &[[f32; 2]],
        remaining: &mut Vec<u32>,
    ) {
        let extent = extent([z, y, x], range);
        retain::<L, CHANNELS, ZERO>(&self.tile, &extent, &input.metric, &mut self.buffers, remaining);
    }
}

#[inline(always)]
fn extent<'a>(voxels: [&Range<usize>; 3], values: &'a [[f32; 2]]) -> Extent<'a> {
    Extent { voxels: voxels.map(|range| [range.start as f32, (range.end - 1) as f32]), values }
}

/// Splits `0..length` into ranges of at most `size`.
pub(super) fn pieces(length: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(size).map(move |start| start..(start + size).min(length))
}
