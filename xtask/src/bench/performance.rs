//! docs/PERFORMANCE.md: its tables are made from the samples beside it.

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

/// A comparison with its place on the page.
pub(super) struct Comparison {
    /// The command, which names the file of samples and the markers.
    pub(super) name: &'static str,
    /// Its section, made from the samples.
    pub(super) section: fn(&Value) -> anyhow::Result<String>,
}

/// Keeps the samples and renews the table.
///
/// # Errors
/// Files that can't be read or written.
pub(super) fn write(root: &Path, comparison: &Comparison, result: &Value) -> anyhow::Result<()> {
    PAGE.renew(root, comparison.name, result, &(comparison.section)(result)?)
}

/// The text at a key of the samples.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{explain, models, slic};

    /// A table that was typed, or left behind when its samples were renewed, fails here.
    #[test]
    fn the_page_says_what_its_samples_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for comparison in [models::COMPARISON, slic::COMPARISON, explain::COMPARISON] {
            let samples = root.join(PAGE.folder).join(format!("{}.json", comparison.name));
            let Ok(samples) = std::fs::read_to_string(samples) else { continue };
            let samples: Value = serde_json::from_str(&samples).unwrap();
            let page = std::fs::read_to_string(root.join(PAGE.file)).unwrap();
            let section = (comparison.section)(&samples).unwrap();
            assert_eq!(PAGE.with_section(&page, comparison.name, &section), page, "{}", comparison.name);
        }
    }
}
