//! Names of the files that the command writes.

use crate::{Explanation, Method};

/// Everything about the explanation, for programs.
pub(super) const DOCUMENT: &str = "explanation.json";

/// Slices through the most relevant region.
pub(super) const OVERVIEW: &str = "overview.png";

/// The page to look into.
pub(super) const PAGE: &str = "index.html";

/// The relevance map of a tensor, in its own axes.
pub(super) fn array(method: Method) -> String {
    format!("{method}.npy")
}

/// The map of one sequence of a tensor.
pub(super) fn array_of_sequence(sequence: &str) -> String {
    format!("{}-{sequence}.npy", Method::Perturb)
}

/// All files by method, without those by sequence.
pub(super) fn names(methods: &[Method]) -> Vec<String> {
    let mut names = Explanation::file_names(methods, &[]);
    names.extend(methods.iter().map(|method| array(*method)));
    names.extend([DOCUMENT, OVERVIEW, PAGE].map(str::to_owned));
    names
}
