//! The weight of positive scans in the loss: a number, or balanced.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const BALANCED: &str = "balanced";

/// Weight of a positive scan in the loss; a negative scan has weight 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PositiveWeight {
    /// Negative over positive scans of the training split: both classes weigh the same.
    Balanced,
    /// As given.
    Given(f64),
}

impl PositiveWeight {
    /// Returns the weight for a training split with this number of scans of each class, both above 0.
    pub fn of(self, negative: usize, positive: usize) -> f64 {
        match self {
            Self::Balanced => negative as f64 / positive as f64,
            Self::Given(weight) => weight,
        }
    }
}

impl Serialize for PositiveWeight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Balanced => serializer.serialize_str(BALANCED),
            Self::Given(weight) => serializer.serialize_f64(*weight),
        }
    }
}

impl<'de> Deserialize<'de> for PositiveWeight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Value;

        impl Visitor<'_> for Value {
            type Value = PositiveWeight;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "a number above 0, or \"{BALANCED}\"")
            }

            fn visit_f64<E: Error>(self, weight: f64) -> Result<PositiveWeight, E> {
                Ok(PositiveWeight::Given(weight))
            }

            fn visit_i64<E: Error>(self, weight: i64) -> Result<PositiveWeight, E> {
                Ok(PositiveWeight::Given(weight as f64))
            }

            fn visit_u64<E: Error>(self, weight: u64) -> Result<PositiveWeight, E> {
                Ok(PositiveWeight::Given(weight as f64))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<PositiveWeight, E> {
                match text {
                    BALANCED => Ok(PositiveWeight::Balanced),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(Value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Section {
        weight: PositiveWeight,
    }

    #[test]
    fn numbers_and_balanced_read_back() {
        for (text, weight) in [
            ("weight = \"balanced\"\n", PositiveWeight::Balanced),
            ("weight = 0.3\n", PositiveWeight::Given(0.3)),
        ] {
            let section = Section { weight };
            assert_eq!(toml::to_string(&section).unwrap(), text);
            assert_eq!(toml::from_str::<Section>(text).unwrap(), section);
        }
        assert_eq!(toml::from_str::<Section>("weight = 2").unwrap().weight, PositiveWeight::Given(2.0));
    }

    #[test]
    fn other_words_are_refused() {
        let error = toml::from_str::<Section>("weight = \"even\"").unwrap_err().to_string();
        assert!(error.contains("expected a number above 0, or \"balanced\""), "{error}");
    }

    #[test]
    fn balanced_classes_weigh_the_same() {
        assert_eq!(PositiveWeight::Balanced.of(6, 20) * 20.0, 6.0);
        assert_eq!(PositiveWeight::Balanced.of(72, 72), 1.0);
        assert_eq!(PositiveWeight::Given(0.5).of(6, 20), 0.5);
    }
}
