//! Keys that name sequences follow `preprocess.sequences` where the profile set them and the user did not.

use toml::{Table, Value};

use super::keys::set;

/// Keys with one sequence.
const ONE: [&str; 2] = ["regions.sequence", "evaluate.intensity"];
/// Key with a list of sequences.
const LIST: &str = "grid.sequences";
/// Key with a list of partitions, each of a sequence.
const PARTITIONS: &str = "pool.partitions";

/// Replaces sequences that `preprocess.sequences` lacks in the keys for which `is_set` is false: a list loses them, and a key
/// that then names none gets the first sequence. Returns the keys and their new values.
pub(super) fn follow(table: &mut Table, is_set: impl Fn(&str) -> bool) -> Vec<(&'static str, Value)> {
    let Some(sequences) = names(find(table, "preprocess.sequences")) else { return Vec::new() };
    let Some(first) = sequences.first().cloned() else { return Vec::new() };
    let known =
        |value: &Value| value.as_str().is_some_and(|name| sequences.iter().any(|known| known == name));
    let mut changed = Vec::new();
    for key in ONE {
        if let Some(value) = find(table, key)
            && value.as_str().is_some_and(|name| !name.is_empty())
            && !known(value)
        {
            changed.push((key, Value::String(first.clone())));
        }
    }
    if let Some(Value::Array(listed)) = find(table, LIST) {
        let mut kept: Vec<Value> = listed.iter().filter(|value| known(value)).cloned().collect();
        if kept.len() < listed.len() {
            if kept.is_empty() {
                kept.push(Value::String(first.clone()));
            }
            changed.push((LIST, Value::Array(kept)));
        }
    }
    if let Some(Value::Array(partitions)) = find(table, PARTITIONS) {
        let has_known = |partition: &Value| partition.get("sequence").is_some_and(known);
        let mut kept: Vec<Value> = partitions.iter().filter(|value| has_known(value)).cloned().collect();
        if kept.len() < partitions.len() {
            if kept.is_empty() {
                kept = partitions.iter().map(|partition| of_sequence(partition, &first)).collect();
                kept.dedup();
            }
            changed.push((PARTITIONS, Value::Array(kept)));
        }
    }
    changed.retain(|(key, _)| !is_set(key));
    for (key, value) in &changed {
        set(table, key, value.clone());
    }
    changed
}

/// Describes the changes on one line.
pub(super) fn describe(changed: &[(&str, Value)]) -> Option<String> {
    let values: Vec<String> = changed.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    (!values.is_empty())
        .then(|| format!("config: changed to sequences of preprocess.sequences: {}", values.join(", ")))
}

fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (section, name) = key.split_once('.')?;
    table.get(section)?.get(name)
}

fn names(value: Option<&Value>) -> Option<Vec<String>> {
    value?.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// The same partition of another sequence.
fn of_sequence(partition: &Value, sequence: &str) -> Value {
    let mut partition = partition.clone();
    if let Some(keys) = partition.as_table_mut() {
        keys.insert("sequence".to_owned(), Value::String(sequence.to_owned()));
    }
    partition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(text: &str, set: &[&str]) -> Vec<String> {
        let mut table: Table = text.parse().unwrap();
        let changed = follow(&mut table, |key| set.contains(&key));
        for (key, value) in &changed {
            assert_eq!(find(&table, key), Some(value));
        }
        changed.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    }

    const PROFILE: &str = r#"
        preprocess.sequences = ["t1", "flair"]
        regions.sequence = "t2"
        grid.sequences = ["t2", "flair"]
        pool.partitions = [{ sequence = "t2", count = 30 }, { sequence = "flair", count = 50 }]
        evaluate.intensity = "flair"
    "#;

    #[test]
    fn absent_sequences_are_dropped_or_replaced() {
        let found = followed(PROFILE, &[]);
        assert_eq!(found[..2], ["regions.sequence = \"t1\"", "grid.sequences = [\"flair\"]"]);
        assert!(found[2].starts_with("pool.partitions = [{ ") && !found[2].contains("t2"), "{found:?}");
        let only = PROFILE.replace("[\"t1\", \"flair\"]", "[\"t1\"]");
        let found = followed(&only, &[]);
        assert_eq!(found.len(), 4);
        assert!(found.contains(&"grid.sequences = [\"t1\"]".to_owned()), "{found:?}");
        assert!(
            found.iter().any(|line| line.starts_with("pool") && line.matches("\"t1\"").count() == 2),
            "{found:?}"
        );
    }

    #[test]
    fn keys_of_the_user_and_of_known_sequences_are_unchanged() {
        let all = ["regions.sequence", "grid.sequences", "pool.partitions"];
        assert_eq!(followed(PROFILE, &all), Vec::<String>::new());
        assert_eq!(followed(&PROFILE.replace("[\"t1\", ", "[\"t2\", "), &[]), Vec::<String>::new());
        let empty = "preprocess.sequences = [\"a\"]\ngrid.sequences = []\nevaluate.intensity = \"\"";
        assert_eq!(followed(empty, &[]), Vec::<String>::new());
    }
}
