//! The short table at the end of a run: this run beside the paper.

use super::summary::{Number, Summary};
use super::{Paper, wording};

/// Aligned plain text, without colour.
///
/// # Errors
/// See [`Paper::load`].
pub fn this_run_beside_the_paper(summary: &Summary) -> anyhow::Result<String> {
    let mut lines = vec![["".to_owned(), "this run".to_owned(), "n".to_owned(), "paper".to_owned()]];
    let mut add = |name: String, number: &Number| {
        let shown = match &number.why {
            Some(why) => format!("– ({why})"),
            None => wording::with_interval(number),
        };
        lines.push([name, shown, number.n.to_string(), wording::or_dash(number.paper)]);
    };
    add("test AUC".to_owned(), &summary.classifier.test_auc);
    add("test AUC of brightness alone (control)".to_owned(), &summary.classifier.brightness_auc);
    add("test accuracy".to_owned(), &summary.classifier.test_accuracy);
    for (method, dice) in Summary::ordered(&summary.dice) {
        let method = method.label();
        add(format!("{method}: oracle Dice"), &dice.oracle);
        if let Some(number) = &dice.otsu {
            add(format!("{method}: Dice, Otsu"), number);
        }
        if let Some(number) = &dice.validation_threshold {
            add(format!("{method}: Dice, validation threshold"), number);
        }
    }
    for (name, table) in
        [("top region's Dice", &summary.ranked), ("top two regions' Dice", &summary.cumulative)]
    {
        let index = usize::from(name.contains("two"));
        for (method, numbers) in Summary::ordered(table) {
            if let Some(number) = numbers.get(index).filter(|number| number.paper.is_some()) {
                add(format!("{}: {name}", method.label()), number);
            }
        }
    }
    add("focus and validation loss, rank correlation".to_owned(), &summary.focus.correlation);
    let selected = &summary.selected;
    let paper = Paper::load()?;
    let mut text = format!(
        "supervoxels: {}, {} regions, compactness {} (paper: {}, {})\nepoch {} (paper: {})\n",
        wording::sequence(&selected.sequence),
        selected.regions,
        selected.compactness,
        wording::sequence(&paper.selected.sequence),
        paper.selected.regions,
        summary.classifier.epoch.map_or_else(|| "–".to_owned(), |epoch| epoch.to_string()),
        paper.classifier.epoch,
    );
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    for line in &lines {
        text.push_str(&format!(
            "{:<a$}  {:<b$}  {:>c$}  {:>d$}\n",
            line[0],
            line[1],
            line[2],
            line[3],
            a = widths[0],
            b = widths[1],
            c = widths[2],
            d = widths[3],
        ));
    }
    if let Some(fill) = &summary.fill {
        let moved: Vec<String> = Summary::ordered(&fill.mean_abs_delta_p)
            .into_iter()
            .map(|(name, number)| {
                let mean = number.mean.map_or_else(|| "–".to_owned(), |mean| wording::decimals(mean, 4));
                format!("{} {mean}", name.label())
            })
            .collect();
        let distance = wording::with_interval(&fill.distance_from_max);
        text.push_str(&format!("learned fill: {distance} from Max; mean |Δp|: {}\n", moved.join(", ")));
    }
    for difference in &summary.differences {
        text.push_str(&format!(
            "{} {} {} ({}: difference {})\n",
            difference.method.label(),
            if difference.beats { "beats" } else { "does not beat" },
            difference.over.label(),
            difference.dice.label(),
            wording::with_interval(&difference.difference),
        ));
    }
    Ok(text)
}
