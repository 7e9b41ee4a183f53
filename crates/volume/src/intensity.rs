//! How intensities are scaled for a network.

use crate::Error;

/// Voxels over which percentiles are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum PercentileOver {
    /// Voxels other than 0.
    #[default]
    Brain,
    /// All voxels of the scan.
    All,
}

/// Voxels over which mean and standard deviation are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum ZScoreOver {
    /// Voxels other than 0; the others stay 0. MONAI's `NormalizeIntensity(nonzero=True)`.
    #[default]
    NonZero,
    /// All voxels of the scan, so that its background is not 0 either.
    All,
}

/// Scaling of a sequence's intensities. Statistics are those of the whole stored scan, before it is resampled or cropped.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Intensity {
    /// Minimum and maximum of the scan become 0 and 1: the paper's.
    #[default]
    MinMax,
    /// Two percentiles become 0 and 1; values beyond them are clipped. MONAI's `ScaleIntensityRangePercentiles`.
    Percentile {
        /// The percentile that becomes 0: at least 0, less than `high`.
        low: f64,
        /// The percentile that becomes 1: at most 100.
        high: f64,
        /// Voxels over which they are computed; over the brain, background stays 0.
        over: PercentileOver,
    },
    /// Mean 0 and standard deviation 1.
    ZScore {
        /// Voxels over which they are computed.
        over: ZScoreOver,
    },
    /// Two given values become 0 and 1; values beyond them are clipped. For CT, in Hounsfield units.
    Window {
        /// The value that becomes 0; less than `high`.
        low: f64,
        /// The value that becomes 1.
        high: f64,
    },
    /// Intensities as they are stored.
    None,
}

/// Names of the kinds, in the order of the variants.
const KINDS: [&str; 5] = ["minmax", "percentile", "zscore", "window", "none"];
/// Percentiles where they are not given: robust against a few hot voxels.
const DEFAULT_PERCENTILES: (f64, f64) = (0.0, 99.9);

impl Intensity {
    /// Percentiles 0 and 99.9 over the brain.
    pub const ROBUST: Self = Self::Percentile {
        low: DEFAULT_PERCENTILES.0,
        high: DEFAULT_PERCENTILES.1,
        over: PercentileOver::Brain,
    };

    /// Name of the kind: `minmax`, `percentile`, `zscore`, `window` or `none`.
    pub fn kind(&self) -> &'static str {
        KINDS[match self {
            Self::MinMax => 0,
            Self::Percentile { .. } => 1,
            Self::ZScore { .. } => 2,
            Self::Window { .. } => 3,
            Self::None => 4,
        }]
    }

    /// Returns the kind of that name with its defaults: percentiles 0 and 99.9 over the brain, z-score over non-zero voxels.
    ///
    /// # Errors
    /// Returns [`Error::UnknownName`] for an unknown name, and [`Error::InvalidSetting`] for `window`, which has no defaults.
    pub fn with_defaults(kind: &str) -> Result<Self, Error> {
        match kind {
            "minmax" => Ok(Self::MinMax),
            "percentile" => Ok(Self::ROBUST),
            "zscore" => Ok(Self::ZScore { over: ZScoreOver::default() }),
            "none" => Ok(Self::None),
            "window" => Err(Error::InvalidSetting {
                setting: "intensity",
                expected: "{ kind = \"window\", low = .., high = .. }".to_owned(),
                found: "\"window\" without its values".to_owned(),
            }),
            other => Err(Error::UnknownName {
                what: "intensity",
                expected: format!("one of {}", KINDS.join(", ")),
                found: other.to_owned(),
            }),
        }
    }

    /// Returns whether scaled intensities lie in 0..1.
    pub fn is_unit_range(&self) -> bool {
        matches!(self, Self::MinMax | Self::Percentile { .. } | Self::Window { .. })
    }

    /// Validates the values.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let invalid = |expected: &str, low: f64, high: f64| {
            Err(Error::InvalidSetting {
                setting: "intensity",
                expected: expected.to_owned(),
                found: format!("{low} and {high}"),
            })
        };
        match *self {
            Self::Percentile { low, high, .. } if !(0.0 <= low && low < high && high <= 100.0) => {
                invalid("percentiles 0 <= low < high <= 100", low, high)
            }
            Self::Window { low, high } if !(low < high && low.is_finite() && high.is_finite()) => {
                invalid("a window of finite values low < high", low, high)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(feature = "serde")]
mod with_serde {
    use std::fmt;

    use serde::de::value::MapAccessDeserializer;
    use serde::de::{self, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{DEFAULT_PERCENTILES, Intensity, PercentileOver, ZScoreOver};

    /// The form in files.
    #[derive(Serialize, Deserialize)]
    #[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
    enum Table {
        MinMax {},
        Percentile {
            #[serde(default = "lowest")]
            low: f64,
            #[serde(default = "highest")]
            high: f64,
            #[serde(default)]
            over: PercentileOver,
        },
        ZScore {
            #[serde(default)]
            over: ZScoreOver,
        },
        Window {
            low: f64,
            high: f64,
        },
        None {},
    }

    fn lowest() -> f64 {
        DEFAULT_PERCENTILES.0
    }

    fn highest() -> f64 {
        DEFAULT_PERCENTILES.1
    }

    impl Serialize for Intensity {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let table = match *self {
                Self::MinMax => Table::MinMax {},
                Self::Percentile { low, high, over } => Table::Percentile { low, high, over },
                Self::ZScore { over } => Table::ZScore { over },
                Self::Window { low, high } => Table::Window { low, high },
                Self::None => Table::None {},
            };
            table.serialize(serializer)
        }
    }

    struct KindOrTable;

    impl<'de> Visitor<'de> for KindOrTable {
        type Value = Intensity;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an intensity such as \"zscore\" or { kind = \"percentile\", low = 0, high = 99.9 }")
        }

        fn visit_str<E: de::Error>(self, kind: &str) -> Result<Intensity, E> {
            Intensity::with_defaults(kind).map_err(E::custom)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Intensity, A::Error> {
            Ok(match Table::deserialize(MapAccessDeserializer::new(map))? {
                Table::MinMax {} => Intensity::MinMax,
                Table::Percentile { low, high, over } => Intensity::Percentile { low, high, over },
                Table::ZScore { over } => Intensity::ZScore { over },
                Table::Window { low, high } => Intensity::Window { low, high },
                Table::None {} => Intensity::None,
            })
        }
    }

    impl<'de> Deserialize<'de> for Intensity {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(KindOrTable)
        }
    }
}
