//! A layer's inputs at the points of their tiles.

use super::{Item, Shape, Stack, transform};
use crate::blocked::window::{BLOCK, Window};
use crate::simd::scratch::SharedMut;
use crate::simd::{Kernel, Vector};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Transforms one block of some stacks: one plane, or all tiles along z.
pub(super) struct Inputs<'a> {
    pub(super) shape: Shape,
    /// Of the layers.
    pub(super) blocks: usize,
    /// By part.
    pub(super) from: &'a [(&'a Window, &'a [f32])],
    pub(super) item: &'a Item,
    pub(super) block: usize,
    /// Counted from the first plane that the item reads; not used by tiles along z.
    pub(super) plane: usize,
    pub(super) stacks: Range<usize>,
    pub(super) values: SharedMut<'a>,
}

/// Values of a tile at all its points, or of a plane on the way there.
///
/// They lie in memory explicitly: as an array of vectors they would be too many for registers, and be initialised and copied
/// around.
#[repr(align(64))]
pub(super) struct Values<const N: usize>(MaybeUninit<[f32; N]>);

impl<const N: usize> Values<N> {
    pub(super) fn new() -> Values<N> {
        Values(MaybeUninit::uninit())
    }

    pub(super) fn start(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

/// Values of a plane of the largest tiles.
pub(super) const PLANE: usize = 7 * 7 * BLOCK;

/// [`Inputs`] for tiles that read `A × A` voxels.
pub(super) struct Plane<'a, const A: usize> {
    pub(super) of: Inputs<'a>,
}

impl<const A: usize> Kernel for Plane<'_, A> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Inputs { shape, blocks, from, item, block, plane, stacks, values } = self.of;
        let layout = item.layout(shape, blocks);
        let planes = shape.planes(item.depth);
        let column = shape.place(plane, planes) * item.stacks.len();
        let mut lines = Values::<PLANE>::new();
        let lines = lines.start();
        for at in stacks {
            let Stack { part, first: [z, y, x] } = item.stacks[at];
            let (window, from) = from[part];
            let to = layout.at(item, block, column + at);
            let z = shape.first_plane(z) + plane as isize;
            if !(0..window.layer[0] as isize).contains(&z) {
                for point in 0..A * A {
                    // SAFETY: a tile's place among the transformed values is this task's alone.
                    unsafe { values.at(to + point * layout.slot).write_bytes(0, BLOCK) };
                }
                continue;
            }
            for lane in (0..BLOCK).step_by(V::LANES) {
                // SAFETY: the caller has V's instructions; `Winograd::run` saw that the window holds what its box
                // reads, and a tile's place among the transformed values is this task's alone.
                unsafe {
                    if shape.is_stem() {
                        cells::<V, A>(window, from, z, [y, x], lane, lines);
                    } else {
                        voxels::<V, A>(window, from, block, z, [y, x], lane, lines);
                    }
                    columns::<V, A>(lines, values.at(to + lane), layout.slot);
                }
            }
        }
    }
}

/// Transforms a plane's lines along y: point `p` goes to `p · step`.
///
/// # Safety
/// The CPU must have V's instructions; `lines` must hold `A × A` vectors, and there must be room for as many.
#[inline(always)]
pub(super) unsafe fn columns<V: Vector, const A: usize>(lines: *const f32, to: *mut f32, step: usize) {
    for column in 0..A {
        // SAFETY: the caller's contract.
        unsafe {
            let mut line = [V::splat(0.0); A];
            for (row, value) in line.iter_mut().enumerate() {
                *value = V::load(lines.add((row * A + column) * V::LANES));
            }
            let line = transform::input(line);
            for (row, value) in line.into_iter().enumerate() {
                value.store(to.add((row * A + column) * step));
            }
        }
    }
}

/// Loads a tile's inputs in a plane, from `lane` of a block on, and transforms each row: `[row][point]`.
///
/// # Safety
/// The CPU must have V's instructions, the window must hold what the tile reads of the layer, and `lines` must have room for
/// `A × A` vectors.
#[inline(always)]
pub(super) unsafe fn voxels<V: Vector, const A: usize>(
    window: &Window,
    from: &[f32],
    block: usize,
    z: isize,
    corner: [usize; 2],
    lane: usize,
    lines: *mut f32,
) {
    let [y, x] = corner.map(|at| at as isize - 1);
    let clip = |range: Range<isize>| (range.start.max(0) as usize)..range.end.clamp(0, A as isize) as usize;
    // A row is surrounded by zeros, which need not be told from voxels where the window holds them.
    let held = window.held(2);
    let (rows, columns) = (clip(-y..window.layer[1] as isize - y), clip(held.start - x..held.end - x));
    // SAFETY: the caller's contract.
    unsafe {
        let zero = V::splat(0.0);
        for row in 0..A {
            let mut line = [zero; A];
            if rows.contains(&row) {
                let at = window.at(block, [z, y + row as isize, x + columns.start as isize]) + lane;
                let from = from.as_ptr().add(at).wrapping_sub(columns.start * BLOCK);
                if columns.len() == A {
                    for (at, value) in line.iter_mut().enumerate() {
                        *value = V::load(from.add(at * BLOCK));
                    }
                } else {
                    for (at, value) in line.iter_mut().enumerate() {
                        if columns.contains(&at) {
                            *value = V::load(from.wrapping_add(at * BLOCK));
                        }
                    }
                }
                line = transform::input(line);
            }
            for (at, value) in line.into_iter().enumerate() {
                value.store(lines.add((row * A + at) * V::LANES));
            }
        }
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
    lines: *mut f32,
) {
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
        for row in 0..A {
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
                if let Some(from) = begins(lane / ROW) {
                    if halved {
                        let mut values = [0.0; ROW];
                        values.as_mut_ptr().add(VOXEL).copy_from_nonoverlapping(from, VOXEL);
                        line[0] = V::load(values.as_ptr());
                    }
                    for column in whole.clone() {
                        line[column] = V::load(from.add(skip(column)));
                    }
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
            for (at, value) in transform::input(line).into_iter().enumerate() {
                value.store(lines.add((row * A + at) * V::LANES));
            }
        }
    }
}
