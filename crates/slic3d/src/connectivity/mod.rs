//! Connectivity after k-means: small connected components are merged into a neighbour, large ones are split.
//!
//! [`enforce`] reproduces the labels of scikit-image; [`enforce_strict`] adds the guarantees that scikit-image does not
//! give.

mod components;
mod graph;
mod limits;
mod neighbours;
mod pieces;
mod places;
mod plain;
mod strict;
#[cfg(test)]
mod tests;

pub(crate) use limits::SizeLimits;
pub(crate) use strict::{Demand, enforce_strict};

/// Relabels connected components from 0 in the order of their first voxels, as scikit-image does.
///
/// `buffer` has the length of `labels`, whose memory becomes the result; its content does not matter.
pub(crate) fn enforce(labels: Vec<u32>, shape: [usize; 3], limits: SizeLimits, buffer: Vec<u32>) -> Vec<u32> {
    pieces::enforce(labels, shape, limits, buffer)
}
