//! What an artefact is made from: settings by value, files by content.

use serde::Serialize;
use serde_json::{Map, Value};

/// The inputs of an artefact, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs(Map<String, Value>);

impl Default for Inputs {
    fn default() -> Self {
        Self::new()
    }
}

impl Inputs {
    /// No inputs but this program's version.
    pub fn new() -> Self {
        Self(Map::new()).setting("relevox", &env!("CARGO_PKG_VERSION"))
    }

    /// Adds a setting, a section of them, or anything else that is small.
    pub fn setting(mut self, name: &str, value: &impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or_else(|error| Value::String(error.to_string()));
        let before = self.0.insert(name.to_owned(), value);
        debug_assert!(before.is_none(), "the input {name} is named twice: the first would not count");
        self
    }

    /// Adds a file's content hash.
    pub fn file(self, name: &str, hash: &str) -> Self {
        self.setting(name, &hash)
    }

    /// As a sidecar holds it.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// The first input in which a sidecar's differ from these, in words.
    pub fn differs_from(&self, there: &Value) -> Option<String> {
        difference("", there, &self.to_value())
    }
}

fn difference(name: &str, there: &Value, now: &Value) -> Option<String> {
    if there == now {
        return None;
    }
    if let (Value::Object(there), Value::Object(now)) = (there, now) {
        let keys = there.keys().chain(now.keys().filter(|key| !there.contains_key(*key)));
        for key in keys {
            let inner = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
            let [there, now] = [there, now].map(|side| side.get(key).unwrap_or(&Value::Null));
            if let Some(found) = difference(&inner, there, now) {
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
    Some(format!("{name}: {} there, {} now", show(there), show(now)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let inputs = Inputs::new().setting("grid", &json!({"counts": [50, 100], "cases": 3}));
        assert_eq!(inputs.differs_from(&inputs.to_value()), None);
        let other = Inputs::new().setting("grid", &json!({"counts": [50, 100], "cases": 4}));
        assert_eq!(other.differs_from(&inputs.to_value()).unwrap(), "grid.cases: 3 there, 4 now");
        let more = inputs.clone().file("weights", "ab");
        assert_eq!(more.differs_from(&inputs.to_value()).unwrap(), "weights: null there, \"ab\" now");
        assert!(inputs.differs_from(&more.to_value()).is_some());
    }
}
