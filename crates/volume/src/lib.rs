#![doc = include_str!("../README.md")]

mod affine;
pub mod atomic;
pub mod augment;
mod cohort;
mod error;
mod foreground;
mod frame;
mod geometry;
mod intensity;
pub mod nifti;
mod orientation;
pub mod phantom;
pub mod preparation;
mod preprocess;
mod resampling;
mod scale;
mod scan_file;
mod spacing;
pub mod split;
mod study;
mod volume;

pub use cohort::{CaseFiles, Cohort, CohortCase, LeftOut, Split};
pub use error::Error;
pub use foreground::BrainMask;
pub use frame::Frame;
pub use geometry::Geometry;
pub use intensity::{Intensity, PercentileOver, ZScoreOver};
pub use orientation::{AxisCodes, Orientation};
pub use preparation::Preparation;
pub use preprocess::{Preprocess, ValidPreprocess};
pub use scan_file::ScanFile;
pub use spacing::Spacing;
pub use study::Study;
pub use volume::Volume;
