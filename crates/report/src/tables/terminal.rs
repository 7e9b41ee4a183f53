//! The closing table of a run in the terminal.

use super::comparisons::headline_differences;
use super::number::Number;
use super::paper::Paper;
use super::summary::Summary;
use super::wording::{decimals, or_dash, p_value, sequence, with_interval};
use crate::error::Error;

/// Most paired comparisons that are shown.
const COMPARISONS: usize = 3;

/// Returns the headline numbers of a run next to the paper's: aligned plain text of at most 25 lines, without colour.
///
/// # Errors
/// See [`Paper::load`].
pub fn terminal_table(summary: &Summary) -> Result<String, Error> {
    let mut text = setting(summary, &Paper::load()?);
    for line in aligned(&method_rows(summary)) {
        text += &line;
        text.push('\n');
    }
    let correlation = missing_or(&summary.focus.correlation);
    text += &format!("rank correlation of focus with validation loss: {correlation}\n");
    if let Some(fill) = &summary.fill {
        let changes: Vec<String> = Summary::ordered(&fill.mean_abs_delta_p)
            .into_iter()
            .map(|(method, number)| {
                let mean = number.mean.map_or_else(|| "–".to_owned(), |mean| decimals(mean, 4));
                format!("{} {mean}", method.label())
            })
            .collect();
        let distance = with_interval(&fill.distance_from_max);
        text += &format!("learned fill: {distance} from Max; mean |Δp|: {}\n", changes.join(", "));
    }
    for one in headline_differences(summary).into_iter().take(COMPARISONS) {
        text += &format!(
            "{} {} {} ({}: difference {}, p {})\n",
            one.method.label(),
            if one.beats { "beats" } else { "does not beat" },
            one.over.label(),
            one.dice.label(),
            with_interval(&one.difference),
            p_value(one.p),
        );
    }
    Ok(text)
}

/// Supervoxels, epoch and classifier: two lines.
fn setting(summary: &Summary, paper: &Paper) -> String {
    let (selected, classifier) = (&summary.selected, &summary.classifier);
    format!(
        "supervoxels: {}, {} regions, compactness {} (paper: {}, {}); epoch {} (paper: {})\n\
         test AUC {} (paper: {}), of brightness only (control) {}; test accuracy {}\n",
        sequence(&selected.sequence),
        selected.regions,
        selected.compactness,
        sequence(&paper.selected.sequence),
        paper.selected.regions,
        classifier.epoch.map_or_else(|| "–".to_owned(), |epoch| epoch.to_string()),
        paper.classifier.epoch,
        missing_or(&classifier.test_auc),
        or_dash(classifier.test_auc.paper),
        missing_or(&classifier.brightness_auc),
        missing_or(&classifier.test_accuracy),
    )
}

/// Dice by method: a header, and a row each.
fn method_rows(summary: &Summary) -> Vec<[String; 6]> {
    let header = ["Dice", "n", "oracle", "validation threshold", "Otsu", "paper (oracle)"];
    let mut rows = vec![header.map(str::to_owned)];
    for (method, dice) in Summary::ordered(&summary.dice) {
        let shown = |number: &Option<Number>| number.as_ref().map_or_else(String::new, missing_or);
        rows.push([
            method.label().to_owned(),
            dice.oracle.n.to_string(),
            missing_or(&dice.oracle),
            shown(&dice.validation_threshold),
            shown(&dice.otsu),
            or_dash(dice.oracle.paper),
        ]);
    }
    rows
}

/// Pads the columns to equal widths: the first to the left, the others to the right.
fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().map(line).collect()
}

/// A number with its interval, or the reason why it is missing.
fn missing_or(number: &Number) -> String {
    match &number.why {
        Some(why) => format!("– ({why})"),
        None => with_interval(number),
    }
}
