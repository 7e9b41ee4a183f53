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
    /// A volume of a viewer page is not on its grid.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    ShapeMismatch {
        /// Name of the volume.
        what: String,
        /// Shape of the grid, `[z, y, x]`.
        expected: Vec<usize>,
        /// Shape of the volume.
        found: Vec<usize>,
    },
    /// A value of a viewer page is NaN or infinite.
    #[error("{what}: expected a finite value, found {value}")]
    NonFinite {
        /// Name of the volume and index of the first such voxel, or name of the setting.
        what: String,
        /// Its value.
        value: f32,
    },
    /// A viewer page has nothing to show.
    #[error("viewer: expected {expected}, found {found}")]
    Empty {
        /// Expected content.
        expected: &'static str,
        /// Content that was found.
        found: String,
    },
    /// A setting of a viewer page is out of its range.
    #[error("{setting}: expected {expected}, found {found}")]
    InvalidSetting {
        /// Name of the setting.
        setting: String,
        /// Allowed values.
        expected: String,
        /// Value that was found.
        found: String,
    },
    /// A volume of a viewer page could not be compressed.
    #[error("viewer: compressing a volume: {0}")]
    Compression(std::io::Error),
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
    /// JSON could not be read or written.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}
