//! `cargo xtask results`: docs/RESULTS.md, a section for each run, made from its `summary.json`.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cli::ResultsArgs;
use crate::page::Page;
use relevox::cli::print_result;
use relevox_experiment::config::PHANTOM;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::stages::evaluate::SUMMARY;
use relevox_report::tables::wording::{self, decimals, with_interval};
use relevox_report::tables::{DiffusionSummary, Number, Summary, Threshold};

const PAGE: Page = Page {
    file: "docs/RESULTS.md",
    head: "# Results\n\nEach section is made by `cargo xtask results RUN_DIR` from the run's `summary.json`, which is kept in \
           `docs/results/RUN.json`. Numbers are means over test cases with their 95 % bootstrap interval; \
           [METHOD.md](METHOD.md) says what they mean.\n",
    folder: "docs/results",
    marker: "results",
};

/// Thresholds of the table: the one that looks at the answer, then those that do not.
const THRESHOLDS: [Threshold; 6] = [
    Threshold::Oracle,
    Threshold::Otsu,
    Threshold::OtsuVolume,
    Threshold::Mixture,
    Threshold::Validation,
    Threshold::Volume,
];

/// What a section is made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shown {
    run: String,
    synthetic: bool,
    seed: u64,
    revision: Option<String>,
    summary: Summary,
}

/// Renews the section of each run.
///
/// # Errors
/// A folder that holds no finished run, files that can't be written.
pub fn run(args: &ResultsArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    let mut names = Vec::new();
    for folder in &args.runs {
        let result = read(folder)?;
        PAGE.renew(root, &result.run, &serde_json::to_value(&result)?, &section(&result))?;
        names.push(result.run);
    }
    print_result(&json!({ "page": PAGE.file, "runs": names }))
}

fn read(folder: &Path) -> anyhow::Result<Shown> {
    let text = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| invalid_input(format!("{}: {error}", path.display())))
    };
    let unreadable = |name: &str, error: &dyn std::fmt::Display| {
        invalid_input(format!(
            "{}: expected what `cargo xtask reproduce` leaves, {error}",
            folder.join(name).display()
        ))
    };
    let summary: Summary =
        serde_json::from_str(&text(SUMMARY)?).map_err(|error| unreadable(SUMMARY, &error))?;
    let config: toml::Table =
        toml::from_str(&text("run.toml")?).map_err(|error| unreadable("run.toml", &error))?;
    let manifest: Value =
        serde_json::from_str(&text("manifest.json")?).map_err(|error| unreadable("manifest.json", &error))?;
    let source = config.get("cohort").and_then(|cohort| cohort.get("source")).and_then(toml::Value::as_str);
    let name = folder.canonicalize()?.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Shown {
        run: name.ok_or_else(|| invalid_input(format!("{}: expected a run's folder", folder.display())))?,
        synthetic: source == Some(PHANTOM),
        seed: manifest["seed"].as_u64().unwrap_or_default(),
        revision: manifest["git_revision"].as_str().map(str::to_owned),
        summary,
    })
}

fn section(result: &Shown) -> String {
    let Shown { run, synthetic, seed, revision, summary } = result;
    let cohort = &summary.cohort;
    let scans = if *synthetic { "synthetic scans" } else { "scans" };
    let mut text =
        format!("## {run}\n\n{} {scans} ({} positive), seed {seed}", cohort.cases, cohort.positive);
    text += &match summary.folds.len() {
        0 => format!(
            ": {} to train on, {} to validate, {} to test",
            cohort.train, cohort.validation, cohort.test
        ),
        folds => format!(", {folds} folds by patient, {} cases tested", cohort.test),
    };
    text += &revision.as_ref().map_or_else(String::new, |revision| {
        // A tree with changes of its own ends in a plus.
        format!(", at revision `{revision:.12}{}`", if revision.ends_with('+') { "+" } else { "" })
    });
    let classifier = &summary.classifier;
    text += &format!(
        ".\n\nTest AUC {}{}, accuracy {}; that of brightness alone {}. Supervoxels: {}, {} asked for.",
        with_interval(&classifier.test_auc),
        match classifier.networks {
            1 => String::new(),
            networks => format!(" of the mean logit of {networks} networks"),
        },
        with_interval(&classifier.test_accuracy),
        with_interval(&classifier.brightness_auc),
        wording::sequence(&summary.selected.sequence),
        summary.selected.regions,
    );
    text += &diffusion(summary);
    text += "\n\nDice with the whole tumour:\n\n| method | n |";
    for threshold in THRESHOLDS {
        text += &format!(" {} |", threshold.label());
    }
    text += &format!(" paper, oracle |\n|{}\n", "---|".repeat(THRESHOLDS.len() + 3));
    for (method, dice) in Summary::ordered(&summary.dice) {
        text += &format!("| {} | {} |", method.label(), dice.oracle.n);
        for threshold in THRESHOLDS {
            text += &format!(" {} |", dice.get(threshold).map_or_else(String::new, with_interval));
        }
        text += &format!(" {} |\n", dice.oracle.paper.map_or_else(String::new, wording::decimal));
    }
    if !summary.differences.is_empty() {
        text += "\nPaired, over the same cases (p of a permutation test):\n\n\
                 | method | over | Dice | difference | p | n | beats |\n|---|---|---|---|---|---|---|\n";
        for one in &summary.differences {
            text += &format!(
                "| {} | {} | {} | {} | {} | {} | {} |\n",
                one.method.label(),
                one.over.label(),
                one.dice.label(),
                with_interval(&one.difference),
                one.p.map_or_else(String::new, probability),
                one.difference.n,
                if one.beats { "yes" } else { "no" },
            );
        }
    }
    text + &measures(summary)
}

