//! Section: the classifier and its training.

use maud::{Markup, html};

use super::figure::figure;
use super::report::{FigureKind, Report};
use super::table::{Cell, table};
use crate::tables::{ClassifierSummary, Paper};

/// Performance, training curves and ROC curve.
pub(super) fn section(report: &Report<'_>, paper: &Paper) -> Markup {
    html! {
        h2 #classifier { "Classifier" }
        (table(&["", "this run", "cases", "paper"], rows(&report.summary.classifier, paper)))
        p {
            "The control is a logistic regression on the mean and standard deviation of each sequence, fitted on the \
             training split: it measures how well brightness predicts the grade without any spatial information."
        }
        div.pair {
            (figure(
                report,
                FigureKind::Training,
                "Training.",
                "Losses, and accuracy and AUC on the validation split. Dashed: the selected epoch.",
            ))
            (figure(
                report,
                FigureKind::Roc,
                "ROC curve",
                "on the test split, with the bootstrap interval of its area (stratified by class).",
            ))
        }
    }
}

fn rows(classifier: &ClassifierSummary, paper: &Paper) -> Vec<Vec<Cell>> {
    let mut rows = vec![vec![
        Cell::head("Selected epoch"),
        classifier.epoch.map_or(Cell::Plain(None), Cell::Count),
        Cell::Words(String::new()),
        Cell::Count(paper.classifier.epoch),
    ]];
    rows.extend(
        [
            ("Test AUC", &classifier.test_auc),
            ("Test accuracy, p ≥ 0.5", &classifier.test_accuracy),
            ("Validation AUC", &classifier.validation_auc),
            ("Test AUC of brightness only (control)", &classifier.brightness_auc),
        ]
        .map(|(name, number)| {
            vec![
                Cell::head(name),
                Cell::Number(number.clone()),
                Cell::Count(number.n),
                Cell::Plain(number.paper),
            ]
        }),
    );
    rows
}
