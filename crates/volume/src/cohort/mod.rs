//! Cohorts: folders in the layouts of public data sets, and CSV manifests for anything else.

mod assemble;
mod case;
mod case_id;
mod case_words;
mod columns;
mod contrast;
mod folder;
mod foreign;
mod grades;
mod left_out;
mod list;
mod manifest;
mod msd;
mod needs;
mod open;
mod patients;
mod scans;
mod sequence_names;
mod single;
mod split;
mod tokens;
mod tumour_names;
mod walk;

pub use case::{CaseFiles, CohortCase};
pub(crate) use columns::COLUMNS;
pub use columns::INFORMATION_COLUMNS;
pub use folder::Outline;
pub use left_out::LeftOut;
pub use list::{Cohort, ScanList};
pub use split::Split;
