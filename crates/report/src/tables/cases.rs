//! Test cases of a run and their Dice: `tables/cases.csv`.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::method::Method;
use super::threshold::Threshold;
use crate::error::Error;

/// Path of the table in the run folder.
const FILE: &str = "tables/cases.csv";

/// Columns before those of Dice.
const COLUMNS: [&str; 7] = ["case", "split", "label", "probability", "regions", "tumour_voxels", "flat"];

/// One case of the test split: a row of `tables/cases.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRow {
    /// Name of the case.
    pub case: String,
    /// Split of the case.
    pub split: String,
    /// Whether the case belongs to the positive class.
    pub positive: bool,
    /// The classifier's probability of the positive class.
    pub probability: f64,
    /// Number of regions.
    pub regions: usize,
    /// Tumour voxels of the expert segmentation on the network's grid; none without one.
    pub tumour_voxels: Option<usize>,
    /// Dice by method, control or bound, and threshold.
    pub dice: BTreeMap<Method, BTreeMap<Threshold, f64>>,
    /// Methods whose map of this case is 0 everywhere.
    pub flat: Vec<Method>,
}

/// Reads `tables/cases.csv`.
///
/// # Errors
/// Returns [`Error::Format`], [`Error::UnknownName`] or [`Error::Csv`] if the bytes are not such a table.
pub fn read_cases(bytes: &[u8]) -> Result<Vec<CaseRow>, Error> {
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers()?.clone();
    if !header.iter().take(COLUMNS.len()).eq(COLUMNS) {
        return Err(wrong(format!("the columns {COLUMNS:?}"), format!("{header:?}")));
    }
    let dice_columns: Vec<(usize, Method, Threshold)> = header
        .iter()
        .enumerate()
        .skip(COLUMNS.len())
        .map(|(index, name)| {
            let (method, threshold) = split_column(name)?;
            Ok((index, method, threshold))
        })
        .collect::<Result<_, Error>>()?;
    let mut cases = Vec::new();
    for record in reader.records() {
        let record = record?;
        let cell = |index: usize| record.get(index).unwrap_or_default();
        let mut dice: BTreeMap<Method, BTreeMap<Threshold, f64>> = BTreeMap::new();
        for &(index, method, threshold) in &dice_columns {
            if let Some(value) = parse_if_any(&header[index], cell(index))? {
                dice.entry(method).or_default().insert(threshold, value);
            }
        }
        cases.push(CaseRow {
            case: cell(0).to_owned(),
            split: cell(1).to_owned(),
            positive: cell(2) == "1",
            probability: parse(COLUMNS[3], cell(3))?,
            regions: parse(COLUMNS[4], cell(4))?,
            tumour_voxels: parse_if_any(COLUMNS[5], cell(5))?,
            flat: cell(6).split_whitespace().map(str::parse).collect::<Result<_, _>>()?,
            dice,
        });
    }
    Ok(cases)
}

/// Splits the name of a column into method and threshold.
fn split_column(name: &str) -> Result<(Method, Threshold), Error> {
    // One threshold's name can be the end of another's: the longest wins.
    let (method, threshold) = Threshold::ALL
        .into_iter()
        .filter_map(|threshold| Some((name.strip_suffix(threshold.name())?.strip_suffix('_')?, threshold)))
        .max_by_key(|(_, threshold)| threshold.name().len())
        .ok_or_else(|| wrong("columns named METHOD_THRESHOLD".to_owned(), name.to_owned()))?;
    Ok((method.parse()?, threshold))
}

fn parse<T: FromStr>(column: &str, cell: &str) -> Result<T, Error> {
    cell.parse().map_err(|_| wrong(format!("a number in column {column}"), format!("{cell:?}")))
}

fn parse_if_any<T: FromStr>(column: &str, cell: &str) -> Result<Option<T>, Error> {
    if cell.is_empty() { Ok(None) } else { parse(column, cell).map(Some) }
}

fn wrong(expected: String, found: String) -> Error {
    Error::Format { path: FILE.into(), expected, found }
}

/// Header and rows of the table. Every case has the columns that any case has.
pub(super) fn table(cases: &[CaseRow]) -> (Vec<String>, Vec<Vec<String>>) {
    let columns: BTreeSet<(usize, Method, Threshold)> = cases
        .iter()
        .flat_map(|case| {
            case.dice.iter().flat_map(|(method, dice)| {
                dice.keys().map(move |threshold| (method.rank(), *method, *threshold))
            })
        })
        .collect();
    let mut header = COLUMNS.map(str::to_owned).to_vec();
    header.extend(columns.iter().map(|(_, method, threshold)| format!("{method}_{threshold}")));
    let text = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let row = |case: &CaseRow| {
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
            text(case.dice.get(method).and_then(|dice| dice.get(threshold)).copied())
        }));
        row
    };
    (header, cases.iter().map(row).collect())
}
