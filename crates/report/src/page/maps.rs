//! Sections: relevance maps, and how they change over the epochs of training.

use maud::{Markup, html};

use super::figure::figure;
use super::report::{FigureKind, Report};
use crate::tables::wording::with_interval;

/// Above this number, links are folded.
const MOST_LINKS: usize = 24;

/// Figures 1 and 2.
pub(super) fn section(report: &Report<'_>) -> Markup {
    html! {
        h2 #maps { "Relevance maps" }
        (figure(
            report,
            FigureKind::Pipeline,
            "Figure 1. Computation of a relevance map, on a case of this run.",
            "The scan is segmented into supervoxels. Each is replaced in turn and the scan classified again; a \
             supervoxel’s relevance is the change in probability. Vermilion: the supervoxel that is replaced here. \
             Turquoise: the expert’s outline, which is not used.",
        ))
        (pages(report))
        (figure(
            report,
            FigureKind::Comparison,
            "Figure 2. Slices through the tumour.",
            "The sequences, the expert’s outline (turquoise), Grad-CAM and relevance maps over the scan, scaled to \
             0–100 within each case. Axial slices in radiological orientation: anterior up, the patient’s right on \
             the left.",
        ))
        (figure(
            report,
            FigureKind::Explainers,
            "One test case under every method.",
            "The same slice on the same scale, 0–100 within each map; turquoise: the expert’s outline. The oracle Dice \
             is computed on the whole volume. The brightness control and the untrained network have not learned the \
             grades.",
        ))
    }
}

/// Links to the pages of cases.
fn pages(report: &Report<'_>) -> Markup {
    let (pages, cases) = (report.pages.len(), report.cases.len());
    let links = html! {
        p.links {
            @for (case, page) in report.pages {
                a href=(page) { (case) } " "
            }
        }
    };
    html! {
        @if pages > 0 {
            p {
                "A page to look into, with every map, threshold and region: for "
                @if pages == cases { "each of the " (cases) } @else { (pages) " of the " (cases) } " test cases."
            }
            @if pages <= MOST_LINKS { (links) } @else { details { summary { "Pages of the cases" } (links) } }
        }
    }
}

/// Figure 3 and its claim.
pub(super) fn over_epochs(report: &Report<'_>) -> Markup {
    let correlation = &report.summary.focus.correlation;
    html! {
        h2 #focus { "Maps over the epochs of training" }
        p {
            "The paper interprets its Figure 3 as: “as the validation loss decreases, the model focuses more on a \
             single region of interest”. Measured as the rank correlation, over epochs, of the share of the map’s \
             mass in its top supervoxel with the validation loss, the claim predicts a value below 0. Result: "
            @match &correlation.why {
                Some(why) => { "none (" (why) ")" },
                None => { b { (with_interval(correlation)) } },
            }
            ", " (correlation.n) " epochs"
            @match correlation.ci95 {
                Some([_, high]) if high < 0.0 => { ": this run supports it." },
                Some([low, _]) if low > 0.0 => { ": this run contradicts it." },
                Some(_) => { ": the interval contains 0, so this run is inconclusive." },
                None => { "." },
            }
        }
        (figure(
            report,
            FigureKind::Epochs,
            "Figure 3. Relevance map of one case over the epochs of training,",
            "with the losses and the focus of the maps.",
        ))
    }
}
