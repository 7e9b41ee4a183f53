//! Measures other than Dice: localisation, surface distance, faithfulness, and convergence of samples.

use maud::{Markup, html};

use super::figure::figure;
use super::report::{FigureKind, Report};
use super::table::{Cell, compared, table};
use crate::tables::{Method, Summary};

/// The table of measures, their paired comparisons, and convergence; nothing if no measure was computed.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let summary = report.summary;
    html! {
        @if !summary.measures.is_empty() {
            h3 { "Localisation, surface distance and faithfulness" }
            p {
                b { "Activation precision" } ": share of the map’s mass inside the tumour. "
                b { "Pointing game" } ": the share of the map’s highest voxels that lie inside the tumour. "
                b { "Deletion" } " and " b { "insertion" }
                ": mean probability of the predicted class while supervoxels are removed, or restored, the most \
                 relevant first; low deletion and high insertion are better. " b { "Infidelity" }
                ": share of the response to random perturbations that the map does not predict; a map with \
                 infidelity 1 predicts nothing."
            }
            (numbers(summary))
            @if !summary.measure_differences.is_empty() {
                p {
                    "Mean differences over the same cases. A method is " em { "better" }
                    " than another if the paired bootstrap interval lies on the better side of 0 and the two-sided \
                     p-value of a paired permutation test is below 0.05. The p-values are not corrected for \
                     multiple comparisons: by chance, one in twenty is below 0.05."
                }
                details {
                    summary { "All comparisons (" (summary.measure_differences.len()) ")" }
                    (differences(summary))
                }
            }
            (figure(
                report,
                FigureKind::Convergence,
                "Convergence of sampling.",
                "Relative change of the region values of explainers that sample, between two checkpoints; thin lines: \
                 test cases, thick lines: their median. A map whose values still change by a large share is not \
                 reliable: use more samples.",
            ))
        }
    }
}

fn numbers(summary: &Summary) -> Markup {
    let names = summary.measure_names();
    let mut heads = vec![""];
    heads.extend(names.iter().map(|measure| measure.label()));
    let rows = Summary::ordered(&summary.measures).into_iter().map(|(method, measures)| {
        let mut cells = vec![Cell::head(method.label())];
        cells.extend(names.iter().map(|name| Cell::number(measures.get(name))));
        cells
    });
    table(&heads, rows)
}

fn differences(summary: &Summary) -> Markup {
    let rows = summary.measure_differences.iter().map(|one| {
        let verdict = if one.better { "better than" } else { "not better than" };
        let names = [one.method, one.over].map(Method::label);
        compared(names, verdict, one.measure.label(), &one.difference, one.p)
    });
    table(&["", "measure", "difference", "p", "cases"], rows)
}
