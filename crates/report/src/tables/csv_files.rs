//! `tables/*.csv`: numbers in full precision, one row each.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;

use super::{CaseRow, Method, Number, Summary, Threshold};

/// A file of the `tables` folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name, such as `table1.csv`.
    pub file: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// All tables of a run.
///
/// # Errors
/// Never for what fits in memory.
pub fn all(summary: &Summary, cases: &[CaseRow]) -> anyhow::Result<Vec<Table>> {
    Ok(vec![
        Table { file: "table1.csv", bytes: ranks(&summary.ranked)? },
        Table { file: "table2.csv", bytes: ranks(&summary.cumulative)? },
        Table { file: "table3.csv", bytes: grid(summary)? },
        Table { file: "gradcam.csv", bytes: gradcam(summary)? },
        Table { file: "classifier.csv", bytes: classifier(summary)? },
        Table { file: "measures.csv", bytes: measures(summary)? },
        Table { file: "cases.csv", bytes: case_rows(cases)? },
    ])
}

const NUMBER: [&str; 6] = ["mean", "ci_low", "ci_high", "n", "paper", "why"];

fn plain(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn cells(number: &Number) -> [String; 6] {
    [
        plain(number.mean),
        plain(number.ci95.map(|ci| ci[0])),
        plain(number.ci95.map(|ci| ci[1])),
        number.n.to_string(),
        plain(number.paper),
        number.why.clone().unwrap_or_default(),
    ]
}

fn write(header: Vec<String>, rows: impl IntoIterator<Item = Vec<String>>) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header)?;
    for row in rows {
        writer.write_record(&row)?;
    }
    Ok(writer.into_inner()?)
}

fn header(first: &[&str]) -> Vec<String> {
    first.iter().chain(&NUMBER).map(|name| (*name).to_owned()).collect()
}

fn row<const N: usize>(first: [&str; N], number: &Number) -> Vec<String> {
    first.iter().map(|cell| (*cell).to_owned()).chain(cells(number)).collect()
}

fn ranks(table: &BTreeMap<Method, Vec<Number>>) -> anyhow::Result<Vec<u8>> {
    let rows = Summary::ordered(table).into_iter().flat_map(|(method, numbers)| {
        numbers
            .iter()
            .enumerate()
            .map(move |(index, number)| row([method.name(), &(index + 1).to_string()], number))
    });
    write(header(&["method", "rank"]), rows)
}

fn grid(summary: &Summary) -> anyhow::Result<Vec<u8>> {
    let rows = summary.grid.iter().map(|cell| {
        let number =
            Number { mean: cell.mean, ci95: cell.ci95, n: cell.n, paper: cell.paper, why: cell.why.clone() };
        let (regions, compactness) = (cell.regions.to_string(), cell.compactness.to_string());
        row(
            [&cell.split, &cell.sequence, &regions, &plain(cell.made), &compactness, cell.fill.name()],
            &number,
        )
    });
    write(header(&["split", "sequence", "regions", "regions_made", "compactness", "fill"]), rows)
}

/// Every method beside Grad-CAM, with the paired difference where one was taken.
fn gradcam(summary: &Summary) -> anyhow::Result<Vec<u8>> {
    let mut rows = Vec::new();
    for (method, dice) in Summary::ordered(&summary.dice) {
        rows.extend(
            Threshold::ALL
                .into_iter()
                .filter_map(|threshold| Some(row([method.name(), threshold.name()], dice.get(threshold)?))),
        );
    }
    for difference in &summary.differences {
        let name = format!("{} minus {}'s", difference.dice, difference.over);
        rows.push(row([difference.method.name(), &name], &difference.difference));
    }
    write(header(&["method", "dice"]), rows)
}

/// Mass, surfaces and faithfulness of every method, and the paired differences.
fn measures(summary: &Summary) -> anyhow::Result<Vec<u8>> {
    let numbers = Summary::ordered(&summary.measures).into_iter().flat_map(|(method, measures)| {
        measures.iter().map(move |(measure, number)| row([method.name(), measure.name()], number))
    });
    let differences = summary.measure_differences.iter().map(|one| {
        let name = format!("{} minus {}'s", one.measure, one.over);
        row([one.method.name(), &name], &one.difference)
    });
    write(header(&["method", "measure"]), numbers.chain(differences))
}

