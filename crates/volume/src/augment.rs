//! Small random changes to training images that keep their meaning: shifts, left-right flips, and intensities.

use ndarray::{Array4, ArrayView3, ArrayView4, ArrayViewMut3, Axis, s};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Which changes, and how large. The default changes nothing.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Shifts by up to so many voxels of the image along each axis; what moves in is 0.
    pub shift_voxels: usize,
    /// Mirrors x (left and right) half of the time.
    pub flip: bool,
    /// Scales each sequence by 1 ± this and bends it by a gamma of exp(± this): 0 leaves intensities alone.
    pub intensity: f32,
}

impl Augment {
    /// Whether anything is changed at all.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// A changed copy of an image of values in 0..1. Values stay in 0..1, and 0 stays exactly 0.
    ///
    /// # Shapes
    /// `[c, z, y, x]` in and out. All sequences move together; each has its own intensities.
    pub fn apply(&self, image: ArrayView4<f32>, rng: &mut ChaCha8Rng) -> Array4<f32> {
        let reach = i32::try_from(self.shift_voxels).unwrap_or(i32::MAX);
        let shift = [(); 3].map(|()| rng.random_range(-reach..=reach) as isize);
        let mirror = self.flip && rng.random_bool(0.5);
        let mut changed = Array4::zeros(image.raw_dim());
        for (from, mut to) in image.axis_iter(Axis(0)).zip(changed.axis_iter_mut(Axis(0))) {
            move_voxels(from, to.view_mut(), shift, mirror);
            if self.intensity > 0.0 {
                let scale = 1.0 + rng.random_range(-self.intensity..=self.intensity);
                let gamma = rng.random_range(-self.intensity..=self.intensity).exp();
                to.mapv_inplace(|v| if v == 0.0 { 0.0 } else { (v.powf(gamma) * scale).clamp(0.0, 1.0) });
            }
        }
        changed
    }
}

/// Copies `from`, mirrored in x if so asked, to `to`, `shift` voxels further along z, y, x.
fn move_voxels(from: ArrayView3<f32>, mut to: ArrayViewMut3<f32>, shift: [isize; 3], mirror: bool) {
    let (nz, ny, nx) = from.dim();
    let sizes = [nz, ny, nx].map(|n| n as isize);
    let source = |axis: usize| {
        let (size, shift) = (sizes[axis], shift[axis]);
        (-shift).clamp(0, size)..(size - shift).clamp(0, size)
    };
    let target = |axis: usize| {
        let (size, shift) = (sizes[axis], shift[axis]);
        shift.clamp(0, size)..(size + shift).clamp(0, size)
    };
    let mirrored = if mirror { from.slice_move(s![.., .., ..;-1]) } else { from };
    to.slice_mut(s![target(0), target(1), target(2)]).assign(&mirrored.slice(s![
        source(0),
        source(1),
        source(2)
    ]));
}
