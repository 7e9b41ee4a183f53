//! Tables of files and cases for people.

use relevox_experiment::progress::print_status;
use relevox_volume::FileFacts;

use super::listed::ListedCase;

/// Rows of text with aligned columns.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table with one row a file.
    pub fn of_files() -> Self {
        Self::with_header(&["file", "voxels", "mm", "axes", "range", "non-zero", "corners", "notes"])
    }

    /// Starts a table with one row a case.
    pub fn of_cases() -> Self {
        Self::with_header(&["case", "group", "label", "split", "seg", "voxels", "mm", "axes", "notes"])
    }

    fn with_header(names: &[&str]) -> Self {
        Self { rows: vec![names.iter().map(ToString::to_string).collect()] }
    }

    /// Adds a file.
    pub fn file(&mut self, name: &str, facts: &FileFacts) {
        let grid = &facts.grid;
        let mut notes = Vec::new();
        if grid.oblique_degrees >= 0.5 {
            notes.push(format!("{:.0}° oblique", grid.oblique_degrees));
        }
        if facts.negative > 0.0 {
            notes.push(format!("{} of the non-zero voxels negative", percent(facts.negative)));
        }
        if facts.not_finite > 0.0 {
            notes.push(format!("{} not finite", percent(facts.not_finite)));
        }
        self.rows.push(vec![
            name.to_owned(),
            grid.shape.map(|n| n.to_string()).join("x"),
            grid.spacing_mm.map(number).join("x"),
            grid.orientation.clone().unwrap_or_else(|| "not stated".to_owned()),
            facts.range.map(|value| number(f64::from(value))).join(".."),
            percent(facts.nonzero),
            percent(facts.corners_nonzero),
            notes.join(", "),
        ]);
    }

    /// Adds a case with the facts of its first file.
    pub fn case(&mut self, case: &ListedCase, facts: Option<&FileFacts>, notes: String) {
        let grid = facts.map(|facts| &facts.grid);
        let unknown = || "?".to_owned();
        self.rows.push(vec![
            case.files.id.clone(),
            case.group.clone(),
            case.label.map(|label| usize::from(label).to_string()).unwrap_or_default(),
            case.split.map(|split| split.name().to_owned()).unwrap_or_default(),
            if case.files.segmentation.is_some() { "yes" } else { "no" }.to_owned(),
            grid.map_or_else(unknown, |grid| grid.shape.map(|n| n.to_string()).join("x")),
            grid.map_or_else(unknown, |grid| grid.spacing_mm.map(number).join("x")),
            grid.and_then(|grid| grid.orientation.clone()).unwrap_or_else(unknown),
            notes,
        ]);
    }

    /// Prints the rows on stderr.
    pub fn print(&self) {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
            print_status(cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A number with at most three decimals.
fn number(value: f64) -> String {
    ((value * 1e3).round() / 1e3).to_string()
}
