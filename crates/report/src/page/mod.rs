//! `report.html`: everything that a reader of a run needs in one file, without scripts or external resources.

mod classifier;
mod cohort;
mod document;
mod figure;
mod glance;
mod grid;
mod localisation;
mod maps;
mod measures;
mod overview;
mod ranks;
mod reading;
mod report;
mod table;

pub use report::{Figure, FigureKind, Report};

#[cfg(test)]
mod tests;
