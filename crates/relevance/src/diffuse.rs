//! Diffused relevance: scores smoothed over the graph of neighbouring regions that are alike.
//!
//! A large tumour survives the loss of any one of its regions, so that scores of single regions are noisy within it. Its
//! regions touch and are alike. The diffused scores `r` minimise `Σ (r − s)² + λ Σ w (rᵢ − rⱼ)²`, the second sum over pairs
//! of neighbours, which is solving `(I + λL) r = s` with the graph's Laplacian `L`: A. J. Smola and R. Kondor, "Kernels
//! and Regularization on Graphs", COLT 2003, <https://doi.org/10.1007/978-3-540-45167-9_12>.
//!
//! Evidence for the target and evidence against it are diffused separately. Regions of one tumour often have scores of opposite
//! signs; smoothed together they would cancel, and the tumour would vanish. The diffused magnitude is the sum of both, and ranks
//! the regions; the diffused score is their difference.
//!
//! **What it finds.** What the given scores hold, and nothing else: it keeps their sum, and never leaves their range.
//! Where one region at a time shows nothing (either of two regions is enough, or a saturated sum), there is nothing to
//! diffuse. A single region unlike its neighbours keeps its score; a single one among its like is taken for noise.

use ndarray::Axis;
use relevox_perturb::ImageView;
use slic3d::Supervoxels;

use crate::borders::faces;
use crate::explainer::{Explainer, Inputs};
use crate::region_logits::check_grid;
use crate::relevance::{Sign, relevance_of_sums};
use crate::scores::{ScoreKind, score};
use crate::{Attribution, Error, Progress};

named! {
    /// The influence of the common border of two regions on the weight of their edge.
    pub enum Border, "border" {
        /// None.
        Ignored = "ignored", "Borders ignored";
        /// The weight is multiplied by the length of the border in voxel faces, over the mean length of the partition's
        /// borders.
        Length = "length", "Weighted by border";
    }
}

/// Settings of diffused relevance.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct Diffusion {
    /// The smoothed score.
    pub score: ScoreKind,
    /// Strength of the smoothing, λ, at least 0.
    pub lambda: f64,
    /// Width of the similarity kernel, in units of the median intensity distance between neighbours, above 0.
    pub scale: f64,
    /// The influence of borders.
    pub border: Border,
}

impl Default for Diffusion {
    fn default() -> Self {
        Self { score: ScoreKind::DeltaP, lambda: 4.0, scale: 0.5, border: Border::Ignored }
    }
}

checked! {
    /// Valid settings of [`Diffusion`].
    pub struct ValidDiffusion(Diffusion);
}

impl Diffusion {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] with the first setting that is out of range.
    pub fn check(self) -> Result<ValidDiffusion, Error> {
        if !(self.lambda.is_finite() && self.lambda >= 0.0) {
            return Err(Error::setting("diffused relevance: lambda", "a number of at least 0", self.lambda));
        }
        if !(self.scale.is_finite() && self.scale > 0.0) {
            return Err(Error::setting("diffused relevance: scale", "a number above 0", self.scale));
        }
        Ok(ValidDiffusion(self))
    }
}

impl Explainer for ValidDiffusion {
    fn explain(&self, inputs: &Inputs<'_>, progress: Progress<'_>) -> Result<Attribution, Error> {
        let Inputs { baseline, regions, fill, target } = *inputs;
        let graph = RegionGraph::new(baseline.image(), regions, self)?;
        let scores = score(baseline, regions, fill, target, progress)?.values(self.0.score);
        let Diffused { values, magnitudes } = graph.diffuse(&scores, self)?;
        Ok(Attribution { magnitudes, ..Attribution::new(baseline, regions, target, values)? })
    }
}

/// Diffused scores by region.
#[derive(Clone, Debug, PartialEq)]
pub struct Diffused {
    /// Diffused scores, with their signs: evidence for the target less evidence against it.
    pub values: Vec<f64>,
    /// Diffused magnitudes of the scores: the sum of both.
    pub magnitudes: Vec<f64>,
}

impl Diffused {
    /// Computes the relevance 0..100 by region, min-max scaled; all 0 if nothing stands out.
    pub fn relevance(&self, sign: Sign) -> Vec<f64> {
        relevance_of_sums(&self.values, &self.magnitudes, sign)
    }
}