fn classifier(summary: &Summary) -> anyhow::Result<Vec<u8>> {
    let classifier = &summary.classifier;
    let mut rows =
        vec![vec!["epoch".to_owned(), classifier.epoch.map(|epoch| epoch.to_string()).unwrap_or_default()]];
    rows[0].resize(1 + NUMBER.len(), String::new());
    rows[0][5] = super::Paper::load()?.classifier.epoch.to_string();
    for (name, number) in [
        ("test_auc", &classifier.test_auc),
        ("test_accuracy", &classifier.test_accuracy),
        ("validation_auc", &classifier.validation_auc),
        ("brightness_auc", &classifier.brightness_auc),
    ] {
        rows.push(row([name], number));
    }
    write(header(&["measure"]), rows)
}

const CASE: [&str; 7] = ["case", "split", "label", "probability", "regions", "tumour_voxels", "flat"];

/// Reads `cases.csv` back.
///
/// # Errors
/// Bytes that [`all`] did not write.
pub fn read_cases(bytes: &[u8]) -> anyhow::Result<Vec<CaseRow>> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers()?.clone();
    anyhow::ensure!(
        header.iter().take(CASE.len()).eq(CASE),
        "expected the columns {CASE:?}, found {header:?}"
    );
    let dice_columns: Vec<(usize, Method, Threshold)> = header
        .iter()
        .enumerate()
        .skip(CASE.len())
        .map(|(index, name)| {
            // One threshold's name may end as another's does: the longest is meant.
            let parts = Threshold::ALL
                .into_iter()
                .filter_map(|threshold| {
                    Some((name.strip_suffix(threshold.name())?.strip_suffix('_')?, threshold))
                })
                .max_by_key(|(_, threshold)| threshold.name().len());
            let (method, threshold) =
                parts.with_context(|| format!("column {name}: expected method_threshold"))?;
            Ok((index, method.parse()?, threshold))
        })
        .collect::<anyhow::Result<_>>()?;
    let mut cases = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cell = |index: usize| record.get(index).unwrap_or_default();
        let mut dice: BTreeMap<Method, BTreeMap<Threshold, f64>> = BTreeMap::new();
        for &(index, method, threshold) in &dice_columns {
            if !cell(index).is_empty() {
                dice.entry(method).or_default().insert(threshold, cell(index).parse()?);
            }
        }
        cases.push(CaseRow {
            case: cell(0).to_owned(),
            split: cell(1).to_owned(),
            positive: cell(2) == "1",
            probability: cell(3).parse()?,
            regions: cell(4).parse()?,
            tumour_voxels: if cell(5).is_empty() { None } else { Some(cell(5).parse()?) },
            flat: cell(6).split_whitespace().map(str::parse).collect::<Result<_, _>>()?,
            dice,
        });
    }
    Ok(cases)
}

fn case_rows(cases: &[CaseRow]) -> anyhow::Result<Vec<u8>> {
    let columns: BTreeSet<(usize, Method, Threshold)> = cases
        .iter()
        .flat_map(|case| {
            case.dice.iter().flat_map(|(method, dice)| {
                dice.keys().map(move |threshold| (method.rank(), *method, *threshold))
            })
        })
        .collect();
    let mut header: Vec<String> =
        ["case", "split", "label", "probability", "regions", "tumour_voxels", "flat"]
            .map(str::to_owned)
            .into();
    header.extend(columns.iter().map(|(_, method, threshold)| format!("{method}_{threshold}")));
    let rows = cases.iter().map(|case| {
        let mut row = vec![
            case.case.clone(),
            case.split.clone(),
            usize::from(case.positive).to_string(),
            case.probability.to_string(),
            case.regions.to_string(),
            case.tumour_voxels.map(|voxels| voxels.to_string()).unwrap_or_default(),
            case.flat.iter().map(|method| method.name()).collect::<Vec<_>>().join(" "),
        ];
        row.extend(columns.iter().map(|(_, method, threshold)| {
            plain(case.dice.get(method).and_then(|dice| dice.get(threshold)).copied())
        }));
        row
    });
    write(header, rows)
}
