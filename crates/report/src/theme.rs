//! Colours of the report and the viewer page, light and dark.

/// Start of either page's style sheet.
pub(crate) const THEME: &str = include_str!("theme.css");
