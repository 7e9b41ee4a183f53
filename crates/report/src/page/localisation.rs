//! Section: localisation of the tumour.

use maud::{Markup, html};

use super::figure::figure;
use super::measures;
use super::report::{FigureKind, Report};
use super::table::{Cell, compared, table};
use crate::tables::{FillSummary, Method, Summary, Threshold};

/// Dice by method and threshold, paired comparisons, further measures, and the learned fill.
pub(super) fn section(report: &Report<'_>) -> Markup {
    let summary = report.summary;
    html! {
        h2 #localisation { "Localisation of the tumour" }
        (definitions())
        (dice(summary))
        (diffusion(summary))
        (figure(
            report,
            FigureKind::Methods,
            "Dice by method.",
            "Dots: means over the test cases; bars: 95 % bootstrap intervals; diamonds: the paper’s oracle Dice.",
        ))
        (figure(
            report,
            FigureKind::Ceiling,
            "Dice against the ceiling.",
            "The sum of a method’s Dice over that of the best choice of the same regions, of the same test cases. A map by voxel \
             is not bound to the regions.",
        ))
        @if !summary.differences.is_empty() {
            h3 { "Paired comparisons" }
            p {
                "Mean difference in Dice over the same cases. A method " em { "beats" }
                " another if the paired bootstrap interval lies above 0 and the two-sided p-value of a paired \
                 permutation test is below 0.05."
            }
            (differences(summary))
        }
        (measures::section(report))
        @if let Some(fill) = &summary.fill { (learned_fill(fill)) }
    }
}

fn definitions() -> Markup {
    html! {
        p {
            "Dice of each method’s mask with the expert’s segmentation of the whole tumour. The " b { "oracle" }
            " threshold is the best for each case, found with the expert’s outline: an upper bound for the map, not \
             a segmentation. " b { "Otsu" } "’s threshold and the " b { "validation" }
            " threshold (one value, fixed on the validation split) need no outline of the case. The "
            b { "validation volume" }
            " selects the most relevant regions up to the mean tumour volume of the validation split. "
            b { "Otsu by volume" } " and the Gaussian " b { "mixture" }
            " of two components weight each region by its volume of brain. The " b { "mask" }
            " is the one that the run writes to " code { "maps/" } ", with small connected components removed."
        }
        p {
            "Controls: the " b { "random control" } " shuffles the scores over the same supervoxels; the "
            b { "brightness control" }
            " ranks supervoxels by their mean intensity in one sequence, without any classifier; the "
            b { "ceiling" }
            " is the best Dice that any choice of supervoxels can reach. Methods with fewer cases were run on a \
             subset of them."
        }
    }
}

fn dice(summary: &Summary) -> Markup {
    let rows = Summary::ordered(&summary.dice).into_iter().map(|(method, dice)| {
        let mut cells = vec![Cell::head(method.label())];
        cells.extend(Threshold::ALL.map(|threshold| Cell::number(dice.get(threshold))));
        cells.extend([Cell::Count(dice.oracle.n), Cell::Plain(dice.oracle.paper)]);
        cells
    });
    let mut heads = vec![""];
    heads.extend(Threshold::ALL.map(Threshold::label));
    heads.extend(["cases", "paper, oracle"]);
    table(&heads, rows)
}

fn differences(summary: &Summary) -> Markup {
    let rows = summary.differences.iter().map(|one| {
        let verdict = if one.beats { "beats" } else { "does not beat" };
        compared([one.method, one.over].map(Method::label), verdict, one.dice.label(), &one.difference, one.p)
    });
    table(&["", "Dice", "difference", "p", "cases"], rows)
}

/// Settings of the diffusion.
fn diffusion(summary: &Summary) -> Markup {
    html! {
        @if let Some(chosen) = &summary.diffusion {
            p {
                "Diffused relevance: "
                @if chosen.reading == "positive" { "evidence for the positive class in " }
                @if chosen.reading == "net" { "net evidence in " }
                @if chosen.scores == "delta_p" { "Δp" } @else { "Δlogit" }
                " of " (chosen.fill.label()) ", λ " (chosen.lambda) ", similarity scale " (chosen.scale)
                " × the median distance between neighbours"
                @if chosen.border { ", edges weighted by the length of the shared border" }
                "; chosen on " (chosen.cases) " validation cases."
            }
        }
    }
}

fn learned_fill(fill: &FillSummary) -> Markup {
    let mut rows = vec![vec![
        Cell::head("Mean distance from max"),
        Cell::Number(fill.distance_from_max.clone()),
        Cell::Count(fill.distance_from_max.n),
    ]];
    rows.extend(Summary::ordered(&fill.mean_abs_delta_p).into_iter().map(|(method, number)| {
        let name = format!("Mean |Δp| over supervoxels: {}", method.label());
        vec![Cell::Head(name), Cell::Fine(number.clone()), Cell::Count(number.n)]
    }));
    html! {
        h3 { "Is the learned fill more than a constant?" }
        p {
            "A U-Net whose sigmoid saturates equals the " em { "max" } " fill: its distance from " em { "max" }
            " is then close to 0. Values range from 0 to 1."
        }
        (table(&["", "mean", "cases"], rows))
    }
}
