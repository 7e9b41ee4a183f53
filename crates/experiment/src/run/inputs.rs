//! Inputs of an artefact: settings by value, files by content hash.

use serde::Serialize;
use serde_json::{Map, Value};

/// Named inputs of an artefact.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs(Map<String, Value>);

impl Default for Inputs {
    fn default() -> Self {
        Self::new()
    }
}

impl Inputs {
    /// Creates inputs that contain only the version of this package.
    pub fn new() -> Self {
        Self(Map::new()).setting("relevox", &env!("CARGO_PKG_VERSION"))
    }

    /// Adds a setting, a section of settings, or any other small value.
    pub fn setting(mut self, name: &str, value: &impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or_else(|error| Value::String(error.to_string()));
        let previous = self.0.insert(name.to_owned(), value);
        debug_assert!(previous.is_none(), "the input {name} is set twice");
        self
    }

    /// Adds the content hash of a file.
    pub fn file(self, name: &str, hash: &str) -> Self {
        self.setting(name, &hash)
    }

    /// Converts the inputs to the JSON value stored in a sidecar.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Describes the first difference from the inputs stored in a sidecar.
    pub fn difference(&self, stored: &Value) -> Option<String> {
        difference("", stored, &self.to_value())
    }
}

fn difference(name: &str, stored: &Value, now: &Value) -> Option<String> {
    if stored == now {
        return None;
    }
    if let (Value::Object(stored), Value::Object(now)) = (stored, now) {
        let keys = stored.keys().chain(now.keys().filter(|key| !stored.contains_key(*key)));
        for key in keys {
            let inner = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            let [stored, now] = [stored, now].map(|side| side.get(key).unwrap_or(&Value::Null));
            if let Some(found) = difference(&inner, stored, now) {
                return Some(found);
            }
        }
        return None;
    }
    let show = |value: &Value| {
        let text = value.to_string();
        let short: String = text.chars().take(40).collect();
        if short.len() < text.len() { format!("{short}…") } else { short }
    };
    Some(format!("{name}: {} stored, {} now", show(stored), show(now)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn difference_names_the_path_of_the_first_difference() {
        let inputs = Inputs::new().setting("grid", &json!({"counts": [50, 100], "cases": 3}));
        assert_eq!(inputs.difference(&inputs.to_value()), None);
        let other = Inputs::new().setting("grid", &json!({"counts": [50, 100], "cases": 4}));
        assert_eq!(other.difference(&inputs.to_value()).unwrap(), "grid.cases: 3 stored, 4 now");
        let more = inputs.clone().file("weights", "ab");
        assert_eq!(more.difference(&inputs.to_value()).unwrap(), "weights: null stored, \"ab\" now");
        assert!(inputs.difference(&more.to_value()).is_some());
    }
}
