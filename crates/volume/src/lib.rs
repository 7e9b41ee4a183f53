#![doc = include_str!("../README.md")]

mod affine;
pub mod atomic;
pub mod augment;
mod cohort;
mod error;
mod frame;
mod geometry;
mod intensity;
pub mod nifti;
pub mod phantom;
mod preprocess;
mod scan_file;
pub mod split;
mod study;
mod volume;

pub use cohort::{CaseFiles, Cohort, CohortCase, INFORMATION_COLUMNS, LeftOut, Split};
pub use error::Error;
pub use frame::Frame;
pub use geometry::Geometry;
pub use preprocess::{Preprocess, ValidPreprocess};
pub use scan_file::ScanFile;
pub use study::Study;
pub use volume::Volume;
