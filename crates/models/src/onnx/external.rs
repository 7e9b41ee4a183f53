//! Weights in files next to the ONNX file.

use std::collections::BTreeMap;

use super::fault::on_one_line;
use super::model::Model;
use super::tensor::Data;
use crate::Error;

/// Returns whether a location of external data names a file in the folder of the ONNX file or below it.
///
/// A location is a relative path with `/` between its parts. Anything that leads, or on some system could lead, to
/// another place is outside.
pub fn is_inside_folder(location: &str) -> bool {
    let is_name = |part: &str| !matches!(part, "" | "." | "..");
    location.split('/').all(is_name) && !location.contains(['\\', ':', '\0'])
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
        if !is_inside_folder(location) {
            return Err(Error::Onnx {
                place: "external data".to_owned(),
                expected: "a file in the folder of the ONNX file".to_owned(),
                found: on_one_line(location),
            });
        }
        files.insert(location.to_owned(), external(location)?);
    }
    Ok(files)
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
