//! Section: the run compared with the paper.

use maud::{Markup, html};

use super::report::Report;
use super::table::{Cell, table};
use crate::tables::{Method, Number, Paper, Summary, wording};

/// The numbers of the paper's abstract and results.
pub(super) fn section(report: &Report<'_>, paper: &Paper) -> Markup {
    let summary = report.summary;
    let (selected, networks) = (&summary.selected, summary.classifier.networks);
    let words =
        |sequence: &str, regions: usize| format!("{}, {regions} regions", wording::sequence(sequence));
    let epoch = summary.classifier.epoch.map_or_else(|| "–".to_owned(), |epoch| epoch.to_string());
    html! {
        h2 #paper { "Compared with the paper" }
        p {
            "Means over the test split with 95 % bootstrap intervals over cases. The paper reports no intervals."
        }
        (table(&["", "this run", "cases", "paper"], rows(summary)))
        p {
            "Supervoxels: " (words(&selected.sequence, selected.regions)) ", compactness " (selected.compactness)
            " (paper: " (words(&paper.selected.sequence, paper.selected.regions)) "). Selected epoch: " (epoch)
            " (paper: " (paper.classifier.epoch) ")."
            @if networks != 1 {
                " The classifier is an ensemble of " (networks) " networks, whose logits are averaged."
            }
        }
    }
}

fn rows(summary: &Summary) -> Vec<Vec<Cell>> {
    let line = |name: String, number: &Number| {
        vec![Cell::Head(name), Cell::Number(number.clone()), Cell::Count(number.n), Cell::Plain(number.paper)]
    };
    let mut rows =
        vec![line("Classifier: area under the ROC curve".to_owned(), &summary.classifier.test_auc)];
    for (method, dice) in Summary::ordered(&summary.dice) {
        if dice.oracle.paper.is_some() || [Method::Random, Method::Ceiling].contains(&method) {
            rows.push(line(format!("{}: Dice, oracle threshold", method.label()), &dice.oracle));
        }
    }
    for (method, numbers) in Summary::ordered(&summary.ranked) {
        if let Some(number) = numbers.first().filter(|number| number.paper.is_some()) {
            rows.push(line(format!("{}: Dice of the top supervoxel", method.label()), number));
        }
    }
    rows
}
