//! Tables, figures and the report page of a Relevox experiment: plain values in, files' contents out.
//!
//! - [`tables`]: the summary of a run (`summary.json`), CSV tables, and the numbers that the paper reports;
//! - [`figures`]: PNG figures, the same bytes for the same values;
//! - [`page`]: `report.html`, one self-contained file.
//!
//! Nothing here reads a run folder or a configuration, and nothing is written: every function returns the text or the bytes.

mod error;
pub mod figures;
pub mod page;
pub mod tables;

pub use error::Error;
