//! Enums that are chosen by name.

/// Implements `Display` and `FromStr` for an enum with an array `ALL` and a method `name()`.
///
/// `$error` is the error of an unknown name; it has the variant `UnknownName { what, expected, found }` of the error type of
/// each Relevox crate.
///
/// ```
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Side {
///     Left,
///     Right,
/// }
///
/// impl Side {
///     const ALL: [Self; 2] = [Self::Left, Self::Right];
///
///     const fn name(self) -> &'static str {
///         match self {
///             Self::Left => "left",
///             Self::Right => "right",
///         }
///     }
/// }
///
/// #[derive(Debug)]
/// enum Error {
///     UnknownName { what: &'static str, expected: String, found: String },
/// }
///
/// relevox_grid::by_name!(Side, "side", Error);
///
/// assert_eq!("left".parse::<Side>().unwrap(), Side::Left);
/// let Error::UnknownName { what, expected, found } = "up".parse::<Side>().unwrap_err();
/// assert_eq!(format!("{what}: expected {expected}, found {found}"), "side: expected one of left, right, found up");
/// ```
#[macro_export]
macro_rules! by_name {
    ($type:ident, $what:literal, $error:ident) => {
        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $error;

            fn from_str(name: &str) -> ::std::result::Result<Self, $error> {
                Self::ALL.into_iter().find(|value| value.name() == name).ok_or_else(|| $error::UnknownName {
                    what: $what,
                    expected: ::std::format!("one of {}", Self::ALL.map(Self::name).join(", ")),
                    found: name.to_owned(),
                })
            }
        }
    };
}
