//! Mapping between the scan's grid and the network's.

use std::ops::Range;

use ndarray::{Array3, ArrayView3, s};

use crate::{Error, Geometry, ValidPreprocess, Volume};

/// The network's grid as a crop of a scan: the centre of the scan, padded where the scan is smaller, with each
/// `downsample`³ scan voxels as one network voxel.
///
/// [`to_network`](Frame::to_network) maps volumes on the scan's grid to the network's, [`to_scan`](Frame::to_scan) maps
/// them back; both take the nearest voxel and are meant for maps, masks and labels. Intensities are averaged over
/// each block instead, by [`Study::load`](crate::Study::load).
///
/// A volume on the network's grid survives the round trip through the scan's grid, except for voxels that lie
/// entirely outside the scan, which become 0. A volume on the scan's grid survives the opposite round trip inside the
/// crop if nothing is downsampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    scan: Geometry,
    start: [isize; 3],
    crop: [usize; 3],
    downsample: usize,
}

impl Frame {
    /// Creates the frame of a scan's centre crop. A crop of c voxels from n starts at floor((n − c) / 2).
    pub fn centred(scan: Geometry, preprocess: &ValidPreprocess) -> Self {
        let (crop, downsample) = (preprocess.crop(), preprocess.downsample());
        let start =
            std::array::from_fn(|axis| (scan.shape[axis] as isize - crop[axis] as isize).div_euclid(2));
        Self { scan, start, crop, downsample }
    }

    /// Grid of the scan.
    pub fn scan(&self) -> &Geometry {
        &self.scan
    }

    /// Index of the scan voxel at which the crop starts, z, y, x; negative where the scan is padded.
    pub fn start(&self) -> [isize; 3] {
        self.start
    }

    /// Size of the crop in scan voxels, z, y, x.
    pub fn crop(&self) -> [usize; 3] {
        self.crop
    }

    /// Scan voxels per network voxel along each axis.
    pub fn downsample(&self) -> usize {
        self.downsample
    }

    /// Shape of the network's grid, z, y, x.
    pub fn shape(&self) -> [usize; 3] {
        self.crop.map(|n| n / self.downsample)
    }

    /// Position of the network's grid in the scanner's coordinate system.
    pub fn geometry(&self) -> Geometry {
        self.scan.window(self.start, self.crop, self.downsample)
    }

    /// Maps a volume on the network's grid to the scan's grid: each scan voxel takes the value of the network voxel
    /// that contains it, and 0 outside the crop.
    ///
    /// # Shapes
    /// `map`: `[z, y, x]` of [`Frame::shape`]; the result has the scan's shape.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if `map` is not on the network's grid.
    pub fn to_scan<T: Copy + Default>(&self, map: ArrayView3<T>) -> Result<Volume<T>, Error> {
        require_shape("volume on the network's grid", self.shape(), map.shape())?;
        let mut voxels = Array3::from_elem(self.scan.shape, T::default());
        let [zs, ys, xs] = [0, 1, 2].map(|axis| self.covered(axis));
        for z in zs {
            for y in ys.clone() {
                let from = map.slice(s![self.network_index(0, z), self.network_index(1, y), ..]);
                let mut to = voxels.slice_mut(s![z, y, ..]);
                for x in xs.clone() {
                    to[x] = from[self.network_index(2, x)];
                }
            }
        }
        Ok(Volume { voxels, geometry: self.scan.clone() })
    }

    /// Maps a volume on the scan's grid to the network's grid: each network voxel takes the value of the scan voxel
    /// nearest to its centre (of two equally near ones, the first), and 0 if it lies entirely outside the scan.
    ///
    /// # Shapes
    /// `scan`: `[z, y, x]` of the scan; the result has the shape of [`Frame::shape`].
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if `scan` is not on the scan's grid.
    pub fn to_network<T: Copy + Default>(&self, scan: ArrayView3<T>) -> Result<Array3<T>, Error> {
        require_shape("volume on the scan's grid", self.scan.shape, scan.shape())?;
        let shape = self.shape();
        let nearest: [Vec<Option<usize>>; 3] =
            std::array::from_fn(|axis| (0..shape[axis]).map(|i| self.nearest(axis, i)).collect());
        Ok(Array3::from_shape_fn(shape, |(z, y, x)| match (nearest[0][z], nearest[1][y], nearest[2][x]) {
            (Some(z), Some(y), Some(x)) => scan[[z, y, x]],
            _ => T::default(),
        }))
    }

    /// Calls `visit` for each scan voxel inside the crop, in memory order, with the index of the network voxel that
    /// contains it.
    pub(crate) fn for_each_voxel<T: Copy>(&self, scan: ArrayView3<T>, mut visit: impl FnMut([usize; 3], T)) {
        let [zs, ys, xs] = [0, 1, 2].map(|axis| self.covered(axis));
        for z in zs {
            for y in ys.clone() {
                let row = scan.slice(s![z, y, xs.clone()]);
                let (nz, ny) = (self.network_index(0, z), self.network_index(1, y));
                for (x, &value) in xs.clone().zip(row) {
                    visit([nz, ny, self.network_index(2, x)], value);
                }
            }
        }
    }

    /// Range of scan voxels inside the crop along an axis.
    fn covered(&self, axis: usize) -> Range<usize> {
        let size = self.scan.shape[axis] as isize;
        let start = self.start[axis].clamp(0, size);
        let end = (self.start[axis] + self.crop[axis] as isize).clamp(start, size);
        start as usize..end as usize
    }

    /// Index of the network voxel that contains a scan voxel of the crop.
    fn network_index(&self, axis: usize, scan: usize) -> usize {
        (scan as isize - self.start[axis]) as usize / self.downsample
    }

    /// Index of the scan voxel nearest to a network voxel's centre, or `None` if all of its block is padding.
    fn nearest(&self, axis: usize, network: usize) -> Option<usize> {
        let first = self.start[axis] + (network * self.downsample) as isize;
        let (inside, end) =
            (first.max(0), (first + self.downsample as isize).min(self.scan.shape[axis] as isize));
        let centre = first + (self.downsample as isize - 1) / 2;
        (inside < end).then(|| centre.clamp(inside, end - 1) as usize)
    }
}

fn require_shape(what: &'static str, expected: [usize; 3], found: &[usize]) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::ShapeMismatch { what, expected: expected.to_vec(), found: found.to_vec() })
}
