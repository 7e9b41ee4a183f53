//! Which clusters can win a tile of voxels: all others are left out before any voxel is looked at.
//!
//! Rounding is monotone, so the distance computed from the least (greatest) of each term is a bound below (above) on every
//! distance computed in the tile. A cluster whose lower bound exceeds another's upper bound wins no voxel there.

use std::ops::Range;

use super::{Clusters, Problem};

/// Most voxels of a tile along z, y and x.
pub(crate) const TILE: [usize; 3] = [4, 8, 16];

/// A cluster in reach of a slab, band or tile, with bounds on its squared offset along one axis after another.
#[derive(Clone, Copy)]
struct Near {
    cluster: u32,
    least: f32,
    greatest: f32,
    /// Its window holds all of the slab, band or tile.
    covers: bool,
}

/// A cluster that may win voxels of a tile, with all that its distances need.
pub(crate) struct Contender {
    pub(crate) cluster: u32,
    pub(crate) widest: f32,
    /// Its window holds all of the tile.
    pub(crate) covers: bool,
    /// Squared offsets along each axis from the tile's voxels; infinite outside the window.
    pub(crate) dz: [f32; TILE[0]],
    pub(crate) dy: [f32; TILE[1]],
    pub(crate) dx: [f32; TILE[2]],
}

/// What the search for contenders reads.
pub(crate) struct Field<'a> {
    pub(crate) problem: &'a Problem<'a>,
    pub(crate) clusters: &'a Clusters,
    pub(crate) windows: &'a [[Range<usize>; 3]],
    pub(crate) widest: &'a [f32],
    /// Clusters that are not where they were when the labels were last assigned.
    pub(crate) moved: &'a [bool],
    /// Channels that count towards the distance: all or none.
    pub(crate) channels: usize,
}

impl Field<'_> {
    fn offset(&self, axis: usize, cluster: u32, at: usize) -> f32 {
        let centre = self.clusters.position[cluster as usize][axis];
        let difference = self.problem.spacing[axis] * (centre - at as f32);
        difference * difference
    }

    /// Adds the bounds along `axis` over `span` for a cluster, if its window reaches the span.
    fn narrow(&self, axis: usize, span: &Range<usize>, near: Near) -> Option<Near> {
        let window = &self.windows[near.cluster as usize][axis];
        if window.start >= span.end || span.start >= window.end {
            return None;
        }
        let centre = self.clusters.position[near.cluster as usize][axis];
        let first = self.offset(axis, near.cluster, span.start);
        let last = self.offset(axis, near.cluster, span.end - 1);
        let inside = centre >= span.start as f32 && centre <= (span.end - 1) as f32;
        Some(Near {
            cluster: near.cluster,
            least: near.least + if inside { 0.0 } else { first.min(last) },
            greatest: near.greatest + first.max(last),
            covers: near.covers && window.start <= span.start && span.end <= window.end,
        })
    }

    fn offsets<const N: usize>(&self, axis: usize, span: &Range<usize>, cluster: u32) -> [f32; N] {
        let window = &self.windows[cluster as usize][axis];
        std::array::from_fn(|i| {
            let at = span.start + i;
            if at < span.end && window.contains(&at) { self.offset(axis, cluster, at) } else { f32::INFINITY }
        })
    }

    /// Bounds on the squared colour difference, given the least and greatest value of each channel.
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
            least /= self.widest[cluster];
            greatest /= self.widest[cluster];
        }
        [least, greatest]
    }
}

/// The search from a slab of planes down to its tiles; buffers are kept between tiles.
#[derive(Default)]
pub(crate) struct Search {
    slab: Vec<Near>,
    band: Vec<Near>,
    tile: Vec<(u32, bool, f32)>,
    pub(crate) contenders: Vec<Contender>,
}

impl Search {
    /// Takes up the planes `z`; false where no cluster in reach has moved.
    pub(crate) fn enter_slab(&mut self, field: &Field, z: &Range<usize>) -> bool {
        self.slab.clear();
        let alive =
            (0..field.clusters.len() as u32).filter(|&cluster| field.clusters.alive[cluster as usize]);
        let start = |cluster| Near { cluster, least: 0.0, greatest: 0.0, covers: true };
        self.slab.extend(alive.filter_map(|cluster| field.narrow(0, z, start(cluster))));
        self.slab.iter().any(|near| field.moved[near.cluster as usize])
    }

    /// Takes up the rows `y` of the slab; false where no cluster in reach has moved.
    pub(crate) fn enter_band(&mut self, field: &Field, y: &Range<usize>) -> bool {
        self.band.clear();
        self.band.extend(self.slab.iter().filter_map(|&near| field.narrow(1, y, near)));
        self.band.iter().any(|near| field.moved[near.cluster as usize])
    }

    /// Fills `contenders`, ascending, for the tile; false where no cluster in reach has moved.
    ///
    /// `range` holds the least and greatest value of each channel over the tile's voxels.
    pub(crate) fn enter_tile(
        &mut self,
        field: &Field,
        [z, y, x]: &[Range<usize>; 3],
        range: &[[f32; 2]],
    ) -> bool {
        let weight = field.problem.spatial_weight();
        let mut bound = f32::INFINITY;
        let mut moved = false;
        self.tile.clear();
        for near in self.band.iter().filter_map(|&near| field.narrow(2, x, near)) {
            let [least, greatest] = field.colour_bounds(near.cluster, range);
            self.tile.push((near.cluster, near.covers, near.least * weight + least));
            if near.covers {
                bound = bound.min(near.greatest * weight + greatest);
            }
            moved |= field.moved[near.cluster as usize];
        }
        self.contenders.clear();
        let left = self.tile.iter().filter(|(_, _, least)| *least <= bound);
        self.contenders.extend(left.map(|&(cluster, covers, _)| Contender {
            cluster,
            covers,
            widest: field.widest[cluster as usize],
            dz: field.offsets(0, z, cluster),
            dy: field.offsets(1, y, cluster),
            dx: field.offsets(2, x, cluster),
        }));
        moved
    }
}

/// Cuts `0..length` into ranges of at most `size`.
pub(crate) fn pieces(length: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(size).map(move |start| start..(start + size).min(length))
}
