//! Random augmentation of training images: shifts, left-right flips and intensity changes.

use ndarray::{Array4, ArrayView3, ArrayView4, ArrayViewMut3, Axis, s};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::Error;

/// Largest shift, in voxels; no image is larger.
const LARGEST_SHIFT: usize = 1024;

/// Settings of the augmentation, unchecked. The default changes nothing. [`Augment::check`] validates them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Augment {
    /// Largest shift along each axis, in voxels of the image: 0 to 1024. Voxels from outside the image are 0.
    pub shift_voxels: usize,
    /// Whether half of the images are mirrored along x (left and right).
    pub flip: bool,
    /// Each channel is raised to the power exp(u) and scaled by 1 + v, with u and v uniform within ± this: 0 to 1.
    pub intensity: f32,
}

impl Augment {
    /// Returns whether the settings leave every image unchanged.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first setting that is out of its range.
    pub fn check(self) -> Result<ValidAugment, Error> {
        let invalid = |setting, expected: &str, found| {
            Err(Error::InvalidSetting { setting, expected: expected.to_owned(), found })
        };
        if self.shift_voxels > LARGEST_SHIFT {
            return invalid("shift_voxels", "0 to 1024", self.shift_voxels.to_string());
        }
        if !(0.0..=1.0).contains(&self.intensity) {
            return invalid("intensity", "0 to 1", self.intensity.to_string());
        }
        Ok(ValidAugment(self))
    }
}

/// Validated [`Augment`] settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidAugment(Augment);

impl ValidAugment {
    /// The settings as they were given.
    pub fn settings(&self) -> &Augment {
        &self.0
    }

    /// Returns an augmented copy of an image with values in 0..1. Values stay in 0..1, and 0 stays exactly 0.
    ///
    /// # Shapes
    /// `[c, z, y, x]` in and out. All channels are shifted and mirrored together; each has its own intensity change.
    pub fn apply(&self, image: ArrayView4<f32>, rng: &mut ChaCha8Rng) -> Array4<f32> {
        let Augment { shift_voxels, flip, intensity } = self.0;
        let reach = i32::try_from(shift_voxels).unwrap_or(i32::MAX);
        let shift = [(); 3].map(|()| rng.random_range(-reach..=reach) as isize);
        let mirror = flip && rng.random_bool(0.5);
        let mut augmented = Array4::zeros(image.raw_dim());
        for (from, mut to) in image.axis_iter(Axis(0)).zip(augmented.axis_iter_mut(Axis(0))) {
            copy_shifted(from, to.view_mut(), shift, mirror);
            if intensity > 0.0 {
                let scale = 1.0 + rng.random_range(-intensity..=intensity);
                let gamma = rng.random_range(-intensity..=intensity).exp();
                to.mapv_inplace(|v| if v == 0.0 { 0.0 } else { (v.powf(gamma) * scale).clamp(0.0, 1.0) });
            }
        }
        augmented
    }
}

impl TryFrom<Augment> for ValidAugment {
    type Error = Error;

    fn try_from(settings: Augment) -> Result<Self, Error> {
        settings.check()
    }
}

/// Copies `from`, mirrored along x if `mirror` is set, to `to`, shifted by `shift` voxels along z, y, x.
fn copy_shifted(from: ArrayView3<f32>, mut to: ArrayViewMut3<f32>, shift: [isize; 3], mirror: bool) {
    let (nz, ny, nx) = from.dim();
    let sizes = [nz, ny, nx].map(|n| n as isize);
    let overlap =
        |axis: usize, shift: isize| shift.clamp(0, sizes[axis])..(sizes[axis] + shift).clamp(0, sizes[axis]);
    let source = |axis: usize| overlap(axis, -shift[axis]);
    let target = |axis: usize| overlap(axis, shift[axis]);
    let mirrored = if mirror { from.slice_move(s![.., .., ..;-1]) } else { from };
    to.slice_mut(s![target(0), target(1), target(2)]).assign(&mirrored.slice(s![
        source(0),
        source(1),
        source(2)
    ]));
}
