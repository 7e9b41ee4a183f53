//! Comparison of two configurations.

use std::fmt;

use super::experiment::Config;
use super::keys::flatten;

/// A setting with different values in two configurations.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Dotted key.
    pub key: String,
    /// Value in the first configuration, as TOML.
    pub stored: String,
    /// Value in the second configuration, as TOML.
    pub requested: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({} stored, {} requested)", self.key, self.stored, self.requested)
    }
}

/// Returns the settings that differ, sorted by key.
///
/// # Errors
/// As [`Config::to_toml`].
pub fn differences(stored: &Config, requested: &Config) -> anyhow::Result<Vec<Difference>> {
    let (stored, requested) = (flatten(&stored.to_table()?), flatten(&requested.to_table()?));
    let show = |value: Option<&toml::Value>| value.map_or_else(|| "none".into(), ToString::to_string);
    let mut keys: Vec<&String> = stored.keys().chain(requested.keys()).collect();
    keys.sort();
    keys.dedup();
    Ok(keys
        .into_iter()
        .filter(|key| stored.get(*key) != requested.get(*key))
        .map(|key| Difference {
            key: key.clone(),
            stored: show(stored.get(key)),
            requested: show(requested.get(key)),
        })
        .collect())
}
