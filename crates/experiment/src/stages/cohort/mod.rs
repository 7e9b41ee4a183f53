//! The cohort of a run: its cases are found and drawn, every scan is read once, cases that can't be used are left out,
//! and the others are split. Writes `cohort.csv`, `left_out.csv` and `inspected.csv`.

mod find;
mod findings;
mod inspection;
mod inspector;
mod left_out;
mod lists;
mod preprocess_input;
mod scans;

pub use crate::config::PHANTOM;
pub use inspection::INSPECTED;
pub use left_out::LEFT_OUT;
pub use lists::COHORT;
pub use scans::Scans;
