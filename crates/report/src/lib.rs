#![doc = include_str!("../README.md")]

mod error;
pub mod figures;
pub mod page;
pub mod tables;
mod theme;
pub mod viewer;

pub use error::Error;