/// The regions of a partition as a graph: edges join neighbours, weighted by similarity.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionGraph {
    regions: usize,
    /// Each pair of neighbours once, the lower index first.
    edges: Vec<(usize, usize, f64)>,
}

impl RegionGraph {
    /// Creates the graph of a partition, from the `scale` and the `border` of the settings.
    ///
    /// Neighbours share a voxel face. An edge has weight `exp(−d² / 2σ²)`, where `d` is the Euclidean distance between the
    /// two regions' mean intensities over all channels, and `σ` is `scale` times the median of the distances that are not
    /// 0: intensities may be in any unit.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if the partition lies on another grid, and [`Error::NonFinite`] if a mean intensity
    /// is NaN or infinite.
    pub fn new(
        image: ImageView<'_>,
        regions: &Supervoxels,
        settings: &ValidDiffusion,
    ) -> Result<Self, Error> {
        check_grid(image, regions)?;
        let Diffusion { scale, border, .. } = settings.0;
        let Ok(means) = regions.mean_features(image) else {
            return Ok(Self { regions: regions.len(), edges: Vec::new() });
        };
        if let Some(&value) = means.iter().find(|mean| !mean.is_finite()) {
            return Err(Error::NonFinite { what: "a region's mean intensity".into(), value: value as f32 });
        }
        let faces = faces(regions);
        let distance = |(i, j): (usize, usize)| {
            (&means.index_axis(Axis(0), i) - &means.index_axis(Axis(0), j)).pow2().sum().sqrt()
        };
        let distances: Vec<f64> = faces.keys().map(|&pair| distance(pair)).collect();
        let sigma = scale * median_above_0(&distances);
        let mean_faces = faces.values().sum::<usize>() as f64 / faces.len().max(1) as f64;
        let edges = faces.iter().zip(&distances).map(|((&(i, j), &length), d)| {
            let similarity = if *d == 0.0 { 1.0 } else { (-d * d / (2.0 * sigma * sigma)).exp() };
            let length = match border {
                Border::Ignored => 1.0,
                Border::Length => length as f64 / mean_faces,
            };
            (i, j, similarity * length)
        });
        Ok(Self { regions: regions.len(), edges: edges.collect() })
    }

    /// Returns pairs of neighbours with the weights of their edges.
    pub fn edges(&self) -> &[(usize, usize, f64)] {
        &self.edges
    }

    /// Diffuses scores and their magnitudes.
    ///
    /// # Shapes
    /// `scores` has one value per region, and so have both results.
    ///
    /// # Errors
    /// Returns [`Error::ShapeMismatch`] if there is another number of scores, and [`Error::NonFinite`] if one is NaN or
    /// infinite.
    pub fn diffuse(&self, scores: &[f64], settings: &ValidDiffusion) -> Result<Diffused, Error> {
        let magnitudes: Vec<f64> = scores.iter().map(|score| score.abs()).collect();
        Ok(Diffused {
            values: self.smooth(scores, settings)?,
            magnitudes: self.smooth(&magnitudes, settings)?,
        })
    }

    /// Solves `(I + λL) r = s` by conjugate gradients, with the `lambda` of the settings.
    fn smooth(&self, scores: &[f64], settings: &ValidDiffusion) -> Result<Vec<f64>, Error> {
        if scores.len() != self.regions {
            return Err(Error::ShapeMismatch {
                what: "the number of region scores",
                expected: vec![self.regions],
                found: vec![scores.len()],
            });
        }
        if let Some(&value) = scores.iter().find(|score| !score.is_finite()) {
            return Err(Error::NonFinite { what: "a region's score".into(), value: value as f32 });
        }
        let lambda = settings.0.lambda;
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

    /// Computes `(I + λL) v`.
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

/// Returns the median of the distances that are not 0; 1 if there are none.
fn median_above_0(distances: &[f64]) -> f64 {
    let mut above: Vec<f64> = distances.iter().copied().filter(|d| *d > 0.0).collect();
    above.sort_by(f64::total_cmp);
    above.get(above.len() / 2).copied().unwrap_or(1.0)
}
