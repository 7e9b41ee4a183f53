//! Diffused relevance: scores smoothed over the graph of neighbouring regions that look alike.
//!
//! A large tumour survives the loss of any one of its regions, so that scores of single regions are noisy within it. Its
//! regions touch and look alike. The diffused scores `r` minimise `Σ (r − s)² + λ Σ w (rᵢ − rⱼ)²`, the second sum over pairs
//! of neighbours, which is solving `(I + λL) r = s` with the graph's Laplacian `L`: A. J. Smola and R. Kondor, "Kernels
//! and Regularization on Graphs", COLT 2003, <https://doi.org/10.1007/978-3-540-45167-9_12>.
//!
//! **What it finds.** What the scores that it is given hold, and nothing else: it keeps their sum, and never leaves their
//! range. Where one region at a time shows nothing (either of two regions is enough, or a saturated sum), there is
//! nothing to diffuse. A lone region unlike its neighbours keeps its score; a lone one among its like is
//! taken for noise.

use std::collections::BTreeMap;

use ndarray::{ArrayView4, Axis};
use slic3d::Supervoxels;

use crate::Error;
use crate::classifier::check_grid;

/// What an edge weighs, besides the likeness of its two regions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Border {
    /// Nothing.
    #[default]
    Ignored,
    /// Times the length of the common border in voxel faces, over the mean length of the partition's borders.
    Length,
}

/// The regions of a partition, and how strongly neighbours hold together.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionGraph {
    regions: usize,
    /// Each pair of neighbours once, the lower first.
    edges: Vec<(usize, usize, f64)>,
}

impl RegionGraph {
    /// Neighbours share a voxel face. An edge weighs `exp(−d² / 2σ²)`, where `d` is the Euclidean distance of the two
    /// regions' mean intensities over all sequences, and `σ` is `scale` times the median of the distances that are not 0:
    /// intensities may be in any unit.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
    ///
    /// # Errors
    /// A partition on another grid; a scale that is not above 0; means that are not finite.
    pub fn new(
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        scale: f64,
        border: Border,
    ) -> Result<Self, Error> {
        check_grid(image, regions)?;
        if !(scale.is_finite() && scale > 0.0) {
            return Err(setting("scale", "a number above 0", scale));
        }
        let Ok(means) = regions.mean_features(image) else {
            return Ok(Self { regions: regions.len(), edges: Vec::new() });
        };
        if let Some(&value) = means.iter().find(|mean| !mean.is_finite()) {
            return Err(setting("mean intensities", "finite ones", value));
        }
        let faces = faces(regions);
        let distance = |(i, j): (usize, usize)| {
            (&means.index_axis(Axis(0), i) - &means.index_axis(Axis(0), j)).pow2().sum().sqrt()
        };
        let distances: Vec<f64> = faces.keys().map(|&pair| distance(pair)).collect();
        let sigma = scale * median_above_0(&distances);
        let mean_faces = faces.values().sum::<usize>() as f64 / faces.len().max(1) as f64;
        let edges = faces.iter().zip(&distances).map(|((&(i, j), &length), d)| {
            let likeness = if *d == 0.0 { 1.0 } else { (-d * d / (2.0 * sigma * sigma)).exp() };
            let length = match border {
                Border::Ignored => 1.0,
                Border::Length => length as f64 / mean_faces,
            };
            (i, j, likeness * length)
        });
        Ok(Self { regions: regions.len(), edges: edges.collect() })
    }

    /// Pairs of neighbours with their weights.
    pub fn edges(&self) -> &[(usize, usize, f64)] {
        &self.edges
    }

    /// Solves `(I + λL) r = s` by conjugate gradients.
    ///
    /// # Shapes
    /// One score for each region.
    ///
    /// # Errors
    /// Another number of scores, scores that are not finite, a λ below 0.
    pub fn diffuse(&self, scores: &[f64], lambda: f64) -> Result<Vec<f64>, Error> {
        if scores.len() != self.regions {
            return Err(Error::ShapeMismatch {
                what: "the number of region scores",
                expected: vec![self.regions],
                found: vec![scores.len()],
            });
        }
        if !(lambda.is_finite() && lambda >= 0.0) {
            return Err(setting("lambda", "a number of at least 0", lambda));
        }
        if let Some(&value) = scores.iter().find(|score| !score.is_finite()) {
            return Err(setting("scores", "finite ones", value));
        }
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut found = scores.to_vec();
        let applied = self.apply(&found, lambda);
        let mut rest: Vec<f64> = scores.iter().zip(applied).map(|(s, a)| s - a).collect();
        let mut direction = rest.clone();
        let mut left = dot(&rest, &rest);
        let enough = 1e-28 * dot(scores, scores);
        // The condition number is at most 1 + 2λ·degree: far fewer steps are taken.
        for _ in 0..10 * self.regions + 100 {
            if left <= enough {
                break;
            }
            let applied = self.apply(&direction, lambda);
            let step = left / dot(&direction, &applied);
            for i in 0..self.regions {
                found[i] += step * direction[i];
                rest[i] -= step * applied[i];
            }
            let now = dot(&rest, &rest);
            let turn = now / left;
            left = now;
            direction.iter_mut().zip(&rest).for_each(|(d, r)| *d = r + turn * *d);
        }
        Ok(found)
    }

    /// `(I + λL) v`.
    fn apply(&self, values: &[f64], lambda: f64) -> Vec<f64> {
        let mut result = values.to_vec();
        for &(i, j, weight) in &self.edges {
            let flow = lambda * weight * (values[i] - values[j]);
            result[i] += flow;
            result[j] -= flow;
        }
        result
    }
}

fn setting(setting: &'static str, expected: &'static str, found: f64) -> Error {
    Error::Setting { explainer: "diffused relevance", setting, expected, found }
}

/// Voxel faces between each pair of regions, the lower index first.
fn faces(regions: &Supervoxels) -> BTreeMap<(usize, usize), usize> {
    let labels = regions.labels();
    let (depth, height, width) = labels.dim();
    let mut by_ids: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for ((z, y, x), &here) in labels.indexed_iter() {
        let ahead = [
            (x + 1 < width).then(|| labels[[z, y, x + 1]]),
            (y + 1 < height).then(|| labels[[z, y + 1, x]]),
            (z + 1 < depth).then(|| labels[[z + 1, y, x]]),
        ];
        for there in ahead.into_iter().flatten().filter(|&there| there != here) {
            *by_ids.entry((here.min(there), here.max(there))).or_default() += 1;
        }
    }
    let indexed = by_ids
        .into_iter()
        .filter_map(|((a, b), count)| Some(((regions.index_of(a)?, regions.index_of(b)?), count)));
    indexed.collect()
}

fn median_above_0(distances: &[f64]) -> f64 {
    let mut above: Vec<f64> = distances.iter().copied().filter(|d| *d > 0.0).collect();
    above.sort_by(f64::total_cmp);
    above.get(above.len() / 2).copied().unwrap_or(1.0)
}
