//! Enums that are chosen by name.

/// Defines an enum with one table of its names (file names, CSV, configs) and labels (for people). The first value is the
/// default.
macro_rules! named {
    (
        $(#[$outer:meta])*
        pub enum $type:ident, $what:literal {
            $(#[$of_first:meta])* $first:ident = $first_name:literal, $first_label:literal;
            $($(#[$inner:meta])* $variant:ident = $name:literal, $label:literal;)+
        }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(try_from = "String", into = "&'static str"))]
        pub enum $type {
            $(#[$of_first])*
            #[default]
            $first,
            $($(#[$inner])* $variant,)+
        }

        impl $type {
            /// All values, in the order of their definition.
            pub const ALL: &'static [Self] = &[Self::$first, $(Self::$variant),+];

            /// Returns the name in file names, tables and configs.
            pub const fn name(self) -> &'static str {
                match self {
                    Self::$first => $first_name,
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns the name for people.
            pub const fn label(self) -> &'static str {
                match self {
                    Self::$first => $first_label,
                    $(Self::$variant => $label,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::Error;

            fn from_str(name: &str) -> Result<Self, $crate::Error> {
                match name {
                    $first_name => Ok(Self::$first),
                    $($name => Ok(Self::$variant),)+
                    _ => Err($crate::Error::UnknownName {
                        what: $what,
                        expected: format!("one of {}", [$first_name, $($name),+].join(", ")),
                        found: name.to_owned(),
                    }),
                }
            }
        }

        impl TryFrom<String> for $type {
            type Error = $crate::Error;

            fn try_from(name: String) -> Result<Self, $crate::Error> {
                name.parse()
            }
        }

        impl From<$type> for &'static str {
            fn from(value: $type) -> Self {
                value.name()
            }
        }
    };
}
