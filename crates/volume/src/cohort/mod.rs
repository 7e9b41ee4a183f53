//! Cohorts: BraTS folders, and CSV manifests for anything else.

mod brats;
mod case;
mod grades;
mod left_out;
mod list;
mod manifest;
mod open;
mod split;

pub use case::{CaseFiles, CohortCase};
pub use left_out::LeftOut;
pub use list::Cohort;
pub(crate) use manifest::COLUMNS;
pub use split::Split;
