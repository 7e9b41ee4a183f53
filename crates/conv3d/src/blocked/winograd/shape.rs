//! Convolutions that the algorithm supports.

use super::{Stack, halved};
use crate::ConvGeometry;
use crate::blocked::lanes::Lanes;
use crate::blocked::window::BLOCK;
use relevox_grid::Box3;
use std::ops::Range;

/// Kernel and stride of a supported convolution, and its tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `depth` × 3 × 3 with stride 1, in tiles of 2 or 4 outputs along y and x.
    Plane {
        /// Outputs of a tile along y and x.
        outputs: usize,
        /// Taps along z, an odd number.
        depth: usize,
    },
    /// 3 × 3 × 3 with stride 1, in tiles of 2 or 4 outputs along every axis.
    Cube {
        /// Outputs of a tile along an axis.
        outputs: usize,
    },
    /// 3 × 3 × 3 with stride 2, in tiles of 2 outputs along every axis.
    Halved,
    /// `depth` × 7 × 7 with stride 2 along y and x of an image of 4 channels: 2 × 2 voxels along y and x are a *cell* of 16
    /// channels (`[y][x][channel]`), of which an output reads 4 × 4; the first tap of the first cells is 0.
    Stem {
        /// Taps along z, an odd number.
        depth: usize,
        /// Stride along z.
        stride: usize,
    },
}

impl Shape {
    /// 3 × 3 × 3 with stride 1, in tiles of 4 outputs along y and x.
    pub const PLANES: Shape = Shape::Plane { outputs: 4, depth: 3 };
    /// 7 × 7 × 7 with stride 2.
    pub const STEM: Shape = Shape::Stem { depth: 7, stride: 2 };

    /// Returns the shape of a convolution of such inputs, or `None` if it is not supported.
    pub fn of(geometry: ConvGeometry, lanes: &Lanes) -> Option<Shape> {
        let ConvGeometry { kernel: [depth, ky, kx], stride: [stride, sy, sx], padding } = geometry;
        if depth % 2 == 0 || padding[0] != depth / 2 {
            return None;
        }
        if [ky, kx] == [3; 2] && [stride, sy, sx] == [1; 3] && padding[1..] == [1; 2] && lanes.pitch == BLOCK
        {
            return Some(Shape::Plane { outputs: 4, depth });
        }
        if geometry == Shape::Halved.geometry() && lanes.pitch == BLOCK {
            return Some(Shape::Halved);
        }
        let four = lanes.pitch == 4 && lanes.channels.len() == 4;
        let stem = [ky, kx] == [7; 2] && [sy, sx] == [2; 2] && padding[1..] == [3; 2];
        (stem && four).then_some(Shape::Stem { depth, stride })
    }

    /// Returns the geometry.
    pub fn geometry(self) -> ConvGeometry {
        match self {
            Shape::Plane { depth, .. } => {
                ConvGeometry { kernel: [depth, 3, 3], stride: [1; 3], padding: [depth / 2, 1, 1] }
            }
            Shape::Cube { .. } => ConvGeometry { kernel: [3; 3], stride: [1; 3], padding: [1; 3] },
            Shape::Halved => ConvGeometry { kernel: [3; 3], stride: [2; 3], padding: [1; 3] },
            Shape::Stem { depth, stride } => {
                ConvGeometry { kernel: [depth, 7, 7], stride: [stride, 2, 2], padding: [depth / 2, 3, 3] }
            }
        }
    }

    /// Returns whether this is a [`Shape::Stem`].
    pub(crate) fn is_stem(self) -> bool {
        matches!(self, Shape::Stem { .. })
    }

    /// Returns the number of taps.
    pub(crate) fn taps(self) -> usize {
        self.geometry().kernel.iter().product()
    }

    /// Returns the number of outputs of a tile along y and x.
    pub(crate) fn outputs(self) -> usize {
        match self {
            Shape::Plane { outputs, .. } | Shape::Cube { outputs } => outputs,
            Shape::Halved => 2,
            Shape::Stem { .. } => 4,
        }
    }

    /// Returns the number of outputs of a tile along z.
    pub(super) fn deep(self) -> usize {
        if self.is_deep() { self.outputs() } else { 1 }
    }

    /// Returns whether tiles reach over several planes of outputs.
    pub(super) fn is_deep(self) -> bool {
        matches!(self, Shape::Cube { .. } | Shape::Halved)
    }

    /// Returns the outputs of a tile along each axis.
    pub(crate) fn grid(self) -> [usize; 3] {
        [self.deep(), self.outputs(), self.outputs()]
    }

