//! Sections: how to read the report, and the configuration of the run.

use maud::{Markup, html};

use super::report::Report;
use super::table::{Cell, table};
use crate::tables::Summary;
use crate::tables::wording::decimal;

/// Fewest test cases without a warning.
const FEW_CASES: usize = 30;

/// Limits of the method and of this run.
pub(super) fn section(summary: &Summary) -> Markup {
    let test = summary.cohort.test;
    let chance = summary.classifier.test_auc.ci95.filter(|ci| ci[0] <= 0.5);
    html! {
        h2 #reading { "How to read it" }
        ul {
            li {
                "A relevance map shows what changes the output of " em { "this classifier" }
                ". It does not show disease: a classifier that relies on the wrong structure has a sharp map of the \
                 wrong structure."
            }
            li {
                "The oracle threshold uses the expert’s outline. Use it to compare methods, as the paper does; judge a \
                 segmentation by the validation threshold or Otsu’s."
            }
            li {
                "The lowest threshold selects the whole image, so even a map that misses the tumour has an oracle Dice \
                 above 0: about twice the tumour’s share of the image. The random control shows the Dice that is \
                 reached by chance."
            }
            li {
                "Intervals are percentile bootstrap over cases; with few cases they are wide and slightly too short. \
                 They are not corrected for multiple comparisons."
            }
            li {
                "An image with a replaced region is outside the training distribution: part of the classifier’s \
                 response is to the replacement, not to the missing tissue."
            }
            @if test < FEW_CASES {
                li {
                    "There are " (test) " test cases. Differences of a few hundredths of Dice are not meaningful \
                     here."
                }
            }
            @if let Some([low, _]) = chance {
                li {
                    "The interval of the test AUC extends down to " (decimal(low))
                    ": the classifier may be no better than chance, and its maps are then meaningless."
                }
            }
            li { "Research software: not a medical device, not for diagnosis." }
        }
    }
}

/// Facts of the run and its effective configuration.
pub(super) fn config(report: &Report<'_>) -> Markup {
    let facts = report.facts.iter().map(|(name, value)| vec![Cell::head(name), Cell::Words(value.clone())]);
    html! {
        h2 #config { "Configuration" }
        (table(&["", ""], facts))
        details open {
            summary { "run.toml" }
            pre { (report.config) }
        }
    }
}
