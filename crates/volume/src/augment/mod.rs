//! Random augmentation of training images: rotations, scaling, shifts, left-right flips, intensity changes and hidden boxes.
//!
//! Hiding is the Hide-and-Seek of K. K. Singh and Y. J. Lee, "Hide-and-Seek: Forcing a Network to be Meticulous for
//! Weakly-Supervised Object and Action Localization", ICCV 2017, <https://doi.org/10.1109/ICCV.2017.381>, in 3D: a network that
//! has seen scans with missing parts uses all of a finding, and does not respond to the fill itself.

mod similarity;

use std::ops::Range;

use ndarray::{Array4, ArrayView3, ArrayView4, ArrayViewMut3, Axis, CowArray, Ix4, Slice, s};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use self::similarity::Similarity;
use crate::Error;

/// Largest shift, in voxels; no image is larger.
const LARGEST_SHIFT: usize = 1024;

/// Largest edge of a hidden box, in voxels.
const LARGEST_BOX: usize = 1024;

/// Settings of the augmentation, unchecked. The default changes nothing. [`Augment::check`] validates them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Augment {
    /// Largest angle of rotation about each axis, in degrees: 0 to 180. The image's grid is rotated about its centre, before
    /// everything else, with trilinear interpolation; where voxels are not cubes, that shears the body. Voxels from outside
    /// the image are 0.
    pub rotate_degrees: f32,
    /// The image is magnified about its centre by exp(u), u uniform within ± this: 0 to 1.
    pub scale: f32,
    /// Largest shift along each axis, in voxels of the image: 0 to 1024. Voxels from outside the image are 0.
    pub shift_voxels: usize,
    /// Whether half of the images are mirrored along x (left and right).
    pub flip: bool,
    /// Each channel is raised to the power exp(u) and scaled by 1 + v, with u and v uniform within ± this: 0 to 1.
    pub intensity: f32,
    /// Probability with which each box of a randomly placed grid is hidden: 0 to 0.9. Its voxels are set to the mean of their
    /// channel over the voxels that are not 0; voxels of 0 (air) remain 0.
    pub hide: f32,
    /// Edge length of these boxes, in voxels of the image: 1 to 1024 where `hide` is above 0.
    pub hide_voxels: usize,
    /// Number of empty images per training image, 0 to 1: see [`ValidAugment::empty`].
    pub empty: f32,
}

impl Augment {
    /// Returns whether the settings leave every image unchanged.
    pub fn is_off(&self) -> bool {
        let amounts = [self.rotate_degrees, self.scale, self.intensity, self.hide, self.empty];
        self.shift_voxels == 0 && !self.flip && amounts == [0.0; 5]
    }

    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first setting that is out of its range.
    pub fn check(self) -> Result<ValidAugment, Error> {
        let invalid = |setting, expected: &str, found| {
            Err(Error::InvalidSetting { setting, expected: expected.to_owned(), found })
        };
        if !(0.0..=180.0).contains(&self.rotate_degrees) {
            return invalid("rotate_degrees", "0 to 180", self.rotate_degrees.to_string());
        }
        if !(0.0..=1.0).contains(&self.scale) {
            return invalid("scale", "0 to 1", self.scale.to_string());
        }
        if self.shift_voxels > LARGEST_SHIFT {
            return invalid("shift_voxels", "0 to 1024", self.shift_voxels.to_string());
        }
        if !(0.0..=1.0).contains(&self.intensity) {
            return invalid("intensity", "0 to 1", self.intensity.to_string());
        }
        if !(0.0..=0.9).contains(&self.hide) {
            return invalid("hide", "0 to 0.9", self.hide.to_string());
        }
        if self.hide > 0.0 && !(1..=LARGEST_BOX).contains(&self.hide_voxels) {
            return invalid("hide_voxels", "1 to 1024", self.hide_voxels.to_string());
        }
        if !(0.0..=1.0).contains(&self.empty) {
            return invalid("empty", "0 to 1", self.empty.to_string());
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

    /// Returns an augmented copy of an image with values in 0..1. Values stay in 0..1. Air stays exactly 0; rotation and scaling
    /// interpolate at its border.
    ///
    /// # Shapes
    /// `[c, z, y, x]` in and out. All channels are rotated, scaled, shifted, mirrored and hidden together; each has its own
    /// intensity change.
    pub fn apply(&self, image: ArrayView4<f32>, rng: &mut ChaCha8Rng) -> Array4<f32> {
        let Augment { shift_voxels, flip, intensity, hide, hide_voxels, .. } = self.0;
        let image = self.turned(image, rng);
        let reach = i32::try_from(shift_voxels).unwrap_or(i32::MAX);
        let shift = [(); 3].map(|()| rng.random_range(-reach..=reach) as isize);
        let mirror = flip && rng.random_bool(0.5);
        let mut augmented = Array4::zeros(image.raw_dim());
        for (from, mut to) in image.outer_iter().zip(augmented.axis_iter_mut(Axis(0))) {
            copy_shifted(from, to.view_mut(), shift, mirror);
            if intensity > 0.0 {
                let scale = 1.0 + rng.random_range(-intensity..=intensity);
                let gamma = rng.random_range(-intensity..=intensity).exp();
                to.mapv_inplace(|v| if v == 0.0 { 0.0 } else { (v.powf(gamma) * scale).clamp(0.0, 1.0) });
            }
        }
        if hide > 0.0 {
            hide_boxes(&mut augmented, hide, hide_voxels, rng);
        }
        augmented
    }

    /// Rotates and magnifies the image, if the settings say so.
    fn turned<'a>(&self, image: ArrayView4<'a, f32>, rng: &mut ChaCha8Rng) -> CowArray<'a, f32, Ix4> {
        let Augment { rotate_degrees, scale, .. } = self.0;
        if rotate_degrees == 0.0 && scale == 0.0 {
            return image.into();
        }
        let reach = f64::from(rotate_degrees).to_radians();
        let angles = [(); 3].map(|()| rng.random_range(-reach..=reach));
        let magnification = f64::from(rng.random_range(-scale..=scale)).exp();
        Similarity::new(angles, magnification).apply(image).into()
    }