    /// Returns the tiles of a range of outputs along y or x.
    pub(super) fn tiles(self, range: &Range<usize>) -> Range<usize> {
        range.start / self.outputs()..range.end.div_ceil(self.outputs())
    }

    /// Divides a box of whole tiles into stacks of at most `deepest` tiles along z, of about equal depth.
    pub(super) fn stacks(
        self,
        part: usize,
        bounds: &Box3,
        deepest: usize,
        mut each: impl FnMut(usize, Stack),
    ) {
        let [z, y, x] = bounds.ranges();
        let z = z.start / self.deep()..z.end.div_ceil(self.deep());
        let slabs = z.len().div_ceil(deepest);
        for slab in 0..slabs {
            let [start, end] = [slab, slab + 1].map(|at| z.start + at * z.len() / slabs);
            for y in self.tiles(&y) {
                for x in self.tiles(&x) {
                    let first = [start * self.deep(), y * self.outputs(), x * self.outputs()];
                    each(end - start, Stack { part, first });
                }
            }
        }
    }

    /// Validates that a box consists of whole tiles, except at the end of the layer.
    ///
    /// # Panics
    /// Panics if it does not.
    pub(super) fn check_tiles(self, bounds: &Box3, layer: [usize; 3]) {
        for (axis, grid) in self.grid().into_iter().enumerate() {
            let Range { start, end } = bounds.range(axis);
            let whole = start % grid == 0 && (end % grid == 0 || end == layer[axis]);
            assert!(whole, "{bounds:?} is not of whole tiles of {layer:?}");
        }
    }

    /// Returns the number of points of a tile, each of which has a sum.
    pub(crate) fn points(self) -> usize {
        match self {
            Shape::Plane { outputs, .. } => (outputs + 2).pow(2),
            Shape::Cube { outputs } => (outputs + 2).pow(3),
            Shape::Halved => halved::POINTS,
            Shape::Stem { .. } => 7 * 7,
        }
    }

    /// Returns the number of transformed inputs of a tile: one for each point, or several where its sum has several terms.
    pub(super) fn slots(self) -> usize {
        if self == Shape::Halved { halved::SLOTS } else { self.points() }
    }

    /// Returns the transformed inputs of a point.
    pub(super) fn slots_of(self, point: usize) -> Range<usize> {
        if self == Shape::Halved { halved::slots_of(point) } else { point..point + 1 }
    }

    /// Taps along z that are summed among transformed values.
    pub(super) fn depth(self) -> usize {
        match self {
            Shape::Plane { depth, .. } | Shape::Stem { depth, .. } => depth,
            Shape::Cube { .. } | Shape::Halved => 1,
        }
    }

    /// Step between transformed planes of neighbouring outputs.
    fn stride(self) -> usize {
        if self.is_deep() { 1 } else { self.geometry().stride[0] }
    }

    /// Values by voxel of the inputs.
    pub(super) fn pitch(self) -> usize {
        if self.is_stem() { 4 } else { BLOCK }
    }

    /// Returns the number of transformed planes that planes of outputs read. With tiles along z, both count tiles.
    pub(super) fn planes(self, outputs: usize) -> usize {
        if outputs == 0 { 0 } else { (outputs - 1) * self.stride() + self.depth() }
    }

    /// Returns the first plane that a plane of outputs reads.
    pub(super) fn first_plane(self, z: usize) -> isize {
        (z * self.stride()) as isize - self.geometry().padding[0] as isize
    }

    /// Where a plane lies among transformed ones: planes that are a stride apart follow one another, so that those which a
    /// tap reads do.
    pub(super) fn place(self, plane: usize, planes: usize) -> usize {
        let stride = self.stride();
        plane / stride + plane % stride * planes.div_ceil(stride)
    }

    /// Where a tap of a dense kernel `[o, i, kz, ky, kx]` lies, `channel` being that of a block or cell; none for a tap that
    /// fills up a cell.
    pub(super) fn tap(
        self,
        inputs: usize,
        o: usize,
        channel: usize,
        [tz, ty, tx]: [usize; 3],
    ) -> Option<usize> {
        match self {
            Shape::Plane { depth, .. } => Some(((o * inputs + channel) * depth + tz) * 9 + ty * 3 + tx),
            Shape::Cube { .. } | Shape::Halved => Some(((o * inputs + channel) * 3 + tz) * 9 + ty * 3 + tx),
            Shape::Stem { depth, .. } => {
                let (y, x) =
                    ((2 * ty + channel / 8).checked_sub(1)?, (2 * tx + channel / 4 % 2).checked_sub(1)?);
                Some(((o * inputs + channel % 4) * depth + tz) * 49 + y * 7 + x)
            }
        }
    }
}
