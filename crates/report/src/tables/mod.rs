//! A run's numbers: `summary.json`, `tables/*.csv`, the table in the terminal, and the paper's own numbers to
//! set beside them.

mod csv_files;
mod paper;
mod summary;
mod terminal;
pub mod wording;

pub use csv_files::{Table, all, read_cases};
pub use paper::{Paper, PaperClassifier, PaperCohort, PaperSelected};
pub use summary::{
    CaseRow, ClassifierSummary, CohortSummary, DiceSummary, Difference, DiffusionSummary, FillSummary,
    FocusSummary, FoldSummary, GridCell, LeftOut, METHODS, MeasureDifference, Number, Selected, Summary,
    THRESHOLDS,
};
pub use terminal::this_run_beside_the_paper;

#[cfg(any(test, feature = "sample"))]
pub mod sample;
#[cfg(test)]
mod tests;
