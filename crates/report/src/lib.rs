#![doc = include_str!("../README.md")]

mod error;
pub mod figures;
pub mod page;
pub mod tables;

pub use error::Error;