/// How scores were diffused.
fn diffusion(summary: &Summary) -> String {
    let setting = |diffusion: &DiffusionSummary| {
        let DiffusionSummary { fill, scores, reading, lambda, scale, .. } = diffusion;
        format!(" Diffused: {scores} of {fill} ({reading}), λ {lambda}, scale {scale}")
    };
    let mut of_parts: Vec<String> =
        summary.folds.iter().filter_map(|fold| fold.diffusion.as_ref().map(setting)).collect();
    of_parts.dedup();
    match (&summary.diffusion, of_parts.as_slice()) {
        (Some(diffusion), _) => {
            format!("{}, chosen on {} validation cases.", setting(diffusion), diffusion.cases)
        }
        (None, [one]) => format!("{one}, in every part."),
        (None, []) => String::new(),
        (None, _) => " Each part chose how to diffuse on its own validation cases.".to_owned(),
    }
}

/// A table of faithfulness, with a column for each measure that any method has.
fn measures(summary: &Summary) -> String {
    let names = summary.measure_names();
    if names.is_empty() {
        return String::new();
    }
    let mut text = "\nFaithfulness and agreement:\n\n| method |".to_owned();
    names.iter().for_each(|measure| text += &format!(" {} |", measure.label()));
    text += &format!("\n|{}\n", "---|".repeat(names.len() + 1));
    for (method, measures) in Summary::ordered(&summary.measures) {
        text += &format!("| {} |", method.label());
        for name in &names {
            text += &format!(" {} |", measures.get(name).map_or_else(String::new, finely));
        }
        text += "\n";
    }
    if !summary.measure_differences.is_empty() {
        text += "\nPaired, over the same cases (p of a permutation test; p is of each comparison alone: of many, one in twenty is under 0.05 by chance):\n\n\
                 | method | over | measure | difference | p | n | better |\n|---|---|---|---|---|---|---|\n";
        for one in &summary.measure_differences {
            text += &format!(
                "| {} | {} | {} | {} | {} | {} | {} |\n",
                one.method.label(),
                one.over.label(),
                one.measure.label(),
                finely(&one.difference),
                one.p.map_or_else(String::new, probability),
                one.difference.n,
                if one.better { "yes" } else { "no" },
            );
        }
    }
    text
}

fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { decimals(p, 3) }
}

/// With three decimals: some measures are small.
fn finely(number: &Number) -> String {
    match (number.mean, number.ci95) {
        (Some(mean), Some([low, high])) => {
            format!("{} [{}, {}]", decimals(mean, 3), decimals(low, 3), decimals(high, 3))
        }
        (Some(mean), None) => decimals(mean, 3),
        (None, _) => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that was typed, or left behind when its run was renewed, fails here.
    #[test]
    fn the_page_says_what_its_runs_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let Ok(folder) = std::fs::read_dir(root.join(PAGE.folder)) else { return };
        for entry in folder {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let result: Shown = serde_json::from_str(&text).unwrap();
            let page = std::fs::read_to_string(root.join(PAGE.file)).unwrap();
            assert_eq!(PAGE.with_section(&page, &result.run, &section(&result)), page, "{}", result.run);
        }
    }

    #[test]
    fn a_section_tells_what_the_summary_holds() {
        let summary = relevox_report::tables::sample::summary();
        let result = Shown {
            run: "one".to_owned(),
            synthetic: true,
            seed: 3,
            revision: None,
            summary: summary.clone(),
        };
        let text = section(&result);
        assert!(text.starts_with("## one\n\n"), "{text}");
        for (method, dice) in &summary.dice {
            let row = format!("| {} | {} | {} |", method.label(), dice.oracle.n, with_interval(&dice.oracle));
            assert!(text.contains(&row), "{row} is not in {text}");
        }
        assert_eq!(
            text.matches("| yes |").count(),
            summary.differences.iter().filter(|one| one.beats).count()
                + summary.measure_differences.iter().filter(|one| one.better).count()
        );
    }
}
