//! Errors inside the reader, before the node in which they occurred is added.

use crate::Error;

/// Longest name in a message, in characters.
const LONGEST_NAME: usize = 120;

/// The fault of a node.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file contradicts itself or the specification.
    Invalid { expected: String, found: String },
    /// The file may be valid, but [`Graph`](crate::graph::Graph) has no such operation.
    Unsupported(String),
    /// The result depends on the size of the images, which is not known.
    Size,
    /// An error that names its place.
    Whole(Error),
}

impl Fault {
    /// Returns the error of a node of this name and operator.
    pub(super) fn at(self, name: &str, operator: &str) -> Error {
        let place = format!("{name} ({operator})");
        match self {
            Self::Whole(error) => error,
            Self::Unsupported(why) => {
                Error::UnsupportedOperator { node: name.to_owned(), operator: operator.to_owned(), why }
            }
            Self::Invalid { expected, found } => Error::Onnx { place, expected, found },
            Self::Size => Error::Onnx {
                place,
                expected: "the size of the images, on which its result depends".to_owned(),
                found: "dynamic axes and no size".to_owned(),
            },
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Whole(error)
    }
}

/// Refuses what is invalid.
pub(super) fn invalid<T>(expected: impl Into<String>, found: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Invalid { expected: expected.into(), found: found.into() })
}

/// Refuses what a graph cannot describe.
pub(super) fn unsupported<T>(why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Unsupported(why.into()))
}

/// Returns a name of the file as it stands in a message: on one line and of limited length.
pub(super) fn on_one_line(name: &str) -> String {
    let mut text: String = name.chars().take(LONGEST_NAME).flat_map(char::escape_debug).collect();
    if name.chars().nth(LONGEST_NAME).is_some() {
        text.push('…');
    }
    text
}
