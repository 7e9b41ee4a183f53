//! Dotted keys of settings, such as `classifier.epochs`.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Keys whose value may be a table. A layer replaces such a value as a whole.
const TABLES: [&str; 1] = ["preprocess.intensity"];
/// Keys whose value is text, or something else: an array, a number.
const TEXT_OR_OTHER: [&str; 2] = ["preprocess.spacing_mm", "classifier.positive_weight"];

/// Returns the settings of a table by dotted key.
pub fn flatten(table: &Table) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    collect("", table, &mut flat);
    flat
}

fn collect(prefix: &str, table: &Table, flat: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            Value::Table(inner) if !TABLES.contains(&key.as_str()) => collect(&key, inner, flat),
            other => {
                flat.insert(key, other.clone());
            }
        }
    }
}

/// Returns whether the value of a key is text only, from its default.
pub fn is_text(key: &str, default: Option<&Value>) -> bool {
    default.is_some_and(Value::is_str) && !TEXT_OR_OTHER.contains(&key)
}

/// Sets a dotted key in a table. Returns false if one of its parents is not a section.
pub fn set(table: &mut Table, key: &str, value: Value) -> bool {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
            true
        }
        Some((section, rest)) => {
            let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            inner.as_table_mut().is_some_and(|inner| set(inner, rest, value))
        }
    }
}

/// Returns the known key closest to an unknown one.
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    known
        .map(|key| {
            // The right name in the wrong section counts as close, however long the section's name is.
            let whole = edit_distance(unknown, key);
            let name = edit_distance(&last(unknown), &last(key)) + usize::from(whole > 0);
            (whole.min(name), whole, key)
        })
        .min()
        .map(|(_, _, key)| key)
}

/// Computes the Levenshtein distance: the minimum number of insertions, deletions and substitutions of characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("epochs", "epochs"), 0);
    }

    #[test]
    fn intensity_is_one_key() {
        let table: Table = "[preprocess.intensity]\nkind = \"window\"\nlow = -100".parse().unwrap();
        assert_eq!(Vec::from_iter(flatten(&table).into_keys()), ["preprocess.intensity"]);
    }

    #[test]
    fn nearest_tolerates_typos_and_wrong_sections() {
        let known = ["seed", "classifier.epochs", "classifier.batch", "fill.passes"];
        assert_eq!(nearest("classifier.epoch", known.into_iter()), Some("classifier.epochs"));
        assert_eq!(nearest("sed", known.into_iter()), Some("seed"));
        assert_eq!(nearest("evaluate.passes", known.into_iter()), Some("fill.passes"));
    }
}
