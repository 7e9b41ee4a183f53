//! Errors of this crate.

use std::path::PathBuf;

/// An error of a table, a figure or the page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that its enum does not have, as in a file that another version wrote.
    #[error("{what}: expected {expected}, found {found}")]
    UnknownName {
        /// `method`, `threshold` or `measure`.
        what: &'static str,
        /// Known names.
        expected: String,
        /// Name that was found.
        found: String,
    },
    /// A file whose content is not what this crate writes.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Format {
        /// File, relative to the run folder.
        path: PathBuf,
        /// Expected content.
        expected: String,
        /// Content that was found.
        found: String,
    },
    /// A figure without area, or too large to draw.
    #[error("figure: expected a width and a height that can be drawn, found {width} x {height} pixels")]
    FigureSize {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The embedded font could not be read.
    #[error("figure: embedded font: {0}")]
    Font(#[from] ab_glyph::InvalidFont),
    /// A figure could not be encoded.
    #[error("figure: {0}")]
    Png(#[from] png::EncodingError),
    /// A table could not be read or written.
    #[error("table: {0}")]
    Csv(#[from] csv::Error),
    /// A summary could not be written.
    #[error("summary.json: {0}")]
    Json(#[from] serde_json::Error),
}
