//! Connectivity after k-means: small connected components are merged into a neighbour, large ones are split.
//!
//! [`enforce`] reproduces the labels of scikit-image; [`enforce_strict`] adds the guarantees that scikit-image does not
//! give.

mod graph;
mod limits;
mod links;
mod neighbours;
mod plain;
mod runs;
mod strict;
#[cfg(test)]
mod tests;

pub(crate) use limits::SizeLimits;
pub(crate) use strict::{Demand, enforce_strict};

/// Relabels connected components from 0 in the order of their first voxels, as scikit-image does.
///
/// `buffer` becomes the result: it has the length of `labels` and all its voxels are unassigned.
pub(crate) fn enforce(labels: &[u32], shape: [usize; 3], limits: SizeLimits, buffer: Vec<u32>) -> Vec<u32> {
    if limits.max < limits.min {
        return plain::enforce(labels, shape, limits, buffer);
    }
    runs::enforce(labels, shape, limits, buffer)
        .unwrap_or_else(|buffer| links::enforce(labels, shape, limits, buffer))
}
