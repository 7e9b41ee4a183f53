//! The connectivity pass of scikit-image, component by component and in parallel.
//!
//! scikit-image visits the voxels in row-major order and searches the component of each unlabelled one. The result of a search
//! depends on its own component and on the components that begin before it, but not on their labels. Components are therefore
//! found by union-find, and only those that are cut or merged are searched.

use rayon::prelude::*;

use super::components::{Component, Components, LARGE, MOST_VOXELS, NONE};
use super::limits::SizeLimits;
use super::places::{Grid, NEIGHBOURS, Place};
use super::plain;
use crate::labels::UNASSIGNED;
use crate::prefetch::prefetch;

/// Small pieces are searched in this many groups for each thread, so that threads finish together.
const GROUPS: usize = 8;

/// Neighbours are prefetched for the voxel that is so many further in the queue, or the piece so many further on.
const AHEAD: usize = 16;

/// Computes the labels of [`plain::enforce`]. `buffer` has the length of `labels`; its content does not matter.
pub(super) fn enforce(
    labels: Vec<u32>,
    shape: [usize; 3],
    limits: SizeLimits,
    mut buffer: Vec<u32>,
) -> Vec<u32> {
    let grid = match Grid::new(shape) {
        Some(grid) if labels.len() < MOST_VOXELS && limits.min <= limits.max => grid,
        _ => return plain::enforce(&labels, shape, limits),
    };
    // A component has at least the voxel that it begins with.
    let most = limits.max.max(1);
    let Components { mut of_voxel, all: mut pieces } = Components::find(labels, shape, most, &mut buffer);
    let components = pieces.len();
    pieces.retain(|component| component.voxels as usize <= most);
    if pieces.len() < components {
        pieces.extend(cut(&grid, &mut of_voxel, most));
        // Two ascending sequences, which are merged.
        pieces.sort_by_key(|piece| piece.first);
    }
    label_pieces(&grid, &of_voxel, &pieces, limits.min, &mut buffer);
    let new = &buffer;
    of_voxel.par_iter_mut().with_min_len(1 << 16).for_each(|entry| {
        *entry = new.get(*entry as usize).copied().unwrap_or(UNASSIGNED);
    });
    of_voxel
}

/// Number of voxels that are tested for large components at once.
const CHUNK: usize = 64;

/// Cuts large components into pieces by breadth-first searches that stop at `most` voxels, and returns the pieces in the order
/// of their first voxels.
fn cut(grid: &Grid, of_voxel: &mut [u32], most: usize) -> Vec<Component> {
    let is_large = |component: u32| (component & LARGE != 0) & (component != NONE);
    let mut pieces = Vec::new();
    let mut queue = Vec::new();
    for start in (0..of_voxel.len()).step_by(CHUNK) {
        let end = of_voxel.len().min(start + CHUNK);
        if !of_voxel[start..end].iter().fold(false, |any, &component| any | is_large(component)) {
            continue;
        }
        for first in start..end {
            if is_large(of_voxel[first]) {
                search_piece(grid, of_voxel, first as u32, most, &mut queue);
                pieces.push(Component { first: first as u32, voxels: queue.len() as u32 });
            }
        }
    }
    pieces
}

/// Searches the voxels of a large component from `first` on, those that are in no piece yet and at most `most`. They become the
/// piece `first`, without the mark of large components, and are left in `queue`.
fn search_piece(grid: &Grid, of_voxel: &mut [u32], first: u32, most: usize, queue: &mut Vec<Place>) {
    let component = of_voxel[first as usize];
    queue.clear();
    queue.push(grid.place(first));
    of_voxel[first as usize] = first;
    let mut visited = 0;
    while visited < queue.len() && queue.len() < most {
        let neighbours = grid.neighbours(queue[visited]);
        if let Some(&ahead) = queue.get(visited + AHEAD) {
            grid.distant_neighbours(ahead).into_iter().for_each(|there| prefetch(of_voxel, there));
        }
        let mut length = queue.len();
        queue.resize(length + NEIGHBOURS, Place::default());
        for there in neighbours {
            let entry = &mut of_voxel[there.voxel as usize];
            let belongs = *entry == component && length < most;
            *entry = if belongs { first } else { *entry };
            queue[length] = there;
            length += usize::from(belongs);
        }
        queue.truncate(length);
        visited += 1;
    }
}

