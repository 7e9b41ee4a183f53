//! 3D medical scans: NIfTI, BraTS cohorts, preprocessing with a way back to the scanner's grid, and synthetic gliomas.
//!
//! A [`Cohort`] lists cases (a BraTS folder as it comes, or a CSV manifest), a [`Study`] is one of them as a network
//! sees it, and its [`Frame`] takes a map made there back onto the scan's own grid, where any viewer lays it exactly
//! over the scan.
//!
//! Scans are NIfTI-1 files, `.nii` or `.nii.gz`: integers of 8 to 64 bits, float32 and float64, either byte order,
//! placed by sform, qform or spacing. Everything else is refused by name ([`nifti`]). Arrays are C order `[z, y, x]`,
//! with channels `[c, z, y, x]`; axes are never reoriented. World coordinates are millimetres.
//!
//! # Example
//! Two scans of a case, from files to a network's input, and a map back over the scan:
//!
//! ```
//! use relevox_volume::{CaseFiles, Geometry, Preprocess, Study, Volume, nifti};
//!
//! let folder = tempfile::tempdir()?;
//! let geometry = Geometry::axis_aligned([20, 24, 28], [1.0, 0.9, 0.9]);
//! let voxels = ndarray::Array3::from_shape_fn(geometry.shape, |(z, y, x)| (z * y * x) as f32);
//! let paths = ["t1.nii.gz", "t2.nii.gz"].map(|name| folder.path().join(name));
//! for path in &paths {
//!     nifti::write(path, &Volume { voxels: voxels.clone(), geometry: geometry.clone() })?;
//! }
//! let [case, group] = ["a".to_owned(), "anna".to_owned()];
//! let files = CaseFiles { case, group, label: true, split: None, sequences: paths.to_vec(), seg: None };
//!
//! let sequences = vec!["t1".to_owned(), "t2".to_owned()];
//! let preprocess = Preprocess { sequences, crop: [16, 16, 16], downsample: 2, clip_negative: true };
//! let study = Study::load(&files, &preprocess)?;
//! assert_eq!(study.image.shape(), [2, 8, 8, 8]);
//!
//! let map = study.frame.to_scan(study.image.index_axis(ndarray::Axis(0), 0));
//! nifti::write(&folder.path().join("map.nii.gz"), &map)?;
//! assert!(map.geometry.same_grid(&geometry));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod affine;
pub mod augment;
mod cohort;
mod error;
mod frame;
mod geometry;
pub mod nifti;
pub mod phantom;
mod preprocess;
pub mod split;
mod study;
mod volume;

pub use cohort::{CaseFiles, Cohort, LeftOut};
pub use error::Error;
pub use frame::Frame;
pub use geometry::Geometry;
pub use preprocess::Preprocess;
pub use split::Split;
pub use study::Study;
pub use volume::Volume;
