//! Planes of a layer's inputs at the points of their tiles.

use super::{Item, Shape, Stack, transform};
use crate::blocked::window::{BLOCK, Window};
use crate::simd::scratch::SharedMut;
use crate::simd::{Kernel, Vector};

/// Transforms one plane of one block.
pub(super) struct Inputs<'a> {
    pub(super) shape: Shape,
    /// Of the layers.
    pub(super) blocks: usize,
    /// By part.
    pub(super) from: &'a [(&'a Window, &'a [f32])],
    pub(super) item: &'a Item,
    pub(super) block: usize,
    /// Counted from the first plane that the item reads.
    pub(super) plane: usize,
    pub(super) values: SharedMut<'a>,
}

impl Kernel for Inputs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller has V's instructions.
        unsafe {
            match self.shape {
                Shape::Plane { outputs: 2, .. } => V::enter(Plane::<4> { of: self }),
                Shape::Plane { .. } => V::enter(Plane::<6> { of: self }),
                Shape::Stem { .. } => V::enter(Plane::<7> { of: self }),
            }
        }
    }
}

/// [`Inputs`] for tiles that read `A × A` voxels.
struct Plane<'a, const A: usize> {
    of: Inputs<'a>,
}

impl<const A: usize> Kernel for Plane<'_, A> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Inputs { shape, blocks, from, item, block, plane, values } = self.of;
        let by_point = item.by_point(shape, blocks);
        let planes = shape.planes(item.depth);
        let first = item.values + (block * planes + shape.place(plane, planes)) * item.stacks.len() * BLOCK;
        for (at, &Stack { part, first: [z, y, x] }) in item.stacks.iter().enumerate() {
            let (window, from) = from[part];
            let to = first + at * BLOCK;
            let z = shape.first_plane(z) + plane as isize;
            if !(0..window.layer[0] as isize).contains(&z) {
                for point in 0..A * A {
                    // SAFETY: a tile's place among the transformed values is this task's alone.
                    unsafe { values.at(to + point * by_point).write_bytes(0, BLOCK) };
                }
                continue;
            }
            for lane in (0..BLOCK).step_by(V::LANES) {
                // SAFETY: the caller has V's instructions; `Winograd::run` saw that the window holds what its box
                // reads, and a tile's place among the transformed values is this task's alone.
                unsafe {
                    let lines: [[V; A]; A] = if shape.is_stem() {
                        cells(window, from, z, [y, x], lane)
                    } else {
                        voxels(window, from, block, z, [y, x], lane)
                    };
                    for column in 0..A {
                        let mut line = lines[0];
                        for (value, row) in line.iter_mut().zip(&lines) {
                            *value = row[column];
                        }
                        for (row, value) in transform::input(line).into_iter().enumerate() {
                            value.store(values.at(to + (row * A + column) * by_point + lane));
                        }
                    }
                }
            }
        }
    }
}

/// A tile's inputs, each row at its points, from `lane` of a block on.
#[inline(always)]
unsafe fn voxels<V: Vector, const A: usize>(
    window: &Window,
    from: &[f32],
    block: usize,
    z: isize,
    corner: [usize; 2],
    lane: usize,
) -> [[V; A]; A] {
    let [y, x] = corner.map(|at| at as isize - 1);
    let inside = |first: isize, axis: usize| {
        let end = window.layer[axis] as isize - first;
        (-first).max(0) as usize..end.clamp(0, A as isize) as usize
    };
    let (rows, columns) = (inside(y, 1), inside(x, 2));
    // SAFETY: the caller has V's instructions, and the window holds what the tile reads of the layer.
    unsafe {
        let zero = V::splat(0.0);
        let mut lines = [[zero; A]; A];
        for row in rows {
            let at = window.at(block, [z, y + row as isize, x + columns.start as isize]) + lane;
            let from = from.as_ptr().add(at);
            let mut line = [zero; A];
            if columns.len() == A {
                for (at, value) in line.iter_mut().enumerate() {
                    *value = V::load(from.add(at * BLOCK));
                }
            } else {
                for (at, value) in line[columns.clone()].iter_mut().enumerate() {
                    *value = V::load(from.add(at * BLOCK));
                }
            }
            lines[row] = transform::input(line);
        }
        lines
    }
}

/// The same of a stem's cells.
///
/// The first row of the first cells and their first voxels are read by no output: they count as zeros, and a window need not
/// hold them.
#[inline(always)]
unsafe fn cells<V: Vector, const A: usize>(
    window: &Window,
    from: &[f32],
    z: isize,
    corner: [usize; 2],
    lane: usize,
) -> [[V; A]; A] {
    // Values of a cell's row, two voxels of four channels, and of one of them.
    const ROW: usize = 8;
    const VOXEL: usize = ROW / 2;
    let [y, x] = corner.map(|at| at as isize - 2);
    let [height, width] = [window.layer[1] as isize, window.layer[2] as isize];
    let columns = (-x).max(0) as usize..((width + 1) / 2 - x).clamp(0, A as isize) as usize;
    let halved = columns.start == 0;
    let whole = columns.start + usize::from(halved)..columns.end;
    // SAFETY: the caller has V's instructions, and the window holds what the tile's outputs see of the image; beyond a row
    // of odd length lies a zero.
    unsafe {
        let zero = V::splat(0.0);
        let mut lines = [[zero; A]; A];
        for (row, to) in lines.iter_mut().enumerate() {
            // Start of a row of the cells, at the first voxel that is read, if any.
            let begins = |of_cell: usize| {
                let voxel = 2 * (y + row as isize) + of_cell as isize;
                let seen = (row, of_cell) != (0, 0) && (0..height).contains(&voxel) && !columns.is_empty();
                let first = 2 * (x + columns.start as isize) + isize::from(halved);
                seen.then(|| from.as_ptr().add(window.at(0, [z, voxel, first])))
            };
            // Values from there to a whole column.
            let skip = |column: usize| (column - columns.start) * ROW - if halved { VOXEL } else { 0 };
            let mut line = [zero; A];
            if V::LANES == ROW {
                let Some(from) = begins(lane / ROW) else { continue };
                if halved {
                    let mut values = [0.0; ROW];
                    values.as_mut_ptr().add(VOXEL).copy_from_nonoverlapping(from, VOXEL);
                    line[0] = V::load(values.as_ptr());
                }
                for column in whole.clone() {
                    line[column] = V::load(from.add(skip(column)));
                }
            } else {
                let mut values = [[0.0; BLOCK]; A];
                for of_cell in 0..2 {
                    let Some(from) = begins(of_cell) else { continue };
                    if halved {
                        let to = values[0].as_mut_ptr().add(of_cell * ROW + VOXEL);
                        to.copy_from_nonoverlapping(from, VOXEL);
                    }
                    for column in whole.clone() {
                        let to = values[column].as_mut_ptr().add(of_cell * ROW);
                        to.copy_from_nonoverlapping(from.add(skip(column)), ROW);
                    }
                }
                for (value, from) in line.iter_mut().zip(&values) {
                    *value = V::load(from.as_ptr().add(lane));
                }
            }
            *to = transform::input(line);
        }
        lines
    }
}
