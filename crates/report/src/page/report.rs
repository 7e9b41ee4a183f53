//! Content of the page.

use crate::tables::{CaseRow, Summary};

/// A figure of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureKind {
    /// Figure 1: the pipeline.
    Pipeline,
    /// Figure 2: slices with expert segmentation and maps.
    Comparison,
    /// One case under the main methods.
    Glance,
    /// One case under every method.
    Explainers,
    /// Figure 3: maps over epochs.
    Epochs,
    /// Dice by method.
    Methods,
    /// Dice by method, against the best choice of the same regions.
    Ceiling,
    /// ROC curve.
    Roc,
    /// Training curves.
    Training,
    /// Convergence of explainers that sample.
    Convergence,
}

impl FigureKind {
    /// Every figure.
    pub const ALL: [Self; 10] = [
        Self::Pipeline,
        Self::Comparison,
        Self::Glance,
        Self::Explainers,
        Self::Epochs,
        Self::Methods,
        Self::Ceiling,
        Self::Roc,
        Self::Training,
        Self::Convergence,
    ];

    /// File name in the run's `figures` folder.
    pub fn file(self) -> &'static str {
        match self {
            Self::Pipeline => "figure1.png",
            Self::Comparison => "figure2.png",
            Self::Glance => "glance.png",
            Self::Explainers => "explainers.png",
            Self::Epochs => "figure3.png",
            Self::Methods => "methods.png",
            Self::Ceiling => "ceiling.png",
            Self::Roc => "roc.png",
            Self::Training => "training.png",
            Self::Convergence => "convergence.png",
        }
    }
}

/// A figure with the content of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Kind of figure.
    pub kind: FigureKind,
    /// PNG file.
    pub png: Vec<u8>,
}

/// Content of `report.html`.
#[derive(Debug)]
pub struct Report<'a> {
    /// Name of the run.
    pub run: &'a str,
    /// Whether the scans are phantoms.
    pub synthetic: bool,
    /// Numbers of the run.
    pub summary: &'a Summary,
    /// Test cases.
    pub cases: &'a [CaseRow],
    /// Figures; a section without its figure is shorter.
    pub figures: &'a [Figure],
    /// Names of cases with the paths of their pages, relative to the report.
    pub pages: &'a [(String, String)],
    /// Text of `run.toml`.
    pub config: &'a str,
    /// Name and value of further facts: version, revision, seed, source of the cohort.
    pub facts: &'a [(String, String)],
}
