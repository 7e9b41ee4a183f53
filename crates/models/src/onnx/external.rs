//! Weights in files next to the ONNX file.

use std::collections::{BTreeMap, BTreeSet};

use super::fault::on_one_line;
use super::model::Model;
use super::tensor::Data;
use super::wire::Message;
use crate::Error;

/// Most graphs inside one another.
const MOST_NESTED: usize = 16;

/// Returns whether a location of external data names a file in the folder of the ONNX file or below it.
///
/// A location is a relative path with `/` between its parts. Anything that leads, or on some system could lead, to
/// another place is outside.
pub fn is_inside_folder(location: &str) -> bool {
    let is_name = |part: &str| !matches!(part, "" | "." | "..");
    location.split('/').all(is_name) && !location.contains(['\\', ':', '\0'])
}

/// Returns the locations of the files of weights that an ONNX file refers to, also in the graphs of control flow and in
/// functions. [`is_inside_folder`] holds for all of them.
///
/// # Errors
/// Returns [`Error::Onnx`] if the content is damaged or refers to a file outside the folder.
pub fn external_files(bytes: &[u8]) -> Result<BTreeSet<String>, Error> {
    let mut files = BTreeSet::new();
    collect(bytes, Part::Model, MOST_NESTED, &mut files)?;
    Ok(files)
}

/// A message that may contain tensors.
#[derive(Clone, Copy)]
enum Part {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
}

impl Part {
    /// Returns what a field of this message is, if it may contain tensors.
    fn field(self, number: u64) -> Option<Self> {
        Some(match (self, number) {
            (Self::Model, 7) => Self::Graph,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) => Self::Tensor,
            (Self::Graph, 15) => Self::SparseTensor,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            (Self::Attribute, 5 | 10) => Self::Tensor,
            (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Attribute, 22 | 23) => Self::SparseTensor,
            (Self::SparseTensor, 1 | 2) => Self::Tensor,
            _ => return None,
        })
    }
}

/// Collects the locations of a message and those inside it.
fn collect(bytes: &[u8], part: Part, nested: usize, files: &mut BTreeSet<String>) -> Result<(), Error> {
    let mut message = Message::new(bytes, "ONNX file");
    while let Some((number, value)) = message.next()? {
        match part.field(number) {
            Some(Part::Graph) if nested == 0 => {
                return Err(message.error("graphs of at most 16 levels", "more".to_owned()));
            }
            Some(Part::Tensor) => {
                files.extend(location(message.bytes(value)?)?.map(str::to_owned));
            }
            Some(inside) => {
                let nested = nested - usize::from(matches!(inside, Part::Graph));
                collect(message.bytes(value)?, inside, nested, files)?;
            }
            None => {}
        }
    }
    Ok(())
}

/// Returns the file in which a tensor's elements are, if they are in another. It is in the folder.
fn location(tensor: &[u8]) -> Result<Option<&str>, Error> {
    let mut message = Message::new(tensor, "tensor");
    let (mut location, mut is_external) = ("", false);
    while let Some((field, value)) = message.next()? {
        match field {
            13 => {
                let mut entry = Message::new(message.bytes(value)?, "external data");
                let (mut key, mut text) = ("", "");
                while let Some((field, content)) = entry.next()? {
                    match field {
                        1 => key = entry.text(content)?,
                        2 => text = entry.text(content)?,
                        _ => {}
                    }
                }
                if key == "location" {
                    check(text)?;
                    location = text;
                }
            }
            14 => is_external = message.int(value)? == 1,
            _ => {}
        }
    }
    Ok(Some(location).filter(|_| is_external))
}

/// Refuses a location outside the folder.
fn check(location: &str) -> Result<(), Error> {
    match is_inside_folder(location) {
        true => Ok(()),
        false => Err(Error::Onnx {
            place: "external data".to_owned(),
            expected: "a file in the folder of the ONNX file".to_owned(),
            found: on_one_line(location),
        }),
    }
}

/// Returns the content of the files that a model refers to, by location.
pub(super) fn read(
    model: &Model<'_>,
    external: &mut dyn FnMut(&str) -> Result<Vec<u8>, Error>,
) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    for tensor in model.tensors() {
        let Data::External { location, .. } = tensor.data else { continue };
        if files.contains_key(location) {
            continue;
        }
        check(location)?;
        files.insert(location.to_owned(), external(location)?);
    }
    Ok(files)
}

/// Takes the elements of tensors from the content of the files in which they are.
pub(super) fn locate<'a>(
    mut model: Model<'a>,
    files: &'a BTreeMap<String, Vec<u8>>,
) -> Result<Model<'a>, Error> {
    for (name, tensor) in model.tensors_mut() {
        let located = tensor.locate_in(|location| files.get(location).map(Vec::as_slice));
        located.map_err(|fault| fault.at(&on_one_line(name), "external data"))?;
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_folder_are_inside() {
        for location in ["net.onnx.data", "weights/part-1.bin", "a..b"] {
            assert!(is_inside_folder(location), "{location}");
        }
        for location in [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../../x",
            "a//b",
            "./a",
            "a/",
            "C:\\x",
            "c:x",
            "a\\..\\b",
            "a\0",
        ] {
            assert!(!is_inside_folder(location), "{location:?}");
        }
    }
}
