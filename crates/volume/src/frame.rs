//! The way from the network's grid back to the scan's.

use ndarray::{Array3, ArrayView3, s};

use crate::{Geometry, Volume};

/// Which window of a scan a network saw, and how coarsely.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The scan's own grid.
    pub scan: Geometry,
    /// The scan voxel at which the crop starts, z, y, x: negative where the scan was padded.
    pub start: [isize; 3],
    /// The crop in scan voxels, z, y, x.
    pub crop: [usize; 3],
    /// Scan voxels per network voxel along each axis.
    pub downsample: usize,
}

impl Frame {
    /// The centre crop of a scan: a crop of c voxels from n starts at floor((n − c) / 2).
    pub fn centred(scan: Geometry, crop: [usize; 3], downsample: usize) -> Self {
        let start =
            std::array::from_fn(|axis| (scan.shape[axis] as isize - crop[axis] as isize).div_euclid(2));
        Self { scan, start, crop, downsample }
    }

    /// The network's grid: z, y, x.
    pub fn shape(&self) -> [usize; 3] {
        self.crop.map(|n| n / self.downsample.max(1))
    }

    /// Where the network's grid lies.
    pub fn geometry(&self) -> Geometry {
        self.scan.window(self.start, self.crop, self.downsample)
    }

    /// A map on the network's grid, painted onto the scan's own grid: each scan voxel takes the value of the network
    /// voxel that holds it, and 0 outside the crop.
    ///
    /// # Shapes
    /// `map`: `[z, y, x]` as [`Frame::shape`] says. What lies past it counts as outside the crop.
    pub fn to_scan(&self, map: ArrayView3<f32>) -> Volume<f32> {
        self.replicate(map)
    }

    /// [`Frame::to_scan`] for labels.
    pub fn labels_to_scan(&self, labels: ArrayView3<u32>) -> Volume<u32> {
        self.replicate(labels)
    }

    fn replicate<T: Copy + Default>(&self, map: ArrayView3<T>) -> Volume<T> {
        let factor = self.downsample.max(1);
        let mut voxels = Array3::from_elem(self.scan.shape, T::default());
        let (nz, ny, nx) = map.dim();
        let [scan_z, scan_y, scan_x] = [0, 1, 2].map(|axis| self.covered(axis, [nz, ny, nx][axis] * factor));
        let network = |axis: usize, scan: usize| (scan as isize - self.start[axis]) as usize / factor;
        for z in scan_z {
            for y in scan_y.clone() {
                let from = map.slice(s![network(0, z), network(1, y), ..]);
                let mut to = voxels.slice_mut(s![z, y, ..]);
                for x in scan_x.clone() {
                    to[x] = from[network(2, x)];
                }
            }
        }
        Volume { voxels, geometry: self.scan.clone() }
    }

    /// The scan voxels along an axis that the first `length` voxels of the crop cover.
    pub(crate) fn covered(&self, axis: usize, length: usize) -> std::ops::Range<usize> {
        let size = self.scan.shape[axis] as isize;
        let start = self.start[axis].clamp(0, size);
        let end = (self.start[axis] + length as isize).clamp(start, size);
        start as usize..end as usize
    }
}
