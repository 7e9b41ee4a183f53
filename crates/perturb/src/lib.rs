//! What a region of a scan is replaced by: blank, min, max, mean, or a U-Net that learns it.
//!
//! A [`Fill`] turns one region of a partition into a [`Perturbation`]: the region's box as it reads after
//! the change. Nothing here knows of a classifier, but for the training of the learned fill.
//!
//! Source: Rajapaksa and Khalvati, "Localized Perturbations For Weakly-Supervised Segmentation of Glioma
//! Brain Tumours" (2022), section B.
//!
//! ```
//! use ndarray::{Array3, Array4};
//! use relevox_perturb::{Constant, ConstantFill, Fill};
//! use slic3d::Supervoxels;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let image = Array4::from_shape_fn((2, 4, 4, 4), |(c, z, _, _)| (c + z) as f32 / 4.0);
//! let brain = Array3::from_elem((4, 4, 4), true);
//! let halves = Array3::from_shape_fn((4, 4, 4), |(z, _, _)| z as u32 / 2);
//! let regions = Supervoxels::from_labels(halves, None)?;
//! let max = ConstantFill::new(Constant::Max, image.view(), brain.view())?;
//! let change = max.perturb(image.view(), &regions, 1)?;
//! let mut changed = image.clone();
//! change.apply(&mut changed.view_mut());
//! assert_eq!((change.origin, change.changed), ([2, 0, 0], 16));
//! assert_eq!((changed[[0, 0, 0, 0]], changed[[0, 2, 0, 0]]), (0.0, 0.75));
//! # Ok(())
//! # }
//! ```

mod constant;
mod distance;
mod error;
mod fill;
#[cfg(feature = "learned")]
pub mod learned;
mod perturbation;

pub use constant::{Constant, ConstantFill};
pub use distance::distance;
pub use error::Error;
pub use fill::Fill;
pub use perturbation::{Perturbation, check_region};
