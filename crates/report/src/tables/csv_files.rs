//! `tables/*.csv`: numbers in full precision, one row each.

use std::collections::BTreeMap;

use super::cases::{self, CaseRow};
use super::method::Method;
use super::number::Number;
use super::paper::Paper;
use super::summary::Summary;
use super::threshold::Threshold;
use crate::error::Error;

/// A file of the `tables` folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// File name, such as `table1.csv`.
    pub file: &'static str,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Returns all tables of a run.
///
/// # Errors
/// Returns [`Error::Csv`] if a table could not be encoded.
pub fn all(summary: &Summary, cases: &[CaseRow]) -> Result<Vec<Table>, Error> {
    let (header, rows) = cases::table(cases);
    Ok(vec![
        Table { file: "table1.csv", bytes: ranks(&summary.ranked)? },
        Table { file: "table2.csv", bytes: ranks(&summary.cumulative)? },
        Table { file: "table3.csv", bytes: grid(summary)? },
        Table { file: "gradcam.csv", bytes: dice(summary)? },
        Table { file: "classifier.csv", bytes: classifier(summary)? },
        Table { file: "measures.csv", bytes: measures(summary)? },
        Table { file: "cases.csv", bytes: write(header, rows)? },
    ])
}

/// Columns of a number.
const NUMBER: [&str; 6] = ["mean", "ci_low", "ci_high", "n", "paper", "why"];

fn or_empty(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn cells(number: &Number) -> [String; 6] {
    [
        or_empty(number.mean),
        or_empty(number.ci95.map(|ci| ci[0])),
        or_empty(number.ci95.map(|ci| ci[1])),
        number.n.to_string(),
        or_empty(number.paper),
        number.why.clone().unwrap_or_default(),
    ]
}

fn write(header: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    for row in rows {
        writer.write_record(&row)?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()).into())
}

fn header(first: &[&str]) -> Vec<String> {
    first.iter().chain(&NUMBER).map(|name| (*name).to_owned()).collect()
}

fn row<const N: usize>(first: [&str; N], number: &Number) -> Vec<String> {
    first.iter().map(|cell| (*cell).to_owned()).chain(cells(number)).collect()
}

fn ranks(table: &BTreeMap<Method, Vec<Number>>) -> Result<Vec<u8>, Error> {
    let rows = Summary::ordered(table).into_iter().flat_map(|(method, numbers)| {
        numbers
            .iter()
            .enumerate()
            .map(move |(index, number)| row([method.name(), &(index + 1).to_string()], number))
    });
    write(header(&["method", "rank"]), rows)
}

fn grid(summary: &Summary) -> Result<Vec<u8>, Error> {
    let rows = summary.grid.iter().map(|cell| {
        let (regions, compactness) = (cell.regions.to_string(), cell.compactness.to_string());
        let made = or_empty(cell.made);
        row([&cell.split, &cell.sequence, &regions, &made, &compactness, cell.fill.name()], &cell.number())
    });
    write(header(&["split", "sequence", "regions", "regions_made", "compactness", "fill"]), rows)
}

/// Dice of every method and threshold, then the paired differences.
fn dice(summary: &Summary) -> Result<Vec<u8>, Error> {
    let mut rows = Vec::new();
    for (method, dice) in Summary::ordered(&summary.dice) {
        rows.extend(
            Threshold::ALL
                .into_iter()
                .filter_map(|threshold| Some(row([method.name(), threshold.name()], dice.get(threshold)?))),
        );
    }
    rows.extend(summary.differences.iter().map(|one| {
        let name = format!("{} minus {}'s", one.dice, one.over);
        row([one.method.name(), &name], &one.difference)
    }));
    write(header(&["method", "dice"]), rows)
}

/// Localisation, surface distance and faithfulness of every method, then the paired differences.
fn measures(summary: &Summary) -> Result<Vec<u8>, Error> {
    let numbers = Summary::ordered(&summary.measures).into_iter().flat_map(|(method, measures)| {
        measures.iter().map(move |(measure, number)| row([method.name(), measure.name()], number))
    });
    let differences = summary.measure_differences.iter().map(|one| {
        let name = format!("{} minus {}'s", one.measure, one.over);
        row([one.method.name(), &name], &one.difference)
    });
    write(header(&["method", "measure"]), numbers.chain(differences))
}

fn classifier(summary: &Summary) -> Result<Vec<u8>, Error> {
    let classifier = &summary.classifier;
    let epoch = classifier.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
    let paper = Paper::load()?.classifier.epoch.to_string();
    let blank = String::new;
    let mut rows = vec![vec!["epoch".to_owned(), epoch, blank(), blank(), blank(), paper, blank()]];
    rows.extend(
        [
            ("test_auc", &classifier.test_auc),
            ("test_accuracy", &classifier.test_accuracy),
            ("validation_auc", &classifier.validation_auc),
            ("brightness_auc", &classifier.brightness_auc),
        ]
        .map(|(name, number)| row([name], number)),
    );
    write(header(&["measure"]), rows)
}
