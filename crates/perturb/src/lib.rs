#![doc = include_str!("../README.md")]

mod constant;
mod distance;
mod error;
mod fill;
mod kind;
#[cfg(feature = "learned")]
pub mod learned;
mod replace;

pub use constant::ConstantFill;
pub use distance::distance;
pub use error::{Error, Result};
pub use fill::Fill;
pub use kind::FillKind;
pub use relevox_grid::{Box3, ImageView, Patch};
pub use replace::{check_patch, check_region, replace_region};
