//! CSV tables whose rows are serde structs.

use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

/// Writes a table with a header, also if there are no rows. `columns` are the names of the row's fields, in order.
///
/// # Errors
/// Returns an error if a row can't be represented in CSV.
pub fn to_csv<T: Serialize>(columns: &[&str], rows: impl IntoIterator<Item = T>) -> anyhow::Result<Vec<u8>> {
    let mut table = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    table.write_record(columns)?;
    for row in rows {
        table.serialize(row)?;
    }
    Ok(table.into_inner()?)
}

/// Reads the rows of a table, by the names of its columns.
///
/// # Errors
/// Returns an error that names the file if it can't be read or a row has missing or invalid fields.
pub fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let rows = csv::Reader::from_path(path).and_then(|mut table| table.deserialize().collect());
    rows.with_context(|| format!("reading {}", path.display()))
}

/// Serializes a number as [`f64`]'s `Display` formats it: shortest digits that read back the same, without an exponent
/// and without a trailing `.0`.
///
/// # Errors
/// Returns the error of the serializer.
pub fn plain<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Serializes an optional number as [`plain`] does; `None` is an empty field.
///
/// # Errors
/// Returns the error of the serializer.
pub fn plain_option<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Row {
        region: u32,
        #[serde(serialize_with = "plain")]
        value: f64,
        #[serde(serialize_with = "plain_option")]
        distance: Option<f64>,
    }

    const COLUMNS: [&str; 3] = ["region", "value", "distance"];

    #[test]
    fn tables_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let row = |region, value, distance| Row { region, value, distance };
        let rows = [row(3, 1.0 / 3.0, None), row(9, 100.0, Some(1e-17))];
        let bytes = to_csv(&COLUMNS, &rows).unwrap();
        let expected = "region,value,distance\n3,0.3333333333333333,\n9,100,0.00000000000000001\n".as_bytes();
        assert_eq!(bytes, expected);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read::<Row>(&path).unwrap(), rows);
    }

    #[test]
    fn tables_without_rows_have_a_header() {
        assert_eq!(to_csv::<Row>(&COLUMNS, []).unwrap(), b"region,value,distance\n");
    }
}
