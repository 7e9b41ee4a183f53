//! RISE in 3D: the logit's mean over random masks that keep a region, beside its mean over all masks.
//!
//! V. Petsiuk, A. Das and K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
//! <https://doi.org/10.48550/arXiv.1806.07421>. Its saliency is `Σ f(x ⊙ M) M / (N·E[M])`. Here the logit takes its own
//! mean away first: that moves every value by the same amount on average, and takes out the noise that comes from how
//! often a region happened to be kept. Where RISE darkens, the fill's values stand.
//!
//! **What it finds.** A region's mean effect while about half of the others are missing: of a sum, its share; of an AND
//! or an OR, its part. Its own low-resolution masks blur over cells: small regions get their neighbours' values. It
//! needs many samples (the paper took 4000 to 8000), and [`Attribution::convergence`] tells when they are enough.

use ndarray::{Array3, ArrayView4};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use relevox_perturb::Fill;
use slic3d::Supervoxels;

use crate::attribution::{Track, looks};
use crate::coalition::Coalitions;
use crate::{Attribution, Classifier, Error, Progress};

/// What is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masks {
    /// Whole regions.
    Regions,
    /// RISE's own: so many cells along z, y and x, kept or not, shifted and interpolated trilinearly.
    Cells([usize; 3]),
}

/// Settings of [`rise`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rise {
    /// Masks asked about.
    pub samples: usize,
    /// The same seed draws the same masks.
    pub seed: u64,
    /// The chance that a region or a cell is kept.
    pub keep: f64,
    /// What is masked.
    pub masks: Masks,
}

impl Default for Rise {
    fn default() -> Self {
        Self { samples: 4000, seed: 0, keep: 0.5, masks: Masks::Regions }
    }
}

impl Rise {
    fn check(&self) -> Result<(), Error> {
        let refuse =
            |setting, expected, found| Err(Error::Setting { explainer: "RISE", setting, expected, found });
        if self.samples < 2 {
            return refuse("samples", "at least 2", self.samples as f64);
        }
        if !(self.keep > 0.0 && self.keep < 1.0) {
            return refuse("keep", "a share between 0 and 1", self.keep);
        }
        match self.masks {
            Masks::Cells(cells) if cells.contains(&0) => refuse("cells", "at least 1 along each axis", 0.0),
            _ => Ok(()),
        }
    }
}

/// How much a region's presence adds to the mean logit of random masks. A region that the fill leaves as it is has
/// exactly 0 under masks of regions; under cells it shares the values of the cells that it lies in.
///
/// `progress` is told of the masks as they are answered.
///
/// # Shapes
/// `image` is `[c, z, y, x]`, the partition `[z, y, x]`.
///
/// # Errors
/// Settings out of range, what the classifier or the fill meets, and [`Error::Cancelled`].
pub fn rise(
    classifier: &dyn Classifier,
    image: ArrayView4<'_, f32>,
    regions: &Supervoxels,
    fill: &dyn Fill,
    settings: &Rise,
    progress: Progress<'_>,
) -> Result<Attribution, Error> {
    settings.check()?;
    let coalitions = Coalitions::new(classifier, image, regions, fill)?;
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let (_, z, y, x) = image.dim();
    let mut sums = Sums::new(regions.len());
    let mut track = Track::default();
    let mut done = 0;
    for look in looks(settings.samples) {
        while done < look {
            let size = coalitions.batch_size().min(look - done);
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
                        sums.add(logit, coalitions.mean_by_region(mask, regions.voxel_counts()).into_iter());
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
        track.note(done, &values);
    }
    Ok(track.finish())
}

/// `Σ f m`, `Σ f` and `Σ m`, for a covariance that can be had at any time.
struct Sums {
    samples: f64,
    logits: f64,
    masks: Vec<f64>,
    products: Vec<f64>,
    /// The first logit, taken from all of them: sums of small differences keep their digits.
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

/// Random cells, one more along each axis than asked for so that a shift by up to one cell stays inside,
/// interpolated between their centres.
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
    fn masks_keep_as_much_as_asked_everywhere() {
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
