//! RISE in 3D: the logit's mean over random masks that keep a region, compared with its mean over all masks.
//!
//! V. Petsiuk, A. Das and K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
//! <https://doi.org/10.48550/arXiv.1806.07421>. Its saliency is `Σ f(x ⊙ M) M / (N·E[M])`. Here the mean logit is
//! subtracted first: on average that moves every value by the same amount, and it removes the noise of how often a region
//! happened to be kept. Where RISE darkens, the fill's values are used.
//!
//! **What it finds.** A region's mean effect while about half of the others are missing: of a sum, its share; of an AND
//! or an OR, its part. Its own low-resolution masks blur over cells: small regions get their neighbours' values. It
//! needs many samples (the paper took 4000 to 8000): see [`Attribution::convergence`].

use ndarray::Array3;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::coalition::Coalitions;
use crate::convergence::{Track, checkpoints};
use crate::explainer::{CoalitionExplainer, Inputs};
use crate::{Attribution, Error, Progress};

/// The masks of [`Rise`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Masks {
    /// Whole regions are kept or replaced.
    #[default]
    Regions,
    /// RISE's own: this number of cells along z, y and x, kept or not, shifted and interpolated trilinearly.
    Cells([usize; 3]),
}

/// Settings of RISE.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct Rise {
    /// Number of masks, at least 2.
    pub samples: usize,
    /// Seed of the masks.
    pub seed: u64,
    /// Probability that a region or a cell is kept, between 0 and 1.
    pub keep: f64,
    /// The masks.
    pub masks: Masks,
}

impl Default for Rise {
    fn default() -> Self {
        Self { samples: 4000, seed: 0, keep: 0.5, masks: Masks::Regions }
    }
}

checked! {
    /// Valid settings of [`Rise`].
    pub struct ValidRise(Rise);
}

impl Rise {
    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] with the first setting that is out of range.
    pub fn check(self) -> Result<ValidRise, Error> {
        if self.samples < 2 {
            return Err(Error::setting("RISE: samples", "at least 2", self.samples));
        }
        if !(self.keep > 0.0 && self.keep < 1.0) {
            return Err(Error::setting("RISE: keep", "a share between 0 and 1", self.keep));
        }
        match self.masks {
            Masks::Cells(cells) if cells.contains(&0) => {
                Err(Error::setting("RISE: cells", "at least 1 along each axis", format!("{cells:?}")))
            }
            _ => Ok(ValidRise(self)),
        }
    }
}

/// A region that the fill does not change has exactly 0 under masks of regions; under cells it shares the values of the
/// cells that it lies in.
impl CoalitionExplainer for ValidRise {
    fn explain_coalitions(
        &self,
        inputs: &Inputs<'_>,
        coalitions: &Coalitions<'_>,
        progress: Progress<'_>,
    ) -> Result<Attribution, Error> {
        let Inputs { baseline, regions, target, .. } = *inputs;
        let settings = &self.0;
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        let (_, z, y, x) = baseline.image().dim();
        let mut sums = Sums::new(regions.len());
        let mut track = Track::default();
        let mut done = 0;
        for checkpoint in checkpoints(settings.samples) {
            while done < checkpoint {
                let size = coalitions.batch_size().min(checkpoint - done);
                match settings.masks {
                    Masks::Regions => {
                        let mut kept = vec![vec![true; regions.len()]; size];
                        for mask in &mut kept {
                            for &region in coalitions.players() {
                                mask[region] = rng.random_bool(settings.keep);
                            }
                        }
                        for (mask, logit) in kept.iter().zip(coalitions.logits(&kept)?) {
                            sums.add(logit, mask.iter().map(|&kept| f64::from(u8::from(kept))));
                        }
                    }
                    Masks::Cells(cells) => {
                        let masks: Vec<Array3<f32>> =
                            (0..size).map(|_| mask([z, y, x], cells, settings.keep, &mut rng)).collect();
                        for (mask, logit) in masks.iter().zip(coalitions.mixed(&masks)?) {
                            let means = coalitions.mean_by_region(mask, regions.voxel_counts());
                            sums.add(logit, means.into_iter());
                        }
                    }
                }
                done += size;
                if progress(size).is_break() {
                    return Err(Error::Cancelled);
                }
            }
            let mut values = sums.values(settings.keep);
            if settings.masks == Masks::Regions {
                let mut moved = vec![false; regions.len()];
                coalitions.players().iter().for_each(|&region| moved[region] = true);
                values.iter_mut().zip(moved).filter(|(_, moved)| !moved).for_each(|(value, _)| *value = 0.0);
            }
            track.record(done, &values);
        }
        let (values, convergence) = track.finish();
        Ok(Attribution { convergence, ..Attribution::new(baseline, regions, target, values)? })
    }
}