/// Sets the label of each piece, at its first voxel: the next one, or, for one of fewer than `min` voxels, that of the last
/// neighbour that its search encounters and that has a label other than the next one.
fn label_pieces(grid: &Grid, of_voxel: &[u32], pieces: &[Component], min: usize, labels: &mut [u32]) {
    let small = |piece: &Component| (piece.voxels as usize) < min;
    let plane = grid.plane();
    let group = pieces.len().div_ceil(GROUPS * rayon::current_num_threads()).max(1);
    // A piece is labelled before all that begin after it.
    let last: Vec<Vec<u32>> = pieces
        .par_chunks(group)
        .map(|pieces| {
            let mut search = Search::new(grid, of_voxel);
            let last = |(index, piece): (usize, &Component)| {
                if let Some(ahead) = pieces.get(index + AHEAD) {
                    prefetch(of_voxel, ahead.first as usize + plane);
                }
                search.last_neighbour(piece, |other| other < piece.first)
            };
            pieces.iter().enumerate().filter(|(_, piece)| small(piece)).map(last).collect()
        })
        .collect();
    let mut last = last.into_iter().flatten();
    let mut search = Search::new(grid, of_voxel);
    let mut next = 0;
    for piece in pieces {
        let mut label = next;
        if !small(piece) {
            next += 1;
        } else if let Some(&adjacent) = last.next().and_then(|last| labels.get(last as usize)) {
            label = adjacent;
            if adjacent == next {
                // Small pieces without such a neighbour share the next label, and do not count for their own neighbours.
                let counts = |other: u32| other < piece.first && labels[other as usize] != next;
                let last = search.last_neighbour(piece, counts);
                label = labels.get(last as usize).copied().unwrap_or(next);
            }
        }
        labels[piece.first as usize] = label;
    }
}

/// Breadth-first searches of pieces, with their buffers.
struct Search<'a> {
    grid: &'a Grid,
    of_voxel: &'a [u32],
    queue: Vec<Place>,
    /// One bit for each voxel that is found; none between searches.
    found: Vec<u64>,
}

impl<'a> Search<'a> {
    fn new(grid: &'a Grid, of_voxel: &'a [u32]) -> Self {
        Search { grid, of_voxel, queue: Vec::new(), found: vec![0; of_voxel.len().div_ceil(64)] }
    }

    /// Returns the last piece that `counts` among those that a search of `piece` encounters, or [`NONE`].
    #[inline(always)]
    fn last_neighbour(&mut self, piece: &Component, counts: impl Fn(u32) -> bool) -> u32 {
        let Search { grid, of_voxel, queue, found } = self;
        let mut last = NONE;
        let first = grid.place(piece.first);
        if piece.voxels == 1 {
            for there in grid.neighbours(first) {
                let other = of_voxel[there.voxel as usize];
                last = if counts(other) { other } else { last };
            }
            return last;
        }
        queue.clear();
        queue.resize(piece.voxels as usize + NEIGHBOURS, first);
        found[piece.first as usize / 64] |= 1 << (piece.first % 64);
        let mut length = 1;
        for visited in 0..piece.voxels as usize {
            for there in grid.neighbours(queue[visited]) {
                let voxel = there.voxel as usize;
                let other = of_voxel[voxel];
                last = if counts(other) { other } else { last };
                // Whether a neighbour belongs to the piece and is not found yet cannot be predicted: it is always written.
                let belongs = u64::from(other == piece.first);
                let (word, bit) = (&mut found[voxel / 64], voxel % 64);
                queue[length] = there;
                length += (belongs & !(*word >> bit)) as usize;
                *word |= belongs << bit;
            }
        }
        for place in &queue[..length] {
            found[place.voxel as usize / 64] = 0;
        }
        last
    }
}
