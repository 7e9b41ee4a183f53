//! docs/PERFORMANCE.md: its tables are made from the samples in docs/performance.

use std::path::Path;

use serde_json::Value;

use crate::page::Page;

const PAGE: Page = Page {
    file: "docs/PERFORMANCE.md",
    head: "# Performance\n\nEach table is made from the samples in `docs/performance/`, which the command above it \
           renews; all sides run in turn on the same machine.\n",
    folder: "docs/performance",
    marker: "bench",
};

/// A comparison and its section of the page.
pub(super) struct Comparison {
    /// Name of the command, the file of samples and the markers.
    pub(super) name: &'static str,
    /// Makes the section from the samples.
    pub(super) section: fn(&Value) -> anyhow::Result<String>,
}

/// Stores the samples and replaces the section.
///
/// # Errors
/// Returns an error if a file can't be read or written.
pub(super) fn write(root: &Path, comparison: &Comparison, result: &Value) -> anyhow::Result<()> {
    PAGE.renew(root, comparison.name, result, &(comparison.section)(result)?)
}

/// Returns the text at a key of the samples.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("unknown")
}

/// Returns a load average as the tables show it; nothing where it was not measured.
pub(super) fn load(average: Option<f64>) -> String {
    average.map_or_else(String::new, |load| format!("{load:.1}"))
}

/// Returns the processor and, where the samples name it, the instruction set, which decides how far ahead of a peer we are.
pub(super) fn processor(machine: &Value) -> String {
    let set = machine["instruction_set"].as_str().map(|set| format!(" with {set}"));
    text(machine, "processor").to_owned() + &set.unwrap_or_default()
}

/// Asserts that a section of the page matches its samples, if there are any.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]
pub(super) fn assert_current(root: &Path, comparison: &Comparison) {
    let samples = root.join(PAGE.folder).join(format!("{}.json", comparison.name));
    let Ok(samples) = std::fs::read_to_string(samples) else { return };
    let samples: Value = serde_json::from_str(&samples).unwrap();
    let page = std::fs::read_to_string(root.join(PAGE.file)).unwrap();
    let section = (comparison.section)(&samples).unwrap();
    assert_eq!(PAGE.with_section(&page, comparison.name, &section), page, "{}", comparison.name);
}
