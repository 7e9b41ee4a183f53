//! What maps say beside Dice: mass, surfaces, faithfulness, what is better than what, and whether samples were enough.

use super::html::Html;
use super::sections::figure;
use super::table::{Cell, table};
use super::{FigureKind, Report};
use crate::tables::{Method, Number, Summary, wording};

/// Mass, surfaces, faithfulness.
pub(super) fn measures(html: &mut Html, report: &Report<'_>) {
    let summary = report.summary;
    let (methods, names) = (Summary::ordered(&summary.measures), summary.measure_names());
    if names.is_empty() {
        return;
    }
    html.raw("<h3>Mass, surface, faithfulness</h3><p><b>Activation precision</b>: the share of the map’s mass inside the tumour. <b>Pointing game</b>: whether its highest voxels lie inside. <b>Deletion</b> and <b>insertion</b>: the mean probability of the predicted class as supervoxels are taken away, or put back, the most relevant first: low and high are good. <b>Infidelity</b>: the share of what random perturbations do that the map does not foretell; 1 is a map that foretells nothing.</p>");
    let mut heads = vec![""];
    heads.extend(names.iter().map(|measure| measure.label()));
    let rows = methods.iter().map(|(method, measures)| {
        let mut cells = vec![Cell::Head(method.label().to_owned())];
        cells.extend(names.iter().map(|name| match measures.get(name) {
            Some(number) => Cell::Number(number.clone()),
            None => Cell::Plain(None),
        }));
        cells
    });
    table(html, &heads, rows);
    if !summary.measure_differences.is_empty() {
        html.raw("<p>Mean differences, case by case. One method is <em>better</em> than another if the paired bootstrap interval lies on the better side of 0 and p, that of a two-sided paired permutation test, under 0.05; p is of each comparison alone: of many, one in twenty is under 0.05 by chance.</p>");
        let rows = summary.measure_differences.iter().map(|one| {
            let verdict = if one.better { "better than" } else { "not better than" };
            let names = [one.method, one.over].map(Method::label);
            compared(names, verdict, one.measure.label(), &one.difference, one.p)
        });
        table(html, &["", "measure", "difference", "p", "cases"], rows);
    }
    figure(
        html,
        report,
        FigureKind::Convergence,
        "When sampling has settled.",
        "How far the region values of explainers that sample moved between two counts of samples, as a share of their length; thin lines are test cases, thick ones their median. A map whose values still move by much of their length is not to be read: ask for more samples.",
    );
}

/// A row of a table of paired differences: what one method is beside another, in what, by how much.
pub(super) fn compared(
    [method, over]: [&str; 2],
    verdict: &str,
    what: &str,
    difference: &Number,
    p: Option<f64>,
) -> Vec<Cell> {
    vec![
        Cell::Head(format!("{method} {verdict} {over}")),
        Cell::Words(what.to_owned()),
        Cell::Number(difference.clone()),
        Cell::Words(p.map_or_else(|| "–".to_owned(), |p| wording::decimals(p, 3))),
        Cell::Count(difference.n),
    ]
}
