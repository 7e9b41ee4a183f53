//! docs/PERFORMANCE.md: the tables between its markers are made from the samples beside it.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use super::median;
use super::models::Compared;

const BEGIN: &str = "<!-- bench models: begin -->";
const END: &str = "<!-- bench models: end -->";
const HEAD: &str = "# Performance\n\nEach table is made from the samples in `docs/performance/`, which the command above \
                    it renews; both sides run in turn on the same machine.\n";

/// Keeps the samples and renews the table.
///
/// # Errors
/// Files that can't be read or written.
pub(super) fn write(root: &Path, result: &Value, compared: &[Compared]) -> anyhow::Result<()> {
    let folder = root.join("docs/performance");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let samples = folder.join("models.json");
    std::fs::write(&samples, serde_json::to_string_pretty(result)? + "\n")
        .with_context(|| format!("writing {}", samples.display()))?;
    let page = root.join("docs/PERFORMANCE.md");
    let text = std::fs::read_to_string(&page).unwrap_or_else(|_| HEAD.to_owned());
    let text = between_markers(&text, &section(result, compared));
    std::fs::write(&page, text).with_context(|| format!("writing {}", page.display()))
}

/// The page with this section between its markers, which are added at the end where they are missing.
fn between_markers(page: &str, section: &str) -> String {
    let section = format!("{BEGIN}\n{section}{END}");
    match (page.find(BEGIN), page.find(END)) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}{section}{}", &page[..begin], &page[end + END.len()..])
        }
        _ => format!("{}\n\n{section}\n", page.trim_end()),
    }
}

fn section(result: &Value, compared: &[Compared]) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
    let versions = &result["versions"];
    let mut section = format!(
        "## Networks and convolutions\n\n`cargo xtask bench models --peers PYTHON`, {} threads of {}, beside PyTorch {} \
         and MONAI {}; medians, and the quotient of the medians. Forward passes are the compiled plan's.\n\n\
         | what | seconds | GFLOP/s | PyTorch, seconds | ours / PyTorch |\n|---|---|---|---|---|\n",
        result["threads"],
        text(&result["machine"]["processor"]),
        text(&versions["torch"]),
        text(&versions["monai"]),
    );
    for case in compared {
        let (ours, peer) = (median(&case.ours_seconds), median(&case.peer_seconds));
        section += &format!(
            "| {} | {ours:.4} | {:.0} | {peer:.4} | {:.2} |\n",
            case.name,
            case.gflop / ours,
            ours / peer
        );
    }
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_what_stands_around_the_markers() {
        let page = between_markers("# Title\n", "one\n");
        assert_eq!(page, format!("# Title\n\n{BEGIN}\none\n{END}\n"));
        let page = between_markers(&(page + "after\n"), "two\n");
        assert_eq!(page, format!("# Title\n\n{BEGIN}\ntwo\n{END}\nafter\n"));
    }
}
