//! Which clusters can win a tile of voxels: all others are left out before any voxel is looked at.
//!
//! Rounding is monotone, so the distance computed from the least (greatest) of each term is a bound below (above) on every
//! distance computed in the tile. A cluster whose lower bound exceeds another's upper bound wins no voxel there.
//!
//! All is inlined into the kernel, so that it is compiled for the kernel's instruction set.

use std::ops::Range;

use super::{Clusters, Problem};

/// Most voxels of a tile along z, y and x.
pub(crate) const TILE: [usize; 3] = [8, 8, 16];

/// A box of voxels.
pub(crate) type Window = [Range<usize>; 3];

/// A cluster in reach of a slab or band, with bounds on its squared offset along one axis after another.
#[derive(Clone, Copy)]
struct Near {
    cluster: u32,
    least: f32,
    greatest: f32,
    /// Its window holds all of the slab or band.
    covers: bool,
}

/// The clusters in reach of a band, one array for each of what a tile asks of them.
#[derive(Default)]
struct Band {
    cluster: Vec<u32>,
    centre: Vec<f32>,
    window: Vec<[i32; 2]>,
    least: Vec<f32>,
    /// Infinite where the window does not hold all of the band.
    greatest: Vec<f32>,
    /// Bounds on the distance by position in the tile; infinite where they do not hold.
    lower: Vec<f32>,
    upper: Vec<f32>,
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
    /// Least and greatest of `dx` in the tile.
    pub(crate) dx_bounds: [f32; 2],
    /// Bounds on what the values add to the distance.
    pub(crate) colour_bounds: [f32; 2],
}

/// What the search for contenders reads.
pub(crate) struct Field<'a> {
    pub(crate) problem: &'a Problem<'a>,
    pub(crate) clusters: &'a Clusters,
    pub(crate) windows: &'a [Window],
    pub(crate) widest: &'a [f32],
    /// Clusters that are not where they were when the labels were last assigned, each with a box around its window then and
    /// its window now: outside it nothing has changed for them.
    pub(crate) moved: &'a [Window],
    /// Channels that count towards the distance: all or none.
    pub(crate) channels: usize,
}

impl Field<'_> {
    #[inline(always)]
    fn offset(&self, axis: usize, cluster: u32, at: usize) -> f32 {
        let centre = self.clusters.position[cluster as usize][axis];
        let difference = self.problem.spacing[axis] * (centre - at as f32);
        difference * difference
    }

    /// Adds the bounds along `axis` over `span` for a cluster, if its window reaches the span.
    #[inline(always)]
    fn narrow(&self, axis: usize, span: &Range<usize>, near: Near) -> Option<Near> {
        let window = &self.windows[near.cluster as usize][axis];
        if !meet(window, span) {
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

    /// Bounds on the squared colour difference, given the least and greatest value of each channel.
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
            least /= self.widest[cluster];
            greatest /= self.widest[cluster];
        }
        [least, greatest]
    }
}

#[inline(always)]
fn meet(one: &Range<usize>, other: &Range<usize>) -> bool {
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
    fn push(&mut self, field: &Field, near: Near) {
        let window = &field.windows[near.cluster as usize][2];
        self.cluster.push(near.cluster);
        self.centre.push(field.clusters.position[near.cluster as usize][2]);
        self.window.push([window.start as i32, window.end as i32]);
        self.least.push(near.least);
        self.greatest.push(if near.covers { near.greatest } else { f32::INFINITY });
        self.lower.push(f32::INFINITY);
        self.upper.push(f32::INFINITY);
    }

    /// Fills the bounds by position for the voxels `x`, and returns the place of the least from above.
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
        for (place, &bound) in upper.iter().enumerate() {
            if bound < upper[best] {
                best = place;
            }
        }
        best
    }
}

/// The search from a slab of planes down to its tiles; buffers are kept between tiles.
#[derive(Default)]
pub(crate) struct Search {
    slab: Vec<Near>,
    band: Band,
    /// Moved clusters that meet the slab, and of these the ones that meet the band.
    moved_in_slab: Vec<u32>,
    moved_in_band: Vec<u32>,
    /// Place in the band, and bounds on what the values add.
    tile: Vec<(u32, [f32; 2])>,
    pub(crate) contenders: Vec<Contender>,
}

