//! Cases that a long benchmark has measured so far, from which it resumes after an interruption.

use std::path::{Path, PathBuf};

use anyhow::Context;
use relevox_experiment::progress::print_status;
use relevox_experiment::run::replace;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Measured cases, kept in the build folder until all of them are.
pub(super) struct Measured<T> {
    path: PathBuf,
    kept: Kept<T>,
}

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    /// Machine, revision and options of the measurements.
    of: Value,
    cases: Vec<T>,
}

impl<T: Serialize + DeserializeOwned> Measured<T> {
    /// Reads the cases of an interrupted benchmark of the same name; none if they depend on anything else than `of`. Source that
    /// differs from its revision is never the same.
    pub(super) fn open(root: &Path, name: &str, of: Value) -> Self {
        let path = root.join("target/bench").join(format!("{name}.json"));
        let read = || serde_json::from_slice::<Kept<T>>(&std::fs::read(&path).ok()?).ok();
        let same_source = of["revision"].as_str().is_some_and(|revision| !revision.ends_with('+'));
        let kept = read().filter(|kept| same_source && kept.of == of);
        if let Some(kept) = &kept {
            print_status(format!(
                "bench {name}: resuming after {} cases in {}",
                kept.cases.len(),
                path.display()
            ));
        }
        Self { path, kept: kept.unwrap_or(Kept { of, cases: Vec::new() }) }
    }

    /// Returns the case that satisfies a condition.
    pub(super) fn find(&self, is_wanted: impl FnMut(&&T) -> bool) -> Option<&T> {
        self.kept.cases.iter().find(is_wanted)
    }

    /// Adds a case and stores all of them.
    ///
    /// # Errors
    /// Returns an error if the file can't be written.
    pub(super) fn add(&mut self, case: T) -> anyhow::Result<()> {
        self.kept.cases.push(case);
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        }
        replace(&self.path, &serde_json::to_vec(&self.kept)?)
    }

    /// Removes the file: the next benchmark measures every case.
    ///
    /// # Errors
    /// Returns an error if the file can't be removed.
    pub(super) fn forget(self) -> anyhow::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cases_are_kept_until_all_are_measured() {
        let root = tempfile::tempdir().unwrap();
        let open =
            |revision: &str| Measured::<u32>::open(root.path(), "one", json!({ "revision": revision }));
        let mut first = open("a");
        first.add(3).unwrap();
        first.add(4).unwrap();
        let again = open("a");
        assert_eq!((again.find(|&&case| case == 4), again.find(|&&case| case == 5)), (Some(&4), None));
        assert_eq!(open("b").find(|_| true), None);
        again.forget().unwrap();
        assert_eq!(open("a").find(|_| true), None);

        // What a changed source did is unknown.
        let mut changed = open("a+");
        changed.add(3).unwrap();
        assert_eq!(open("a+").find(|_| true), None);
    }
}
