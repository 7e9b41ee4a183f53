//! Rotation and scaling of an image about its centre.

use ndarray::{Array4, ArrayView4};

/// A rotation and a magnification about the centre of an image, in voxels: where voxels are not cubes, it is a rotation of
/// the image's grid, not of the body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Similarity {
    /// From an offset from the centre in the new image to that in the old one.
    inverse: [[f64; 3]; 3],
}

impl Similarity {
    /// Rotates about the axes z, y and x, in this order, by angles in radians, and magnifies.
    pub fn new(angles: [f64; 3], magnification: f64) -> Self {
        let mut inverse =
            [0, 1, 2].map(|row| std::array::from_fn(|column| f64::from(u8::from(row == column))));
        for (axis, angle) in angles.into_iter().enumerate() {
            let (one, other) = ((axis + 1) % 3, (axis + 2) % 3);
            let (sine, cosine) = angle.sin_cos();
            // The inverse of a product is the product of the inverses in reverse order: each is multiplied from the right.
            for row in &mut inverse {
                (row[one], row[other]) =
                    (cosine * row[one] - sine * row[other], sine * row[one] + cosine * row[other]);
            }
        }
        Self { inverse: inverse.map(|row| row.map(|value| value / magnification)) }
    }

    /// Returns the image rotated and magnified, by trilinear interpolation; voxels from outside the image are 0.
    ///
    /// # Shapes
    /// `[c, z, y, x]` in and out.
    pub fn apply(&self, image: ArrayView4<f32>) -> Array4<f32> {
        let (channels, nz, ny, nx) = image.dim();
        let sizes = [nz, ny, nx];
        let centre = sizes.map(|n| (n as f64 - 1.0) / 2.0);
        let mut to = Array4::zeros(image.raw_dim());
        for z in 0..nz {
            for y in 0..ny {
                for x in 0..nx {
                    let offset: [f64; 3] = std::array::from_fn(|axis| [z, y, x][axis] as f64 - centre[axis]);
                    let position = std::array::from_fn(|axis| {
                        let row = self.inverse[axis];
                        centre[axis] + row[0] * offset[0] + row[1] * offset[1] + row[2] * offset[2]
                    });
                    let Some(corners) = corners(position, sizes) else { continue };
                    for channel in 0..channels {
                        let value =
                            |&([z, y, x], weight): &([usize; 3], f32)| weight * image[[channel, z, y, x]];
                        to[[channel, z, y, x]] = corners.iter().map(value).sum();
                    }
                }
            }
        }
        to
    }
}

/// Returns the eight voxels around a position and their weights, which is 0 for those outside the image; `None` if all are.
fn corners(position: [f64; 3], sizes: [usize; 3]) -> Option<[([usize; 3], f32); 8]> {
    let mut along = [[(0, 0.0); 2]; 3];
    for (axis, pair) in along.iter_mut().enumerate() {
        let below = position[axis].floor();
        if below < -1.0 || below >= sizes[axis] as f64 {
            return None;
        }
        let above = (position[axis] - below) as f32;
        for (step, weight) in [1.0 - above, above].into_iter().enumerate() {
            let index = below as isize + step as isize;
            if (0..sizes[axis] as isize).contains(&index) {
                pair[step] = (index as usize, weight);
            }
        }
    }
    Some(std::array::from_fn(|corner| {
        let [z, y, x] = [along[0][corner >> 2], along[1][corner >> 1 & 1], along[2][corner & 1]];
        ([z.0, y.0, x.0], z.1 * y.1 * x.1)
    }))
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_PI_2;

    use super::*;

    /// Two channels of voxels that all differ.
    fn image() -> Array4<f32> {
        Array4::from_shape_fn([2, 5, 5, 5], |(c, z, y, x)| (c * 125 + z * 25 + y * 5 + x + 1) as f32)
    }

    fn close(found: &Array4<f32>, expected: &Array4<f32>) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-3, "{found}, expected {expected}");
        }
    }

    #[test]
    fn quarter_turns_permute_the_voxels() {
        let image = image();
        let about_z = Similarity::new([FRAC_PI_2, 0.0, 0.0], 1.0).apply(image.view());
        // What was along y (one) points along x (other).
        close(&about_z, &Array4::from_shape_fn([2, 5, 5, 5], |(c, z, y, x)| image[[c, z, x, 4 - y]]));
        let about_z_then_x = Similarity::new([FRAC_PI_2, 0.0, FRAC_PI_2], 1.0).apply(image.view());
        close(&about_z_then_x, &Similarity::new([0.0, 0.0, FRAC_PI_2], 1.0).apply(about_z.view()));
    }

    #[test]
    fn magnification_is_about_the_centre_and_interpolates() {
        let image = image();
        let twice = Similarity::new([0.0; 3], 2.0).apply(image.view());
        // The image is linear in its indices, and so is its interpolation.
        let expected = |(c, z, y, x): (usize, usize, usize, usize)| {
            let [z, y, x] = [z, y, x].map(|i| (i as f32 + 2.0) / 2.0);
            c as f32 * 125.0 + z * 25.0 + y * 5.0 + x + 1.0
        };
        close(&twice, &Array4::from_shape_fn([2, 5, 5, 5], expected));
        let half = Similarity::new([0.0; 3], 0.5).apply(image.view());
        let around = |i: usize| (1..=3).contains(&i);
        let expected = |(c, z, y, x): (usize, usize, usize, usize)| match around(z) && around(y) && around(x)
        {
            true => image[[c, 2 * z - 2, 2 * y - 2, 2 * x - 2]],
            false => 0.0,
        };
        close(&half, &Array4::from_shape_fn([2, 5, 5, 5], expected));
    }
}
