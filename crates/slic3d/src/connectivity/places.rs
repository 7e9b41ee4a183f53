//! The face neighbours of a voxel in scikit-image's order, which decides the last neighbour that a search encounters.

/// Number of face neighbours of a voxel.
pub(super) const NEIGHBOURS: usize = 6;

/// Number of bits of a coordinate of a [`Place`].
const BITS: u32 = 16;

/// A voxel with its coordinates, which are not computed from its index for each neighbour again.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) voxel: u32,
    /// The coordinates along x, y and z, [`BITS`] bits each from the lowest on.
    at: u64,
}

/// An image of fewer than 2¹⁶ voxels along each axis.
pub(super) struct Grid {
    /// Width, height, depth.
    shape: [u32; 3],
    /// Distance between adjacent voxels along each axis.
    strides: [u32; 3],
}

impl Grid {
    /// Creates the grid of an image of depth, height and width, unless an axis is too long.
    pub(super) fn new([depth, height, width]: [usize; 3]) -> Option<Grid> {
        let shape = [width, height, depth].map(|n| n as u32);
        let fits = [width, height, depth].iter().all(|&n| n < 1 << BITS);
        fits.then_some(Grid { shape, strides: [1, width as u32, (height * width) as u32] })
    }

    pub(super) fn plane(&self) -> usize {
        self.strides[2] as usize
    }

    /// Returns the place of the voxel with this index.
    pub(super) fn place(&self, voxel: u32) -> Place {
        let [width, height, _] = self.shape;
        let row = voxel / width;
        let [x, y, z] = [voxel % width, row % height, row / height].map(u64::from);
        Place { voxel, at: x | y << BITS | z << (2 * BITS) }
    }

    /// Returns the neighbours in the order x + 1, x − 1, y + 1, y − 1, z + 1, z − 1; in the place of one outside the image, the
    /// voxel itself.
    #[inline(always)]
    pub(super) fn neighbours(&self, place: Place) -> [Place; NEIGHBOURS] {
        let Place { voxel, at } = place;
        let coordinates: [u32; 3] =
            std::array::from_fn(|axis| u32::from((at >> (BITS * axis as u32)) as u16));
        let inside = |axis: usize| coordinates[axis].wrapping_sub(1) < self.shape[axis].wrapping_sub(2);
        let all_exist = inside(0) & inside(1) & inside(2);
        std::array::from_fn(|neighbour| {
            let (axis, forward) = (neighbour / 2, neighbour % 2 == 0);
            let exists = match forward {
                true => coordinates[axis] + 1 < self.shape[axis],
                false => coordinates[axis] > 0,
            };
            if !all_exist && !exists {
                return place;
            }
            let (stride, unit) = (self.strides[axis], 1_u64 << (BITS * axis as u32));
            match forward {
                true => Place { voxel: voxel.wrapping_add(stride), at: at.wrapping_add(unit) },
                false => Place { voxel: voxel.wrapping_sub(stride), at: at.wrapping_sub(unit) },
            }
        })
    }

    /// Returns the indices of the neighbours in other rows, some of which may not exist.
    pub(super) fn distant_neighbours(&self, place: Place) -> [usize; 4] {
        let [_, row, plane] = self.strides;
        [row, row.wrapping_neg(), plane, plane.wrapping_neg()]
            .map(|offset| place.voxel.wrapping_add(offset) as usize)
    }
}
