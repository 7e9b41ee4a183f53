//! Which settings two configs differ in.

use std::fmt;

use super::Config;
use super::keys::flatten;

/// One setting that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its dotted name.
    pub key: String,
    /// Its value in the first config, as TOML.
    pub there: String,
    /// Its value in the second.
    pub here: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({} there, {} here)", self.key, self.there, self.here)
    }
}

/// The settings that differ, by name.
///
/// # Errors
/// None that a valid config causes.
pub fn differences(there: &Config, here: &Config) -> anyhow::Result<Vec<Difference>> {
    let (there, here) = (flatten(&there.to_table()?), flatten(&here.to_table()?));
    let show = |value: Option<&toml::Value>| value.map_or_else(|| "none".into(), ToString::to_string);
    let mut keys: Vec<&String> = there.keys().chain(here.keys()).collect();
    keys.sort();
    keys.dedup();
    Ok(keys
        .into_iter()
        .filter(|key| there.get(*key) != here.get(*key))
        .map(|key| Difference { key: key.clone(), there: show(there.get(key)), here: show(here.get(key)) })
        .collect())
}
