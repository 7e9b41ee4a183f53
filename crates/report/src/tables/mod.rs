//! Numbers of a run: `summary.json`, `tables/*.csv`, the table in the terminal, and the numbers of the paper that
//! they are compared with.

mod by_name;
mod cases;
mod comparisons;
mod csv_files;
mod measure;
mod method;
mod number;
mod paper;
mod share;
mod summary;
mod terminal;
mod threshold;
pub mod wording;

pub use cases::{CaseRow, read_cases};
pub use comparisons::headline_differences;
pub use csv_files::{Table, all};
pub use measure::{Better, Measure};
pub use method::{Method, MethodKind};
pub use number::Number;
pub use paper::{Paper, PaperClassifier, PaperCohort, PaperSelected};
pub use share::{CeilingShare, ceiling_shares};
pub use summary::{
    ClassifierSummary, CohortSummary, DiceSummary, Difference, DiffusionSummary, FillSummary, FocusSummary,
    FoldSummary, GridCell, LeftOut, MeasureDifference, Selected, Summary,
};
pub use terminal::terminal_table;
pub use threshold::{Threshold, ThresholdKind};

#[cfg(any(test, feature = "sample"))]
pub mod sample;
#[cfg(test)]
mod tests;
