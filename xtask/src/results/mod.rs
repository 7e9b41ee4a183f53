//! `cargo xtask results`: docs/RESULTS.md and its CSV files, made from the summaries of finished runs.

mod numbers;
mod outcome;
mod section;

use std::path::Path;

use anyhow::Context;
use serde_json::json;

use crate::cli::ResultsArgs;
use outcome::Outcome;
use relevox::cli::print_result;

const PAGE: &str = "docs/RESULTS.md";
const FOLDER: &str = "docs/results";

const HEAD: &str = "# Results\n\n\
    This page is made by `cargo xtask results` from the summaries in `docs/results/RUN.json`. `cargo xtask results RUN_DIR` \
    adds or replaces a run. Numbers are means over test cases with 95 % bootstrap intervals; [METHOD.md](METHOD.md) \
    defines them. Every number, all thresholds, measures and comparisons are in `docs/results/RUN.csv`.\n";

/// Stores the summaries of finished runs, if any are named, and writes the page and the CSV files of all stored runs.
///
/// # Errors
/// Returns an error if a folder is not that of a finished run, or if a file can't be read or written.
pub fn run(args: &ResultsArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    for folder in &args.runs {
        Outcome::of_run(folder)?.store(&root.join(FOLDER))?;
    }
    let outcomes = Outcome::stored(&root.join(FOLDER))?;
    for outcome in &outcomes {
        write(&root.join(FOLDER).join(format!("{}.csv", outcome.run)), &numbers::csv(&outcome.summary)?)?;
    }
    write(&root.join(PAGE), page(&outcomes).as_bytes())?;
    let names: Vec<&str> = outcomes.iter().map(|outcome| outcome.run.as_str()).collect();
    print_result(&json!({ "page": PAGE, "runs": names }))
}

fn page(outcomes: &[Outcome]) -> String {
    outcomes.iter().fold(HEAD.to_owned(), |page, outcome| page + "\n" + &section::markdown(outcome))
}

fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page or CSV file that was edited by hand, or is out of date, fails here.
    #[test]
    fn the_page_matches_the_stored_summaries() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let outcomes = Outcome::stored(&root.join(FOLDER)).unwrap();
        let help = "run `cargo xtask results`";
        assert!(std::fs::read_to_string(root.join(PAGE)).unwrap() == page(&outcomes), "{PAGE}: {help}");
        for outcome in outcomes {
            let path = root.join(FOLDER).join(format!("{}.csv", outcome.run));
            let csv = numbers::csv(&outcome.summary).unwrap();
            assert!(std::fs::read(&path).unwrap() == csv, "{}: {help}", path.display());
        }
    }
}
