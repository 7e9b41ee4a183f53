//! Section: the run at a glance, on one screen.

use maud::{Markup, html};

use super::figure::figure;
use super::report::{FigureKind, Report};
use super::table::{Cell, table};
use crate::tables::{Method, Summary, wording};

/// Methods of the summary, in the order of its rows.
const METHODS: [Method; 6] =
    [Method::Diffused, Method::Learned, Method::Blank, Method::Mean, Method::GradCam, Method::Random];

/// What was asked, the answer in a table, and one picture.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let summary = report.summary;
    let (cohort, selected) = (&summary.cohort, &summary.selected);
    html! {
        section #glance {
            p.question {
                "Do the relevance maps of a classifier, trained on one label per scan, find the tumour without any drawn \
                 outline? " (cohort.train) " training and " (cohort.validation) " validation cases, " (cohort.test)
                " test cases; " (selected.regions) " supervoxels of " (wording::sequence(&selected.sequence)) "."
            }
            div.glance {
                (table(&["test split", "this run", "without labels", "paper"], rows(summary)))
                (figure(
                    report,
                    FigureKind::Glance,
                    "One test case.",
                    "Relevance from 0 to 100 within each map; turquoise: the expert’s outline. The oracle Dice is that \
                     of the whole volume.",
                ))
            }
            p.small {
                "Dice with the expert’s outline: at the best threshold for each case (oracle, an upper bound that \
                 needs the outline), and of the mask that is made without labels. Brackets: 95 % bootstrap intervals over \
                 cases."
            }
        }
    }
}

fn rows(summary: &Summary) -> Vec<Vec<Cell>> {
    let auc = &summary.classifier.test_auc;
    let mut rows = vec![vec![
        Cell::head("Classifier: area under the ROC curve"),
        Cell::Number(auc.clone()),
        Cell::Plain(None),
        Cell::Plain(auc.paper),
    ]];
    rows.extend(METHODS.into_iter().filter_map(|method| {
        let dice = summary.dice.get(&method)?;
        Some(vec![
            Cell::Head(format!("{}: Dice, oracle", method.label())),
            Cell::Number(dice.oracle.clone()),
            Cell::number(dice.mask.as_ref().or(dice.otsu_volume.as_ref())),
            Cell::Plain(dice.oracle.paper),
        ])
    }));
    rows
}
