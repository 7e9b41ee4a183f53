//! `report.html`: one file with everything in it that a reader of a run needs: no other file, no network, no
//! script.

mod html;
mod measures;
mod sections;
mod table;

use self::html::Html;
use crate::tables::{CaseRow, Summary};

/// Which figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureKind {
    /// The pipeline.
    Pipeline,
    /// Slices with outline and maps.
    Comparison,
    /// One case under all methods.
    Explainers,
    /// Maps over epochs.
    Epochs,
    /// Dice by method.
    Methods,
    /// The ROC curve.
    Roc,
    /// Training curves.
    Training,
    /// How explainers that sample settle.
    Convergence,
}

impl FigureKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Pipeline,
        Self::Comparison,
        Self::Explainers,
        Self::Epochs,
        Self::Methods,
        Self::Roc,
        Self::Training,
        Self::Convergence,
    ];

    /// Its file in the run's `figures` folder.
    pub fn file(self) -> &'static str {
        match self {
            Self::Pipeline => "figure1.png",
            Self::Comparison => "figure2.png",
            Self::Explainers => "explainers.png",
            Self::Epochs => "figure3.png",
            Self::Methods => "methods.png",
            Self::Roc => "roc.png",
            Self::Training => "training.png",
            Self::Convergence => "convergence.png",
        }
    }
}

/// A figure with its file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// Which.
    pub kind: FigureKind,
    /// Its PNG file.
    pub png: Vec<u8>,
}

/// What the report tells.
#[derive(Debug)]
pub struct Report<'a> {
    /// The run's name.
    pub run: &'a str,
    /// Whether the scans are phantoms.
    pub synthetic: bool,
    /// Its numbers.
    pub summary: &'a Summary,
    /// Its cases.
    pub cases: &'a [CaseRow],
    /// Its figures; those that are missing are left out.
    pub figures: &'a [Figure],
    /// `run.toml`.
    pub config: &'a str,
    /// Name and value: version, revision, seed, source of the cohort.
    pub facts: &'a [(String, String)],
}

impl Report<'_> {
    /// The page.
    ///
    /// # Errors
    /// See [`Paper::load`](crate::tables::Paper::load).
    pub fn html(&self) -> anyhow::Result<String> {
        let mut html = Html::default();
        html.raw("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
            .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
            .element("<title>Relevox: ", self.run, "</title>")
            .raw("<style>")
            .raw(include_str!("style.css"))
            .raw("</style></head><body>\n");
        sections::head(&mut html, self);
        sections::paper(&mut html, self)?;
        sections::localisation(&mut html, self);
        sections::maps(&mut html, self);
        sections::ranks(&mut html, self);
        sections::grid(&mut html, self);
        sections::classifier(&mut html, self)?;
        sections::focus(&mut html, self);
        sections::cohort(&mut html, self)?;
        sections::reading(&mut html, self);
        sections::config(&mut html, self);
        html.raw("</body></html>\n");
        Ok(html.finish())
    }

    fn figure(&self, kind: FigureKind) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.kind == kind)
    }
}

#[cfg(test)]
mod tests;
