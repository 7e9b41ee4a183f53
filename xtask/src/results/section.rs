//! A run's section of docs/RESULTS.md: one table of methods, and the paired comparisons that matter.

use super::outcome::Outcome;
use relevox_report::tables::wording::{decimal, p_value, sequence, with_interval};
use relevox_report::tables::{
    DiffusionSummary, Measure, Method, Number, Summary, Threshold, headline_differences,
};

/// Thresholds of the table.
const THRESHOLDS: [Threshold; 3] = [Threshold::Oracle, Threshold::Validation, Threshold::OtsuVolume];

/// Measures of the table, as far as the run has them.
const MEASURES: [Measure; 3] = [Measure::Pointing, Measure::Deletion, Measure::Insertion];

/// Returns the section in Markdown.
pub(super) fn markdown(outcome: &Outcome) -> String {
    let summary = &outcome.summary;
    [header(outcome), classifier(summary), methods(summary), comparisons(summary)].join("\n")
}

fn header(Outcome { run, synthetic, seed, revision, summary }: &Outcome) -> String {
    let cohort = &summary.cohort;
    let scans = if *synthetic { "synthetic scans" } else { "scans" };
    let splits = match summary.folds.len() {
        0 => format!(
            "{} for training, {} for validation, {} for testing",
            cohort.train, cohort.validation, cohort.test
        ),
        folds => format!("{folds} folds by patient, {} cases tested", cohort.test),
    };
    let revision = revision.as_ref().map_or_else(String::new, |revision| {
        format!(", at revision `{revision:.12}{}`", if revision.ends_with('+') { "+" } else { "" })
    });
    let (cases, positive) = (cohort.cases, cohort.positive);
    format!("## {run}\n\n{cases} {scans} ({positive} positive), seed {seed}: {splits}{revision}.\n")
}

fn classifier(summary: &Summary) -> String {
    let classifier = &summary.classifier;
    let networks = match classifier.networks {
        1 => String::new(),
        networks => format!(" of an ensemble of {networks} networks"),
    };
    format!(
        "Test AUC {}{networks}, accuracy {}; AUC of brightness only {}. Supervoxels: {}, {} requested.{}\n",
        with_interval(&classifier.test_auc),
        with_interval(&classifier.test_accuracy),
        with_interval(&classifier.brightness_auc),
        sequence(&summary.selected.sequence),
        summary.selected.regions,
        diffusion(summary),
    )
}

/// Settings of the diffusion.
fn diffusion(summary: &Summary) -> String {
    let setting = |diffusion: &DiffusionSummary| {
        let DiffusionSummary { fill, scores, reading, lambda, scale, .. } = diffusion;
        format!(" Diffused: {scores} of {fill} ({reading}), λ {lambda}, scale {scale}")
    };
    let mut of_folds: Vec<String> =
        summary.folds.iter().filter_map(|fold| fold.diffusion.as_ref().map(setting)).collect();
    of_folds.dedup();
    match (&summary.diffusion, of_folds.as_slice()) {
        (Some(diffusion), _) => {
            format!("{}, chosen on {} validation cases.", setting(diffusion), diffusion.cases)
        }
        (None, [one]) => format!("{one}, in every fold."),
        (None, []) => String::new(),
        (None, _) => " Diffusion settings are chosen on the validation cases of each fold.".to_owned(),
    }
}

/// Dice and measures by method.
fn methods(summary: &Summary) -> String {
    let known = summary.measure_names();
    let measures: Vec<Measure> = MEASURES.into_iter().filter(|measure| known.contains(measure)).collect();
    let mut heads = vec!["method".to_owned(), "n".to_owned()];
    heads.extend(THRESHOLDS.map(|threshold| format!("Dice, {}", threshold.label())));
    heads.extend(measures.iter().map(|measure| measure.label().to_owned()));
    heads.push("paper, oracle".to_owned());
    let shown = |number: Option<&Number>| number.map_or_else(String::new, with_interval);
    let row = |(method, dice): (Method, &relevox_report::tables::DiceSummary)| {
        let of_method = summary.measures.get(&method);
        let mut cells = vec![method.label().to_owned(), dice.oracle.n.to_string()];
        cells.extend(THRESHOLDS.map(|threshold| shown(dice.get(threshold))));
        cells.extend(measures.iter().map(|measure| shown(of_method.and_then(|of| of.get(measure)))));
        cells.push(dice.oracle.paper.map_or_else(String::new, decimal));
        cells
    };
    let rows: Vec<Vec<String>> = Summary::ordered(&summary.dice).into_iter().map(row).collect();
    table(&heads, &rows)
}

/// Paired comparisons that answer the paper's claims and check the controls.
fn comparisons(summary: &Summary) -> String {
    let rows: Vec<Vec<String>> = headline_differences(summary)
        .into_iter()
        .map(|one| {
            vec![
                format!("{} − {}", one.method.label(), one.over.label()),
                with_interval(&one.difference),
                p_value(one.p),
                one.difference.n.to_string(),
                if one.beats { "yes" } else { "no" }.to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let heads = ["paired, oracle Dice", "difference", "p", "n", "beats"].map(str::to_owned);
    table(&heads, &rows)
}

fn table(heads: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(heads.len()));
    rows.iter().fold(line(heads) + &rule, |text, row| text + &line(row))
}

#[cfg(test)]
mod tests {
    use relevox_report::tables::Difference;

    use super::*;

    #[test]
    fn a_section_has_one_row_for_each_method_and_headline() {
        let summary = relevox_report::tables::sample::summary();
        let run = "one".to_owned();
        let outcome = Outcome { run, synthetic: true, seed: 3, revision: None, summary: summary.clone() };
        let text = markdown(&outcome);
        assert!(
            text.starts_with("## one\n\n60 synthetic scans (36 positive), seed 3: 36 for training"),
            "{text}"
        );
        for (method, dice) in &summary.dice {
            let row = format!("| {} | {} | {} |", method.label(), dice.oracle.n, with_interval(&dice.oracle));
            assert!(text.contains(&row), "{row} is not in {text}");
        }
        let against_random = |one: &&Difference| one.method == Method::Learned && one.over == Method::Random;
        let difference = with_interval(&summary.differences.iter().find(against_random).unwrap().difference);
        let row = format!("| Learned fill − Random control | {difference} | 0.001 | 15 | yes |\n");
        assert!(text.contains(&row), "{row} is not in {text}");
    }
}
