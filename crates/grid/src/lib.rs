#![doc = include_str!("../README.md")]

mod box3;
mod by_name;
mod error;
mod patch;

pub use box3::Box3;
pub use error::Error;
pub use patch::Patch;

/// A view of an image, `[c, z, y, x]`.
pub type ImageView<'a> = ndarray::ArrayView4<'a, f32>;
