//! Planes of a layer's inputs at the points of their tiles.

use super::{Item, Part, Winograd, transform};
use crate::ops::cpu::scratch::SharedMut;
use crate::ops::cpu::simd::{Kernel, Vector};
use crate::plan::window::BLOCK;

/// Transforms one plane of one block.
pub(super) struct Inputs<'a> {
    pub(super) conv: &'a Winograd,
    pub(super) part: &'a Part<'a>,
    pub(super) item: &'a Item,
    pub(super) block: usize,
    /// From the plane before the item's first.
    pub(super) plane: usize,
    pub(super) values: SharedMut<'a>,
}

impl Kernel for Inputs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the caller has V's instructions.
        unsafe {
            match self.conv.outputs {
                2 => V::enter(Plane::<4> { of: self }),
                _ => V::enter(Plane::<6> { of: self }),
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
        let Inputs { conv, part, item, block, plane, values } = self.of;
        let outputs = A - 2;
        let (window, from) = part.input;
        let by_point = conv.by_point(item);
        let tiles = item.by_plane();
        let first = item.values + (block * (item.z.len() + 2) + plane) * tiles * BLOCK;
        let z = (item.z.start + plane) as isize - 1;
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
                let [y, x] = [ty, tx].map(|tile| (tile * outputs) as isize - 1);
                let inside = |first: isize, axis: usize| {
                    let end = window.layer[axis] as isize - first;
                    (-first).max(0) as usize..end.clamp(0, A as isize) as usize
                };
                let (rows, columns) = (inside(y, 1), inside(x, 2));
                let to = first + tile * BLOCK;
                tile += 1;
                for lane in (0..BLOCK).step_by(V::LANES) {
                    // SAFETY: the caller has V's instructions; `Winograd::run` saw that the window holds what its box
                    // reads, and a tile's place among the transformed values is this task's alone.
                    unsafe {
                        let zero = V::splat(0.0);
                        let mut lines = [[zero; A]; A];
                        for row in rows.clone() {
                            let at =
                                window.at(block, [z, y + row as isize, x + columns.start as isize]) + lane;
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
                        for column in 0..A {
                            let mut line = [zero; A];
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
