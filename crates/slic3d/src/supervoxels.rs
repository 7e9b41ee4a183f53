//! A partition of a voxel grid into regions, with their sizes, bounding boxes, means and neighbours.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use ndarray::{Array2, Array3, ArrayView3, ArrayView4, Axis, s};
use rayon::prelude::*;

use crate::error::Error;
use crate::labels::run_end;

/// A partition of a voxel grid: every voxel belongs to one region, or to the background if there is one.
///
/// A region has an *id*, the value of its voxels in [`labels`](Supervoxels::labels), and an *index*, its position among
/// the ascending ids. Ids may have gaps; indices do not.
#[derive(Debug, Clone, PartialEq)]
pub struct Supervoxels {
    labels: Array3<u32>,
    background: Option<u32>,
    ids: Vec<u32>,
    voxel_counts: Vec<usize>,
    bounds: Vec<[Range<usize>; 3]>,
}

/// Size and bounding box of a region, accumulated run by run.
#[derive(Clone)]
struct Extent {
    voxels: usize,
    low: [usize; 3],
    high: [usize; 3],
}

impl Extent {
    const EMPTY: Extent = Extent { voxels: 0, low: [usize::MAX; 3], high: [0; 3] };

    fn add_run(&mut self, z: usize, y: usize, x: Range<usize>) {
        self.voxels += x.len();
        self.low = [self.low[0].min(z), self.low[1].min(y), self.low[2].min(x.start)];
        self.high = [self.high[0].max(z + 1), self.high[1].max(y + 1), self.high[2].max(x.end)];
    }

    fn join(&mut self, other: &Extent) {
        self.voxels += other.voxels;
        for axis in 0..3 {
            self.low[axis] = self.low[axis].min(other.low[axis]);
            self.high[axis] = self.high[axis].max(other.high[axis]);
        }
    }
}

/// Returns the extent of each id that occurs except `background`, in ascending order of the ids.
fn extents(labels: ArrayView3<u32>, background: Option<u32>) -> Vec<(u32, Extent)> {
    let planes = labels.len_of(Axis(0)).div_ceil(rayon::current_num_threads()).max(1);
    let slabs: Vec<_> = labels.axis_chunks_iter(Axis(0), planes).collect();
    let of_slab = |(slab, labels): (usize, ArrayView3<u32>)| {
        let most = labels.fold(0, |most, &id| if Some(id) == background { most } else { most.max(id) });
        let mut extents: Vec<(u32, Extent)> = Vec::new();
        let mut dense = vec![u32::MAX; if most as usize <= labels.len() { most as usize + 1 } else { 0 }];
        let mut sparse = HashMap::new();
        for_each_run(labels, |id, z, y, x| {
            let index = match dense.get_mut(id as usize) {
                Some(index) => index,
                None => sparse.entry(id).or_insert(u32::MAX),
            };
            if *index == u32::MAX {
                *index = extents.len() as u32;
                extents.push((id, Extent::EMPTY));
            }
            extents[*index as usize].1.add_run(slab * planes + z, y, x);
        });
        extents.retain(|(id, _)| Some(*id) != background);
        extents.sort_unstable_by_key(|(id, _)| *id);
        extents
    };
    let found: Vec<Vec<(u32, Extent)>> = slabs.into_par_iter().enumerate().map(of_slab).collect();
    let mut extents = found.concat();
    extents.sort_by_key(|(id, _)| *id);
    extents.dedup_by(|(id, extent), (kept_id, kept)| {
        let same = id == kept_id;
        if same {
            kept.join(extent);
        }
        same
    });
    extents
}

impl Supervoxels {
    /// Creates a partition from an array of labels, which become the ids of the regions. Voxels labelled `background`
    /// belong to no region.
    ///
    /// # Shapes
    /// `labels` is `[z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::Empty`] if the array has no voxels and [`Error::NoRegions`] if all of them are background.
    pub fn from_labels(labels: Array3<u32>, background: Option<u32>) -> Result<Supervoxels, Error> {
        if labels.is_empty() {
            return Err(Error::Empty { what: "labels", shape: labels.shape().to_vec() });
        }
        let labels =
            if labels.is_standard_layout() { labels } else { labels.as_standard_layout().into_owned() };
        let extents = extents(labels.view(), background);
        if extents.is_empty() {
            return Err(Error::NoRegions { voxels: labels.len() });
        }
        Ok(Supervoxels {
            background,
            ids: extents.iter().map(|(id, _)| *id).collect(),
            voxel_counts: extents.iter().map(|(_, extent)| extent.voxels).collect(),
            bounds: extents.iter().map(|(_, e)| [0, 1, 2].map(|axis| e.low[axis]..e.high[axis])).collect(),
            labels,
        })
    }

    /// Creates a partition from labels in row-major order.
    pub(crate) fn from_voxels(
        labels: Vec<u32>,
        [depth, height, width]: [usize; 3],
        background: Option<u32>,
    ) -> Result<Supervoxels, Error> {
        let wrong_length = Error::Empty { what: "labels", shape: vec![labels.len()] };
        Self::from_labels(
            Array3::from_shape_vec((depth, height, width), labels).map_err(|_| wrong_length)?,
            background,
        )
    }

