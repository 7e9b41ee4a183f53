//! Pages of `docs/` whose tables are made from files beside them, between markers: never typed.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// A page.
pub struct Page {
    /// Its path in the repository.
    pub file: &'static str,
    /// What a new page begins with.
    pub head: &'static str,
    /// The folder of the files that its tables are made from, in the repository.
    pub folder: &'static str,
    /// What its markers begin with.
    pub marker: &'static str,
}

impl Page {
    /// Keeps what a section is made from and renews the section.
    ///
    /// # Errors
    /// Files that can't be read or written.
    pub fn renew(&self, root: &Path, name: &str, from: &Value, section: &str) -> anyhow::Result<()> {
        let folder = root.join(self.folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let kept = folder.join(format!("{name}.json"));
        std::fs::write(&kept, serde_json::to_string_pretty(from)? + "\n")
            .with_context(|| format!("writing {}", kept.display()))?;
        let path = root.join(self.file);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.head.to_owned(),
            read => read.with_context(|| format!("reading {}", path.display()))?,
        };
        let text = self.with_section(&text, name, section);
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// The page with a section between its markers, which are added at the end where they are missing.
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
    fn a_page_keeps_what_stands_around_the_markers() {
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
