//! docs/PERFORMANCE.md: the tables between its markers are made from the samples beside it.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;

const HEAD: &str = "# Performance\n\nEach table is made from the samples in `docs/performance/`, which the command above \
                    it renews; all sides run in turn on the same machine.\n";

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
    let folder = root.join("docs/performance");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let samples = folder.join(format!("{}.json", comparison.name));
    std::fs::write(&samples, serde_json::to_string_pretty(result)? + "\n")
        .with_context(|| format!("writing {}", samples.display()))?;
    let page = root.join("docs/PERFORMANCE.md");
    let text = std::fs::read_to_string(&page).unwrap_or_else(|_| HEAD.to_owned());
    let text = between_markers(&text, comparison.name, &(comparison.section)(result)?);
    std::fs::write(&page, text).with_context(|| format!("writing {}", page.display()))
}

/// The page with this section between its markers, which are added at the end where they are missing.
fn between_markers(page: &str, name: &str, section: &str) -> String {
    let [begin, end] = ["begin", "end"].map(|which| format!("<!-- bench {name}: {which} -->"));
    let section = format!("{begin}\n{section}{end}");
    match (page.find(&begin), page.find(&end)) {
        (Some(at), Some(last)) if at < last => {
            format!("{}{section}{}", &page[..at], &page[last + end.len()..])
        }
        _ => format!("{}\n\n{section}\n", page.trim_end()),
    }
}

/// The text at a key of the samples.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::{explain, models, slic};

    #[test]
    fn a_page_keeps_what_stands_around_the_markers() {
        let (begin, end) = ("<!-- bench one: begin -->", "<!-- bench one: end -->");
        let page = between_markers("# Title\n", "one", "first\n");
        assert_eq!(page, format!("# Title\n\n{begin}\nfirst\n{end}\n"));
        let page = between_markers(&(page + "after\n"), "one", "second\n");
        assert_eq!(page, format!("# Title\n\n{begin}\nsecond\n{end}\nafter\n"));
        let both = between_markers(&page, "two", "other\n");
        assert!(both.starts_with(page.trim_end()) && both.contains("<!-- bench two: begin -->\nother\n"));
    }

    /// A table that was typed, or left behind when its samples were renewed, fails here.
    #[test]
    fn the_page_says_what_its_samples_say() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        for comparison in [models::COMPARISON, slic::COMPARISON, explain::COMPARISON] {
            let Ok(samples) =
                std::fs::read_to_string(docs.join(format!("performance/{}.json", comparison.name)))
            else {
                continue;
            };
            let samples: Value = serde_json::from_str(&samples).unwrap();
            let page = std::fs::read_to_string(docs.join("PERFORMANCE.md")).unwrap();
            let section = (comparison.section)(&samples).unwrap();
            assert_eq!(between_markers(&page, comparison.name, &section), page, "{}", comparison.name);
        }
    }
}
