//! Some units of some groups of output blocks.

use super::super::tile::MOST_ROWS;
use super::super::window::BLOCK;
use super::ahead::Ahead;
use super::prologue::{self, Prologue};
use super::spans::{Pass, Spans, Unit, View};
use crate::simd::scratch::Scratch;
use crate::simd::{Kernel, Vector};
use std::ops::Range;

/// Inputs of a pointwise convolution that are read for all groups before the next ones: 256 KiB, which with those that are
/// requested meanwhile and the weights fit into a second-level cache.
const TOGETHER: usize = 1 << 16;

/// Computes units from the input layers, or from activated inputs.
pub(super) struct Task<'a> {
    pub(super) conv: View<'a>,
    pub(super) prologue: Option<&'a Prologue>,
    /// All units, and those of the task.
    pub(super) units: &'a [Unit],
    pub(super) range: Range<usize>,
    pub(super) groups: Range<usize>,
    /// Inputs of a row outside the layer.
    pub(super) zeros: &'a [f32],
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Task { conv, prologue, units, range, groups, zeros } = self;
        let in_blocks = conv.layout.in_blocks;
        let passes: usize =
            groups.clone().map(|group| conv.layout.passes(conv.layout.blocks_of(group).1).count()).sum();
        let mut scratch = Scratch::take();
        let mut spans = Spans::default();
        let mut rows: Vec<[*const f32; MOST_ROWS]> = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let end = start + together(&conv, &units[start..range.end]);
            let now = &units[start..end];
            // The units after the task's last are the next task's, which is probably this thread's too.
            let next = &units[end..][..together(&conv, &units[end..])];
            start = end;
            let mut ahead = Ahead::new(&conv, next, passes * now.len());
            let activated: &[f32] = match prologue {
                None => &[],
                Some(prologue) => {
                    let (to, _) = scratch.lend(now.iter().map(|unit| conv.inputs(unit)).sum(), 0);
                    // SAFETY: the caller has V's instructions; `Convolution::run` checked that the windows hold the units.
                    unsafe { prologue::activate::<V>(&conv, prologue, now, to) };
                    to
                }
            };
            // Where all read one voxel, they read the same for all groups.
            let pointwise = prologue.is_some()
                || conv.layout.is_pointwise() && now.iter().all(|unit| conv.is_inside(unit));
            rows.clear();
            if pointwise {
                let mut activated = activated;
                for unit in now {
                    let steps = if prologue.is_some() {
                        let (own, others) = activated.split_at(conv.inputs(unit));
                        activated = others;
                        activated_steps(unit, own)
                    } else {
                        voxel_steps(&conv, unit)
                    };
                    by_block(unit, in_blocks, steps, &mut rows);
                }
            }
            let x = if prologue.is_some() { BLOCK } else { conv.layout.taps.stride[2] * BLOCK };
            for group in groups.clone() {
                let (_, blocks) = conv.layout.blocks_of(group);
                for inputs in conv.layout.passes(blocks) {
                    let (begins, ends) = (inputs.start == 0, inputs.end == in_blocks);
                    if pointwise {
                        spans.weights_by_block(&conv, group, &inputs);
                    }
                    for (at, unit) in now.iter().enumerate() {
                        let pass = if pointwise {
                            let inputs = &rows[at * in_blocks..][inputs.clone()];
                            Pass { weights: &spans.weights, inputs, steps: BLOCK, stride: x }
                        } else {
                            spans.fill(&conv, unit, group, &inputs, zeros);
                            spans.pass()
                        };
                        // SAFETY: the caller has V's instructions; `Convolution::run` checked that the windows hold what the
                        // unit reads and writes, and activated inputs hold the unit's rows in all blocks; no two units share a
                        // voxel of a block, nor the zeros beside a row's end.
                        unsafe {
                            conv.unit::<V>(unit, pass, group, begins, ends);
                            ahead.request::<V>();
                        }
                    }
                }
            }
        }
    }
}

/// Returns how many of these units are computed for all groups before the next ones are: as many as the second-level cache
/// holds, or all where groups are tasks of their own.
fn together(conv: &View<'_>, units: &[Unit]) -> usize {
    if !conv.layout.is_pointwise() {
        return units.len();
    }
    let mut len = 0;
    let fits = units.iter().take_while(|unit| {
        len += conv.inputs(unit);
        len <= TOGETHER
    });
    fits.count().max(1).min(units.len())
}

/// Where a unit's inputs begin, and values between its blocks and its rows.
type Steps = (*const f32, [usize; 2]);

/// Returns where a unit's activated inputs `[block][row][x][lane]` lie.
fn activated_steps(unit: &Unit, activated: &[f32]) -> Steps {
    let row_len = unit.width() * BLOCK;
    (activated.as_ptr(), [unit.rows * row_len, row_len])
}

/// Returns where the inputs of a pointwise convolution's unit lie.
fn voxel_steps(conv: &View<'_>, unit: &Unit) -> Steps {
    let stride = conv.layout.taps.stride;
    let (window, values) = conv.parts[unit.part].input;
    let voxel = [unit.z * stride[0], unit.y * stride[1], unit.x.0 * stride[2]];
    let first = values[window.at(0, voxel.map(|at| at as isize))..].as_ptr();
    (first, [window.block_len(), stride[1] * window.row_len()])
}

/// Collects the rows of a unit's inputs, by block.
fn by_block(
    unit: &Unit,
    blocks: usize,
    (first, [block, row]): Steps,
    rows: &mut Vec<[*const f32; MOST_ROWS]>,
) {
    for at in 0..blocks {
        let first = first.wrapping_add(at * block);
        rows.push(std::array::from_fn(|at| first.wrapping_add(at.min(unit.rows - 1) * row)));
    }
}

impl Spans {
    /// Collects the weights of a pointwise convolution.
    fn weights_by_block(&mut self, conv: &View<'_>, group: usize, blocks: &Range<usize>) {
        let by_block = BLOCK * conv.layout.blocks_of(group).1 * BLOCK;
        self.weights.clear();
        self.weights.extend(
            conv.weights_of(group)
                .chunks_exact(by_block)
                .skip(blocks.start)
                .take(blocks.len())
                .map(<[f32]>::as_ptr),
        );
    }
}
