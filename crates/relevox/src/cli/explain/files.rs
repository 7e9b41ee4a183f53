//! Names of the files that the command writes.

use std::path::Path;

use anyhow::Context;

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

/// Removes the files of an earlier explanation from a folder, which a new one would otherwise stand among.
///
/// # Errors
/// Returns an error that names the folder if a file cannot be removed.
pub(super) fn discard_earlier(folder: &Path) -> anyhow::Result<()> {
    if !folder.join(DOCUMENT).is_file() {
        return Ok(());
    }
    let own = names(&Method::ALL);
    // Files by sequence and by partition.
    let parts = [Method::Perturb, Method::Averaged].map(|method| format!("{method}-"));
    let is_own = |name: &str| {
        let mut rest = parts.iter().filter_map(|of| name.strip_prefix(of.as_str()));
        let ends = [".csv", ".nii.gz", ".npy"];
        own.iter().any(|own| own == name) || rest.any(|rest| ends.iter().any(|end| rest.ends_with(end)))
    };
    let remove = || {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() && entry.file_name().to_str().is_some_and(is_own) {
                std::fs::remove_file(entry.path())?;
            }
        }
        std::io::Result::Ok(())
    };
    remove().with_context(|| format!("removing an earlier explanation from {}", folder.display()))
}

/// All files by method, without those by sequence and by partition.
pub(super) fn names(methods: &[Method]) -> Vec<String> {
    let mut names = Explanation::file_names(methods);
    names.extend(methods.iter().map(|method| array(*method)));
    names.extend([DOCUMENT, OVERVIEW, PAGE].map(str::to_owned));
    names
}
