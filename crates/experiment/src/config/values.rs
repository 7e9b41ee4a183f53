//! Checks of single values. An error names the key, the expected values and the value found.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::failure::invalid_input;

/// Converts the error of a library's settings, whose messages start with the name of the setting, to one that names the
/// key.
pub fn section<T, E: Display>(name: &str, checked: Result<T, E>) -> anyhow::Result<T> {
    checked.map_err(|error| invalid_input(format!("config: {name}.{error}")))
}

/// Requires a value within a range.
pub fn within<T: PartialOrd + Display>(
    key: &str,
    value: T,
    allowed: RangeInclusive<T>,
) -> anyhow::Result<()> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let (low, high) = (allowed.start(), allowed.end());
    Err(invalid_input(format!("config: {key}: expected {low} to {high}, found {value}")))
}

/// Requires one of several values.
pub fn one_of<T: PartialEq + Display>(key: &str, value: &T, allowed: &[T]) -> anyhow::Result<()> {
    if allowed.contains(value) {
        return Ok(());
    }
    let names: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    Err(invalid_input(format!("config: {key}: expected one of {}, found {value}", names.join(", "))))
}

/// Requires a sequence of the preprocessing.
pub fn sequence(key: &str, value: &str, sequences: &[&str]) -> anyhow::Result<()> {
    one_of(key, &value, sequences).map_err(|error| {
        invalid_input(format!("{error}; set {key} to sequences of preprocess.sequences, or add it there"))
    })
}

/// Requires a list without duplicates.
pub fn distinct<T: PartialEq + Display>(key: &str, values: &[T]) -> anyhow::Result<()> {
    match values.iter().enumerate().find(|(index, value)| values[..*index].contains(value)) {
        None => Ok(()),
        Some((_, duplicate)) => {
            Err(invalid_input(format!("config: {key}: expected distinct values, found {duplicate} twice")))
        }
    }
}

/// Requires a value that is not empty; `holds` is false if it is.
pub fn non_empty(key: &str, holds: bool, expected: &str) -> anyhow::Result<()> {
    if holds { Ok(()) } else { Err(invalid_input(format!("config: {key}: expected {expected}, found none"))) }
}
