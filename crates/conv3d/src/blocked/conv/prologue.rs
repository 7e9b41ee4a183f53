//! Pointwise convolution of inputs that are normalised and activated as they are read.

use super::super::rectifier::Rectifier;
use super::super::tile::MOST_ROWS;
use super::super::window::BLOCK;
use super::spans::{Spans, Unit, View};
use crate::simd::scratch::Scratch;
use crate::simd::{Kernel, Vector};
use std::ops::Range;

/// Activated inputs in memory at once: 256 KiB, which fit into a second-level cache.
const ACTIVATED: usize = 1 << 16;

/// `rectifier(scale · x + shift)`, by lane.
#[derive(Clone, Debug)]
pub struct Prologue {
    /// Factor of each lane; 0 for padding.
    pub scale: Vec<f32>,
    /// Summand of each lane; 0 for padding.
    pub shift: Vec<f32>,
    /// The activation.
    pub rectifier: Rectifier,
}

/// Some units of some groups of output blocks.
pub(super) struct Task<'a> {
    pub(super) conv: View<'a>,
    pub(super) prologue: &'a Prologue,
    pub(super) units: &'a [Unit],
    pub(super) groups: Range<usize>,
}

impl Kernel for Task<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let Task { conv, prologue, units, groups } = self;
        let in_blocks = conv.layout.in_blocks;
        let values = |unit: &Unit| unit.rows * unit.width() * in_blocks * BLOCK;
        let mut scratch = Scratch::take();
        let mut spans = Spans { steps: BLOCK, stride: BLOCK, ..Spans::default() };
        let mut rest = units;
        while !rest.is_empty() {
            let mut len = 0;
            let fits = rest.iter().take_while(|unit| {
                len += values(unit);
                len <= ACTIVATED
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            let total = now.iter().map(values).sum();
            let (activated, _) = scratch.lend(total, 0);
            let mut to = 0;
            for unit in now {
                // SAFETY: the caller has V's instructions; `Convolution::run` checked that the window holds the unit.
                unsafe { activate::<V>(&conv, prologue, unit, &mut activated[to..][..values(unit)]) };
                to += values(unit);
            }
            for group in groups.clone() {
                let (_, blocks) = conv.layout.blocks_of(group);
                let weights = conv.weights_of(group);
                for inputs in conv.layout.passes(blocks) {
                    let (begins, ends) = (inputs.start == 0, inputs.end == in_blocks);
                    let mut from = 0;
                    for unit in now {
                        let (rows, row_len) = (unit.rows, unit.width() * BLOCK);
                        spans.weights.clear();
                        spans.inputs.clear();
                        for block in inputs.clone() {
                            let first = from + block * rows * row_len;
                            let row = |row: usize| activated[first + row.min(rows - 1) * row_len..].as_ptr();
                            spans.weights.push(weights[block * BLOCK * blocks * BLOCK..].as_ptr());
                            spans.inputs.push(std::array::from_fn::<_, MOST_ROWS, _>(row));
                        }
                        // SAFETY: the caller has V's instructions; the activated inputs hold the unit's rows in all
                        // blocks, the windows its outputs, and no two tasks share a unit and a group.
                        unsafe { conv.unit::<V>(unit, &spans, group, begins, ends) };
                        from += values(unit);
                    }
                }
            }
            rest = later;
        }
    }
}

/// Computes a unit's inputs, `[block][row][x][lane]`.
///
/// # Safety
/// The CPU must have V's instructions, and the input window must hold the unit.
#[inline(always)]
unsafe fn activate<V: Vector>(conv: &View<'_>, prologue: &Prologue, unit: &Unit, to: &mut [f32]) {
    let (window, values) = conv.parts[unit.part].input;
    let row_len = unit.width() * BLOCK;
    for (row, to) in to.chunks_exact_mut(row_len).enumerate() {
        let (block, row) = (row / unit.rows, row % unit.rows);
        let from = window.at(block, [unit.z, unit.y + row, unit.x.0].map(|at| at as isize));
        let from = &values[from..from + row_len];
        for lane in (0..BLOCK).step_by(V::LANES) {
            let parameter = block * BLOCK + lane;
            // SAFETY: the caller has V's instructions; both rows have whole blocks, the prologue all lanes.
            unsafe {
                let scale = V::load(prologue.scale[parameter..].as_ptr());
                let shift = V::load(prologue.shift[parameter..].as_ptr());
                for at in (lane..row_len).step_by(BLOCK) {
                    let value = shift.fma(V::load(from.as_ptr().add(at)), scale);
                    prologue.rectifier.apply(value).store(to.as_mut_ptr().add(at));
                }
            }
        }
    }
}