    /// Returns an augmented image without any finding: each channel is its mean where it is not 0. Where a label says whether a
    /// finding is present, it is an example of none; a network that has seen no such image may take the fill itself for one.
    ///
    /// # Shapes
    /// `[c, z, y, x]` in and out.
    pub fn empty(&self, image: ArrayView4<f32>, rng: &mut ChaCha8Rng) -> Array4<f32> {
        let mut empty = self.apply(image, rng);
        for channel in empty.outer_iter_mut() {
            let mean = mean_of_tissue(channel.view());
            set_tissue(channel, mean);
        }
        empty
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

/// Hides each box of a grid with random origin with a probability.
fn hide_boxes(image: &mut Array4<f32>, probability: f32, edge: usize, rng: &mut ChaCha8Rng) {
    let means: Vec<f32> = image.outer_iter().map(mean_of_tissue).collect();
    let (_, nz, ny, nx) = image.dim();
    let [along_z, along_y, along_x] = [nz, ny, nx].map(|n| intervals(n, edge, rng.random_range(0..edge)));
    for z in &along_z {
        for y in &along_y {
            for x in &along_x {
                if !rng.random_bool(f64::from(probability)) {
                    continue;
                }
                for (mut channel, &mean) in image.outer_iter_mut().zip(&means) {
                    let hidden =
                        channel.slice_each_axis_mut(|axis| Slice::from([z, y, x][axis.axis.index()].clone()));
                    set_tissue(hidden, mean);
                }
            }
        }
    }
}

/// Mean over the voxels that are not 0; 0 if there are none.
fn mean_of_tissue(channel: ArrayView3<f32>) -> f32 {
    let (sum, count) = channel
        .iter()
        .filter(|&&value| value != 0.0)
        .fold((0.0, 0_usize), |(sum, count), &value| (sum + f64::from(value), count + 1));
    if count == 0 { 0.0 } else { (sum / count as f64) as f32 }
}

/// Sets the voxels that are not 0.
fn set_tissue(mut voxels: ArrayViewMut3<f32>, to: f32) {
    voxels.mapv_inplace(|value| if value == 0.0 { 0.0 } else { to });
}

/// Divides `0..n` into intervals of `edge`, the first of which starts `offset` before 0.
fn intervals(n: usize, edge: usize, offset: usize) -> Vec<Range<usize>> {
    let starts = (0..n + offset).step_by(edge);
    starts.map(|start| start.saturating_sub(offset)..(start + edge).saturating_sub(offset).min(n)).collect()
}