    /// Returns the id of every voxel's region, `[z, y, x]`.
    pub fn labels(&self) -> ArrayView3<'_, u32> {
        self.labels.view()
    }

    /// Returns the array of labels by value.
    pub fn into_labels(self) -> Array3<u32> {
        self.labels
    }

    /// Returns the number of regions, without the background.
    #[expect(clippy::len_without_is_empty, reason = "a partition has at least one region")]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns the ids of the regions in ascending order.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Returns the label of voxels that belong to no region.
    pub fn background(&self) -> Option<u32> {
        self.background
    }

    /// Returns the index of the region with this id, or `None` if there is no such region.
    pub fn index_of(&self, id: u32) -> Option<usize> {
        let first = *self.ids.first()?;
        let guess = id.checked_sub(first)? as usize;
        if self.ids.get(guess) == Some(&id) { Some(guess) } else { self.ids.binary_search(&id).ok() }
    }

    /// Returns the number of voxels of each region.
    pub fn voxel_counts(&self) -> &[usize] {
        &self.voxel_counts
    }

    /// Returns the bounding box of a region, `[z, y, x]`.
    ///
    /// # Panics
    /// If `region` is not less than [`len`](Supervoxels::len).
    pub fn bounds(&self, region: usize) -> [Range<usize>; 3] {
        self.bounds[region].clone()
    }

    /// Iterates over the voxels `[z, y, x]` of a region in row-major order.
    ///
    /// # Panics
    /// If `region` is not less than [`len`](Supervoxels::len).
    pub fn voxels(&self, region: usize) -> impl Iterator<Item = [usize; 3]> + '_ {
        let [z, y, x] = self.bounds(region);
        let id = self.ids[region];
        let rows = z.flat_map(move |z| y.clone().map(move |y| (z, y)));
        rows.flat_map(move |(z, y)| x.clone().map(move |x| [z, y, x]))
            .filter(move |&at| self.labels[at] == id)
    }

    /// Computes the centroid `[z, y, x]` of each region in voxels.
    pub fn centroids(&self) -> Vec<[f64; 3]> {
        let mut sums = vec![[0.0; 3]; self.len()];
        for_each_run(self.labels(), |id, z, y, x| {
            if let Some(region) = self.index_of(id) {
                let voxels = x.len() as f64;
                sums[region][0] += z as f64 * voxels;
                sums[region][1] += y as f64 * voxels;
                sums[region][2] += (x.start + x.end - 1) as f64 * 0.5 * voxels;
            }
        });
        for (sum, &voxels) in sums.iter_mut().zip(&self.voxel_counts) {
            *sum = sum.map(|s| s / voxels as f64);
        }
        sums
    }

    /// Computes the mean of each channel over each region.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, the result `[region, c]`.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if image and labels have different shapes.
    pub fn mean_features(&self, image: ArrayView4<f32>) -> Result<Array2<f64>, Error> {
        let channels = image.dim().0;
        if image.shape()[1..] != *self.labels.shape() {
            let (expected, found) = (self.labels.shape().to_vec(), image.shape()[1..].to_vec());
            return Err(Error::ShapeMismatch { what: "image", expected, found });
        }
        let mut means = Array2::zeros((self.len(), channels));
        for_each_run(self.labels(), |id, z, y, x| {
            if let Some(region) = self.index_of(id) {
                for channel in 0..channels {
                    let run = image.slice(s![channel, z, y, x.clone()]);
                    means[[region, channel]] += run.iter().map(|&value| f64::from(value)).sum::<f64>();
                }
            }
        });
        for (mut row, &voxels) in means.rows_mut().into_iter().zip(&self.voxel_counts) {
            row /= voxels as f64;
        }
        Ok(means)
    }

    /// Returns the region adjacency graph: for each region, the ascending indices of those that share a voxel face with
    /// it.
    pub fn adjacency(&self) -> Vec<Vec<usize>> {
        let mut neighbours = vec![BTreeSet::new(); self.len()];
        let mut last = (u32::MAX, u32::MAX);
        let (depth, height, width) = self.labels.dim();
        for ((z, y, x), &here) in self.labels.indexed_iter() {
            let ahead = [
                (x + 1 < width).then(|| self.labels[[z, y, x + 1]]),
                (y + 1 < height).then(|| self.labels[[z, y + 1, x]]),
                (z + 1 < depth).then(|| self.labels[[z + 1, y, x]]),
            ];
            for there in ahead.into_iter().flatten() {
                if there == here || (here, there) == last {
                    continue;
                }
                last = (here, there);
                if let (Some(a), Some(b)) = (self.index_of(here), self.index_of(there)) {
                    neighbours[a].insert(b);
                    neighbours[b].insert(a);
                }
            }
        }
        neighbours.into_iter().map(|set| set.into_iter().collect()).collect()
    }
}

/// Calls `each` with every maximal run of one label along x.
fn for_each_run(labels: ArrayView3<u32>, mut each: impl FnMut(u32, usize, usize, Range<usize>)) {
    for (z, plane) in labels.outer_iter().enumerate() {
        for (y, row) in plane.outer_iter().enumerate() {
            let Some(row) = row.to_slice() else { continue };
            let mut start = 0;
            while start < row.len() {
                let end = run_end(row, start);
                each(row[start], z, y, start..end);
                start = end;
            }
        }
    }
}
