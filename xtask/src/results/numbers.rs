//! Every number of a summary in one long table: `docs/results/RUN.csv`.

use serde::Serialize;

use relevox_report::tables::{Number, Summary, Threshold};

/// A number. `name` is a threshold, a rank, a measure or a property of the classifier.
#[derive(Serialize)]
struct Row<'a> {
    table: &'static str,
    method: &'a str,
    over: &'a str,
    name: String,
    mean: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
    n: usize,
    p: Option<f64>,
    /// Of a difference: whether the first method is better.
    better: Option<bool>,
    paper: Option<f64>,
}

impl<'a> Row<'a> {
    fn new(table: &'static str, method: &'a str, name: impl Into<String>, number: &Number) -> Self {
        Self {
            table,
            method,
            over: "",
            name: name.into(),
            mean: number.mean,
            ci_low: number.ci95.map(|ci| ci[0]),
            ci_high: number.ci95.map(|ci| ci[1]),
            n: number.n,
            p: None,
            better: None,
            paper: number.paper,
        }
    }

    fn over(self, over: &'a str, p: Option<f64>, better: bool) -> Self {
        Self { over, p, better: Some(better), ..self }
    }
}

/// Returns the table.
///
/// # Errors
/// Returns an error if a row can't be encoded.
pub(super) fn csv(summary: &Summary) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    rows(summary).iter().try_for_each(|row| table.serialize(row))?;
    Ok(table.into_inner()?)
}

fn rows(summary: &Summary) -> Vec<Row<'_>> {
    let classifier = &summary.classifier;
    let mut rows = vec![
        Row::new("classifier", "", "test_auc", &classifier.test_auc),
        Row::new("classifier", "", "test_accuracy", &classifier.test_accuracy),
        Row::new("classifier", "", "validation_auc", &classifier.validation_auc),
        Row::new("classifier", "", "brightness_auc", &classifier.brightness_auc),
        Row::new("classifier", "", "focus_correlation", &summary.focus.correlation),
    ];
    for (method, dice) in Summary::ordered(&summary.dice) {
        rows.extend(Threshold::ALL.into_iter().filter_map(|threshold| {
            Some(Row::new("dice", method.name(), threshold.name(), dice.get(threshold)?))
        }));
    }
    for (table, ranks) in [("ranked", &summary.ranked), ("cumulative", &summary.cumulative)] {
        for (method, numbers) in Summary::ordered(ranks) {
            let row = |(rank, number)| Row::new(table, method.name(), format!("{rank}"), number);
            rows.extend((1..).zip(numbers).map(row));
        }
    }
    for (method, measures) in Summary::ordered(&summary.measures) {
        let row = |(measure, number): (&relevox_report::tables::Measure, _)| {
            Row::new("measures", method.name(), measure.name(), number)
        };
        rows.extend(measures.iter().map(row));
    }
    rows.extend(summary.differences.iter().map(|one| {
        Row::new("differences", one.method.name(), one.dice.name(), &one.difference).over(
            one.over.name(),
            one.p,
            one.beats,
        )
    }));
    rows.extend(summary.measure_differences.iter().map(|one| {
        Row::new("measure_differences", one.method.name(), one.measure.name(), &one.difference).over(
            one.over.name(),
            one.p,
            one.better,
        )
    }));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_every_number() {
        let summary = relevox_report::tables::sample::summary();
        let text = String::from_utf8(csv(&summary).unwrap()).unwrap();
        assert!(text.starts_with("table,method,over,name,mean,ci_low,ci_high,n,p,better,paper\n"), "{text}");
        for row in [
            "dice,learned,,oracle,0.75,0.6875,0.8125,15,,,0.44\n",
            "ranked,blank,,1,0.375,0.3125,0.4375,15,,,0.25\n",
            "measures,diffused,,deletion,0.625,",
            "differences,learned,random,oracle,0.1875,0.125,0.25,15,0.001,true,\n",
            "measure_differences,diffused,random,deletion,-0.0625,",
        ] {
            assert!(text.contains(row), "{row} is not in {text}");
        }
    }
}
