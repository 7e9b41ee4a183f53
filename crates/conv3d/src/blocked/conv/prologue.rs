//! Inputs of a pointwise convolution that are normalised and activated as they are read.

use super::super::rectifier::Rectifier;
use super::super::window::BLOCK;
use super::spans::{Unit, View};
use crate::simd::Vector;

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

/// Computes the inputs of units one after the other, `[block][row][x][lane]` each.
///
/// # Safety
/// The CPU must have V's instructions, and the input windows must hold the units.
#[inline(always)]
pub(super) unsafe fn activate<V: Vector>(
    conv: &View<'_>,
    prologue: &Prologue,
    units: &[Unit],
    to: &mut [f32],
) {
    // A copy, which stores to `to` cannot change.
    let rectifier = prologue.rectifier;
    // Blocks are apart in memory, rows side by side: one block of all units after the other.
    for block in 0..conv.layout.in_blocks {
        let mut first = 0;
        for unit in units {
            let (window, values) = conv.parts[unit.part].input;
            let row_len = unit.width() * BLOCK;
            let to = &mut to[first + block * unit.rows * row_len..][..unit.rows * row_len];
            first += conv.inputs(unit);
            for (row, to) in to.chunks_exact_mut(row_len).enumerate() {
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
                            rectifier.apply(value).store(to.as_mut_ptr().add(at));
                        }
                    }
                }
            }
        }
    }
}