/// `Σ f m`, `Σ f` and `Σ m`: the covariance so far.
struct Sums {
    samples: f64,
    logits: f64,
    masks: Vec<f64>,
    products: Vec<f64>,
    /// The first logit, subtracted from all of them: sums of small differences keep their digits.
    level: Option<f64>,
}

impl Sums {
    fn new(regions: usize) -> Self {
        Self {
            samples: 0.0,
            logits: 0.0,
            masks: vec![0.0; regions],
            products: vec![0.0; regions],
            level: None,
        }
    }

    fn add(&mut self, logit: f64, mask: impl Iterator<Item = f64>) {
        let logit = logit - *self.level.get_or_insert(logit);
        self.samples += 1.0;
        self.logits += logit;
        for ((kept, product), mask) in self.masks.iter_mut().zip(&mut self.products).zip(mask) {
            *kept += mask;
            *product += logit * mask;
        }
    }

    /// `Σ (f − mean f) m / (N·keep)`.
    fn values(&self, keep: f64) -> Vec<f64> {
        let mean = self.logits / self.samples;
        let pairs = self.products.iter().zip(&self.masks);
        pairs.map(|(product, kept)| (product - mean * kept) / (self.samples * keep)).collect()
    }
}

/// Draws RISE's mask: random cells, one more along each axis than asked for so that a shift by up to one cell stays
/// inside, interpolated between their centres.
fn mask(shape: [usize; 3], cells: [usize; 3], keep: f64, rng: &mut ChaCha8Rng) -> Array3<f32> {
    let corners = cells.map(|n| n + 2);
    let kept: Array3<f32> = Array3::from_shape_fn(corners, |_| f32::from(u8::from(rng.random_bool(keep))));
    // By axis, for each voxel: the cell before it, and how far it is on the way to the next.
    let places: [Vec<(usize, f32)>; 3] = [0, 1, 2].map(|axis| {
        let length = shape[axis] as f32 / cells[axis] as f32;
        let shift = rng.random::<f32>();
        (0..shape[axis])
            .map(|voxel| {
                let at = (voxel as f32 + 0.5) / length + shift;
                let cell = (at as usize).min(cells[axis]);
                (cell, (at - cell as f32).clamp(0.0, 1.0))
            })
            .collect()
    });
    Array3::from_shape_fn(shape, |(z, y, x)| {
        let ((z, dz), (y, dy), (x, dx)) = (places[0][z], places[1][y], places[2][x]);
        let row = |z: usize, y: usize| kept[[z, y, x]] * (1.0 - dx) + kept[[z, y, x + 1]] * dx;
        let plane = |z: usize| row(z, y) * (1.0 - dy) + row(z, y + 1) * dy;
        plane(z) * (1.0 - dz) + plane(z + 1) * dz
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_keep_the_asked_share_everywhere() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let shape = [9, 7, 12];
        let mut sum = Array3::<f32>::zeros(shape);
        for _ in 0..2000 {
            let one = mask(shape, [3, 2, 4], 0.3, &mut rng);
            assert!(one.iter().all(|value| (0.0..=1.0).contains(value)));
            sum += &one;
        }
        // A binary value's deviation is 0.46, a mixture's is less: four standard errors are 0.041.
        assert!(sum.iter().all(|value| (value / 2000.0 - 0.3).abs() < 0.041));
    }

    #[test]
    fn masks_differ_and_are_smooth() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let one = mask([16, 16, 16], [2, 2, 2], 0.5, &mut rng);
        assert_ne!(one, mask([16, 16, 16], [2, 2, 2], 0.5, &mut rng));
        for ((z, y, x), value) in one.indexed_iter().filter(|((.., x), _)| *x + 1 < 16) {
            assert!((value - one[[z, y, x + 1]]).abs() <= 1.0 / 8.0 + 1e-6);
        }
    }
}
