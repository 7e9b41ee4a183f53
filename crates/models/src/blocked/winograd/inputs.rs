//! Planes of a layer's inputs at the points of their tiles.

use super::{Item, Shape, transform};
use crate::blocked::window::{BLOCK, Window};
use crate::simd::scratch::SharedMut;
use crate::simd::{Kernel, Vector};

/// Transforms one plane of one block.
pub(super) struct Inputs<'a> {
    pub(super) shape: Shape,
    /// Values between a point's inputs and the next point's.
    pub(super) by_point: usize,
    pub(super) from: (&'a Window, &'a [f32]),
    pub(super) item: &'a Item,
    pub(super) block: usize,
    /// From the first plane that the item sees.
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
                Shape::Cube(2) => V::enter(Plane::<4> { of: self }),
                Shape::Cube(_) => V::enter(Plane::<6> { of: self }),
                Shape::Stem => V::enter(Plane::<7> { of: self }),
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
        let Inputs { shape, by_point, from: (window, from), item, block, plane, values } = self.of;
        let outputs = shape.outputs();
        let tiles = item.by_plane();
        let planes = shape.planes(item.z.len());
        let first = item.values + (block * planes + shape.place(plane, planes)) * tiles * BLOCK;
        let z = shape.first_plane(item.z.start) + plane as isize;
        if !(0..window.layer[0] as isize).contains(&z) {
            for point in 0..A * A {
                // SAFETY: the point's plane is this task's alone.
                unsafe { values.at(first + point * by_point).write_bytes(0, tiles * BLOCK) };
            }
            return;
        }
        let mut tile = 0;
        for ty in item.tiles[0].clone() {
            for tx in item.tiles[1].clone() {
                let to = first + tile * BLOCK;
                let corner = [ty * outputs, tx * outputs];
                tile += 1;
                for lane in (0..BLOCK).step_by(V::LANES) {
                    // SAFETY: the caller has V's instructions; `Winograd::run` saw that the window holds what its box
                    // reads, and a tile's place among the transformed values is this task's alone.
                    unsafe {
                        let lines: [[V; A]; A] = if shape == Shape::Stem {
                            cells(window, from, z, corner, lane)
                        } else {
                            voxels(window, from, block, z, corner, lane)
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
#[inline(always)]
unsafe fn cells<V: Vector, const A: usize>(
    window: &Window,
    from: &[f32],
    z: isize,
    corner: [usize; 2],
    lane: usize,
) -> [[V; A]; A] {
    // Values of a cell's row: two voxels of four channels.
    const ROW: usize = 8;
    let [y, x] = corner.map(|at| at as isize - 2);
    let [height, width] = [window.layer[1] as isize, window.layer[2] as isize];
    let columns = (-x).max(0) as usize..((width + 1) / 2 - x).clamp(0, A as isize) as usize;
    // SAFETY: the caller has V's instructions, and the window holds what the tile reads of the image; beyond a row of odd
    // length lies a zero.
    unsafe {
        let zero = V::splat(0.0);
        let mut lines = [[zero; A]; A];
        for (row, to) in lines.iter_mut().enumerate() {
            let cell =
                |voxel: isize| from.as_ptr().add(window.at(0, [z, voxel, 2 * (x + columns.start as isize)]));
            let inside = |voxel: isize| (0..height).contains(&voxel) && !columns.is_empty();
            let voxel = |of_cell: usize| 2 * (y + row as isize) + of_cell as isize;
            let mut line = [zero; A];
            if V::LANES == ROW {
                let of_cell = lane / ROW;
                // The first row of the first cell is seen by no output.
                if (row, of_cell) == (0, 0) || !inside(voxel(of_cell)) {
                    continue;
                }
                let from = cell(voxel(of_cell));
                for (at, value) in line[columns.clone()].iter_mut().enumerate() {
                    *value = V::load(from.add(at * ROW));
                }
                if columns.start == 0 {
                    line[0] = first_column(from, ROW);
                }
            } else {
                let mut values = [[0.0; BLOCK]; A];
                for of_cell in 0..2 {
                    if (row, of_cell) == (0, 0) || !inside(voxel(of_cell)) {
                        continue;
                    }
                    let from = cell(voxel(of_cell));
                    for (at, value) in values[columns.clone()].iter_mut().enumerate() {
                        let to = value.as_mut_ptr().add(of_cell * ROW);
                        to.copy_from_nonoverlapping(from.add(at * ROW), ROW);
                    }
                    if columns.start == 0 {
                        values[0][of_cell * ROW..][..ROW / 2].fill(0.0);
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

/// The row of the first cell, whose first voxel is seen by no output.
#[inline(always)]
unsafe fn first_column<V: Vector>(from: *const f32, row: usize) -> V {
    let mut values = [0.0; BLOCK];
    // SAFETY: the caller has V's instructions and a row's values.
    unsafe {
        values.as_mut_ptr().add(row / 2).copy_from_nonoverlapping(from.add(row / 2), row / 2);
        V::load(values.as_ptr())
    }
}