impl Search {
    /// Takes up the planes `z`; false where nothing has changed for any cluster.
    #[inline(always)]
    pub(crate) fn enter_slab(&mut self, field: &Field, z: &Range<usize>) -> bool {
        self.moved_in_slab.clear();
        let moved = (0..).zip(field.moved).filter(|(_, window)| meet(&window[0], z));
        self.moved_in_slab.extend(moved.map(|(place, _)| place));
        if self.moved_in_slab.is_empty() {
            return false;
        }
        self.slab.clear();
        let alive =
            (0..field.clusters.len() as u32).filter(|&cluster| field.clusters.alive[cluster as usize]);
        let start = |cluster| Near { cluster, least: 0.0, greatest: 0.0, covers: true };
        self.slab.extend(alive.filter_map(|cluster| field.narrow(0, z, start(cluster))));
        true
    }

    /// Takes up the rows `y` of the slab; false where nothing has changed for any cluster.
    #[inline(always)]
    pub(crate) fn enter_band(&mut self, field: &Field, y: &Range<usize>) -> bool {
        self.moved_in_band.clear();
        let moved = self.moved_in_slab.iter().filter(|&&place| meet(&field.moved[place as usize][1], y));
        self.moved_in_band.extend(moved);
        if self.moved_in_band.is_empty() {
            return false;
        }
        self.band.clear();
        for near in self.slab.iter().filter_map(|&near| field.narrow(1, y, near)) {
            self.band.push(field, near);
        }
        true
    }

    /// Fills `contenders`, ascending, for the tile; false where nothing has changed for any cluster.
    ///
    /// `range` holds the least and greatest value of each channel over the tile's voxels.
    #[inline(always)]
    pub(crate) fn enter_tile(
        &mut self,
        field: &Field,
        [z, y, x]: &[Range<usize>; 3],
        range: &[[f32; 2]],
    ) -> bool {
        if !self.moved_in_band.iter().any(|&place| meet(&field.moved[place as usize][2], x)) {
            return false;
        }
        self.contenders.clear();
        let band = &mut self.band;
        if band.cluster.is_empty() {
            return true;
        }
        let best = band.bound(x, field.problem.spacing[2], field.problem.spatial_weight());
        // The values are asked only of those that position leaves.
        let mut bound = band.upper[best] + field.colour_bounds(band.cluster[best], range)[1];
        self.tile.clear();
        for place in 0..band.cluster.len() {
            if band.lower[place] <= bound && band.lower[place] < f32::INFINITY {
                let colour = field.colour_bounds(band.cluster[place], range);
                bound = bound.min(band.upper[place] + colour[1]);
                self.tile.push((place as u32, colour));
            }
        }
        for &(place, colour_bounds) in &self.tile {
            let place = place as usize;
            if band.lower[place] + colour_bounds[0] > bound {
                continue;
            }
            let cluster = band.cluster[place];
            let dx = field.offsets(2, x, cluster);
            self.contenders.push(Contender {
                cluster,
                covers: band.upper[place] < f32::INFINITY,
                widest: field.widest[cluster as usize],
                dz: field.offsets(0, z, cluster),
                dy: field.offsets(1, y, cluster),
                dx_bounds: bounds(&dx[..x.len()]),
                dx,
                colour_bounds,
            });
        }
        true
    }
}

/// The least and the greatest.
#[inline(always)]
fn bounds(values: &[f32]) -> [f32; 2] {
    let low = values.iter().fold(f32::INFINITY, |low, &value| if value < low { value } else { low });
    let high = values.iter().fold(0.0, |high, &value| if value > high { value } else { high });
    [low, high]
}

/// Cuts `0..length` into ranges of at most `size`.
pub(crate) fn pieces(length: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..length).step_by(size).map(move |start| start..(start + size).min(length))
}
