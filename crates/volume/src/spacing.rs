//! Spacing of a network's input.

use crate::Error;

/// Allowed spacing, in millimetres.
const RANGE_MM: std::ops::RangeInclusive<f64> = 0.01..=100.0;

/// Spacing that scans are resampled to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Spacing {
    /// The stored spacing, whatever it is.
    #[default]
    Stored,
    /// Millimetres between voxel centres along z, y, x of the oriented scan: 0.01 to 100 each.
    Millimetres([f64; 3]),
}

impl Spacing {
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Millimetres(mm) if !mm.iter().all(|mm| RANGE_MM.contains(mm)) => {
                Err(Error::InvalidSetting {
                    setting: "spacing_mm",
                    expected: "\"stored\", or three numbers of 0.01 to 100".to_owned(),
                    found: format!("{mm:?}"),
                })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(feature = "serde")]
mod with_serde {
    use std::fmt;

    use serde::de::{self, SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Spacing;

    const STORED: &str = "stored";

    impl Serialize for Spacing {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Stored => serializer.serialize_str(STORED),
                Self::Millimetres(mm) => mm.serialize(serializer),
            }
        }
    }

    struct StoredOrNumbers;

    impl<'de> Visitor<'de> for StoredOrNumbers {
        type Value = Spacing;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"stored\", or three numbers in millimetres")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Spacing, E> {
            match text {
                STORED => Ok(Spacing::Stored),
                other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
            }
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Spacing, A::Error> {
            let mut values = Vec::with_capacity(3);
            while let Some(mm) = seq.next_element::<f64>()? {
                values.push(mm);
            }
            let count = values.len();
            let mm = values.try_into().map_err(|_| de::Error::invalid_length(count, &self))?;
            Ok(Spacing::Millimetres(mm))
        }
    }

    impl<'de> Deserialize<'de> for Spacing {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(StoredOrNumbers)
        }
    }
}
