//! Comparison of rows of a tile with its candidates, all voxels of a row at once.

use super::candidates::Candidate;
use super::lanes::{LANES, Lanes};
use super::ranges::BLOCK;

/// Candidates of rows of a tile.
pub(super) struct Candidates<'a> {
    /// Candidates of the tile.
    pub(super) all: &'a [Candidate],
    /// Indices of those that may be nearest to a voxel of the rows.
    pub(super) remaining: &'a [u32],
    /// Mean intensities of all clusters.
    pub(super) colour: &'a [f32],
    /// Factor of the squared spatial distance.
    pub(super) weight: f32,
}

/// Returns one row of a tile, padded with `fill` if the border of the image cuts the tile.
#[inline(always)]
pub(super) fn padded<T: Copy>(row: &[T], fill: T) -> [T; LANES] {
    match row.first_chunk() {
        Some(row) => *row,
        None => padded_short(row, fill),
    }
}

/// Not inlined: the compiler would otherwise handle full rows lane by lane too.
#[inline(never)]
fn padded_short<T: Copy>(row: &[T], fill: T) -> [T; LANES] {
    std::array::from_fn(|i| row.get(i).copied().unwrap_or(fill))
}

/// Returns the labels of `ROWS` adjacent rows of the tile, the first of which is at `[z, y]` in the tile.
#[inline(always)]
pub(super) fn nearest<L: Lanes, const CHANNELS: usize, const ZERO: bool, const ROWS: usize>(
    candidates: &Candidates,
    values: &[[[f32; LANES]; BLOCK[1]]],
    [z, y]: [usize; 2],
    old: [[u32; LANES]; ROWS],
) -> [[u32; LANES]; ROWS] {
    let mut best = [L::splat(f32::INFINITY); ROWS];
    let mut nearest = [L::splat(0.0); ROWS];
    for row in 0..ROWS {
        nearest[row] = L::load_bits(&old[row]);
    }
    let channels = if CHANNELS == usize::MAX { values.len() } else { CHANNELS };
    let weight = L::splat(candidates.weight);
    for &index in candidates.remaining {
        let candidate = &candidates.all[index as usize];
        let dx = L::load(&candidate.dx);
        let cluster = L::splat_bits(candidate.cluster);
        let colours = if CHANNELS > 1 {
            &candidates.colour[candidate.cluster as usize * channels..][..channels]
        } else {
            &[]
        };
        for row in 0..ROWS {
            let near = candidate.dz[z] + candidate.dy[y + row];
            let mut total = L::splat(near).add(dx).mul(weight);
            if CHANNELS != 0 {
                let mut difference = L::splat(0.0);
                if CHANNELS == 1 {
                    let offset = L::load(&values[0][row]).sub(L::splat(candidate.colour));
                    difference = offset.mul(offset);
                }
                for (values, &colour) in values.iter().zip(colours) {
                    let offset = L::load(&values[row]).sub(L::splat(colour));
                    difference = difference.add(offset.mul(offset));
                }
                if ZERO {
                    difference = difference.div(L::splat(candidate.max_colour));
                }
                total = total.add(difference);
            }
            nearest[row] = cluster.select(total.less(best[row]), nearest[row]);
            best[row] = total.min(best[row]);
        }
    }
    let mut labels = old;
    for row in 0..ROWS {
        labels[row] = nearest[row].store_bits();
    }
    labels
}
