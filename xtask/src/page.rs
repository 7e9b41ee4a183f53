//! Pages of `docs/` with generated sections between markers, made from JSON files in a folder next to the page.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// A page with generated sections.
pub struct Page {
    /// Path in the repository.
    pub file: &'static str,
    /// Beginning of a new page.
    pub head: &'static str,
    /// Folder of the JSON files in the repository.
    pub folder: &'static str,
    /// First word of the markers.
    pub marker: &'static str,
}

impl Page {
    /// Stores the data of a section and replaces the section.
    ///
    /// # Errors
    /// Returns an error if a file can't be read or written.
    pub fn renew(&self, root: &Path, name: &str, from: &Value, section: &str) -> anyhow::Result<()> {
        let folder = root.join(self.folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let stored = folder.join(format!("{name}.json"));
        std::fs::write(&stored, serde_json::to_string_pretty(from)? + "\n")
            .with_context(|| format!("writing {}", stored.display()))?;
        let path = root.join(self.file);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.head.to_owned(),
            read => read.with_context(|| format!("reading {}", path.display()))?,
        };
        let text = self.with_section(&text, name, section);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// Returns the page with a section between its markers, which are added at the end if they are missing.
    pub fn with_section(&self, page: &str, name: &str, section: &str) -> String {
        let [begin, end] = ["begin", "end"].map(|which| format!("<!-- {} {name}: {which} -->", self.marker));
        let section = format!("{begin}\n{section}{end}");
        match (page.find(&begin), page.find(&end)) {
            (Some(at), Some(last)) if at < last => {
                format!("{}{section}{}", &page[..at], &page[last + end.len()..])
            }
            _ => format!("{}\n\n{section}\n", page.trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_around_the_markers_is_unchanged() {
        let page = Page { file: "", head: "", folder: "", marker: "bench" };
        let (begin, end) = ("<!-- bench one: begin -->", "<!-- bench one: end -->");
        let text = page.with_section("# Title\n", "one", "first\n");
        assert_eq!(text, format!("# Title\n\n{begin}\nfirst\n{end}\n"));
        let text = page.with_section(&(text + "after\n"), "one", "second\n");
        assert_eq!(text, format!("# Title\n\n{begin}\nsecond\n{end}\nafter\n"));
        let both = page.with_section(&text, "two", "other\n");
        assert!(both.starts_with(text.trim_end()) && both.contains("<!-- bench two: begin -->\nother\n"));
    }
}
