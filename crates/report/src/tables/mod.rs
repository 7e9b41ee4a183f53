//! A run's numbers: `summary.json`, `tables/*.csv`, the table in the terminal, and the paper's own numbers to
//! set beside them.

mod by_name;
mod csv_files;
mod measure;
mod method;
mod paper;
mod summary;
mod terminal;
mod threshold;
pub mod wording;

pub use csv_files::{Table, all, read_cases};
pub use measure::{Better, Measure};
pub use method::{Method, MethodKind};
pub use paper::{Paper, PaperClassifier, PaperCohort, PaperSelected};
pub use summary::{
    CaseRow, ClassifierSummary, CohortSummary, DiceSummary, Difference, DiffusionSummary, FillSummary,
    FocusSummary, FoldSummary, GridCell, LeftOut, MeasureDifference, Number, Selected, Summary,
};
pub use terminal::this_run_beside_the_paper;
pub use threshold::{Threshold, ThresholdKind};

#[cfg(any(test, feature = "sample"))]
pub mod sample;
#[cfg(test)]
mod tests;
