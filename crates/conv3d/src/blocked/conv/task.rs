//! Some units of some groups of output blocks.

use super::super::tile::MOST_ROWS;
use super::super::window::BLOCK;
use super::ahead::Ahead;
use super::prologue::{self, Prologue};
use super::spans::{Spans, Unit, View};
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
            for group in groups.clone() {
                let (_, blocks) = conv.layout.blocks_of(group);
                for inputs in conv.layout.passes(blocks) {
                    let (begins, ends) = (inputs.start == 0, inputs.end == in_blocks);
                    let mut from = activated;
                    for unit in now {
                        if prologue.is_some() {
                            let (own, others) = from.split_at(conv.inputs(unit));
                            spans.of_activated(&conv, unit, group, &inputs, own);
                            from = others;
                        } else if conv.layout.is_pointwise() && conv.is_inside(unit) {
                            spans.of_voxels(&conv, unit, group, &inputs);
                        } else {
                            spans.fill(&conv, unit, group, &inputs, zeros);
                        }
                        // SAFETY: the caller has V's instructions; `Convolution::run` checked that the windows hold what the
                        // unit reads and writes, and activated inputs hold the unit's rows in all blocks; no two units share a
                        // voxel of a block, nor the zeros beside a row's end.
                        unsafe {
                            conv.unit::<V>(unit, &spans, group, begins, ends);
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

impl Spans {
    /// Collects the spans of a unit's activated inputs `[block][row][x][lane]`.
    fn of_activated(
        &mut self,
        conv: &View<'_>,
        unit: &Unit,
        group: usize,
        blocks: &Range<usize>,
        activated: &[f32],
    ) {
        let row_len = unit.width() * BLOCK;
        let steps = [unit.rows * row_len, row_len, BLOCK];
        self.by_block(conv, unit.rows, group, blocks, (activated.as_ptr(), steps));
    }

    /// Collects the spans of a unit of a pointwise convolution.
    fn of_voxels(&mut self, conv: &View<'_>, unit: &Unit, group: usize, blocks: &Range<usize>) {
        let stride = conv.layout.taps.stride;
        let (window, values) = conv.parts[unit.part].input;
        let voxel = [unit.z * stride[0], unit.y * stride[1], unit.x.0 * stride[2]];
        let first = values[window.at(0, voxel.map(|at| at as isize))..].as_ptr();
        let steps = [window.block_len(), stride[1] * window.row_len(), stride[2] * BLOCK];
        self.by_block(conv, unit.rows, group, blocks, (first, steps));
    }

    /// Collects spans of one voxel each, `[block, row, x]` apart.
    fn by_block(
        &mut self,
        conv: &View<'_>,
        rows: usize,
        group: usize,
        blocks: &Range<usize>,
        (first, [block, row, x]): (*const f32, [usize; 3]),
    ) {
        let weights = conv.weights_of(group).as_ptr();
        let by_block = BLOCK * conv.layout.blocks_of(group).1 * BLOCK;
        (self.steps, self.stride) = (BLOCK, x);
        self.weights.clear();
        self.inputs.clear();
        for at in blocks.clone() {
            let first = first.wrapping_add(at * block);
            self.weights.push(weights.wrapping_add(at * by_block));
            self.inputs.push(std::array::from_fn::<_, MOST_ROWS, _>(|at| {
                first.wrapping_add(at.min(rows - 1) * row)
            }));
        }
    }
}
