//! Enums that are chosen by name: one table of names, labels and a property of each value.

/// Implements an enum's table of names (files, tables, JSON, configs), labels (for people) and a property, in the order of
/// `ALL`; and `Display`, `FromStr`, `Ord`, `Serialize` and `Deserialize` by `name()`.
///
/// The order is that of the names, so that a `BTreeMap` by such an enum is written in the same order as one by `String`.
macro_rules! by_name {
    (
        $name:ident, $what:literal, $(#[$outer:meta])* $property:ident: $of:ident {
            $($variant:ident = $text:literal, $label:literal, $value:ident;)+
        }
    ) => {
        impl $name {
            /// All values, in the order of tables and figures.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// Returns the name in file names, tables, JSON and configs.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// Returns the name for people: tables, figures and the report.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }

            $(#[$outer])*
            pub const fn $property(self) -> $of {
                match self {
                    $(Self::$variant => $of::$value,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::Error;

            fn from_str(name: &str) -> Result<Self, crate::Error> {
                Self::ALL.into_iter().find(|one| one.name() == name).ok_or_else(|| {
                    let expected = Self::ALL.map(Self::name).join(", ");
                    crate::Error::UnknownName {
                        what: $what,
                        expected: format!("one of {expected}"),
                        found: name.to_owned(),
                    }
                })
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.name().cmp(other.name())
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                name.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(super) use by_name;
