//! Files and folders of a run, for comparison with those of another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The only file of a run that holds times: seconds of each stage.
const WITH_TIMES: &str = "manifest.json";

/// Folder with the records of shards, which hold times and hosts.
const RECORDS: &str = "stages";

/// Content of every file below a folder except [`WITH_TIMES`] and those in [`RECORDS`], and the folders, by relative path.
#[derive(Debug, PartialEq, Eq)]
pub struct Tree(BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Tree {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// Returns an error that names the file or folder that can't be read.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let mut found = BTreeMap::new();
        collect(root, root, &mut found)?;
        found
            .remove(Path::new(WITH_TIMES))
            .with_context(|| format!("{} has no {WITH_TIMES}", root.display()))?;
        found.retain(|name, _| !name.starts_with(RECORDS));
        Ok(Self(found))
    }

    /// Returns the number of files and folders.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Lists the files and folders that differ, or exist in one of the trees only.
    pub fn differences(&self, expected: &Self) -> Vec<String> {
        let names = self.0.keys().chain(expected.0.keys().filter(|name| !self.0.contains_key(*name)));
        let different = names.filter(|name| self.0.get(*name) != expected.0.get(*name));
        different
            .map(|name| {
                let how = match (self.0.contains_key(name), expected.0.contains_key(name)) {
                    (true, true) => "differs",
                    (true, false) => "is additional",
                    (false, _) => "is missing",
                };
                format!("{} {how}", name.display())
            })
            .collect()
    }
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.to_owned();
        if path.is_dir() {
            found.insert(name, None);
            collect(root, &path, found)?;
        } else {
            let content = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            found.insert(name, Some(content));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_but_the_manifest_s_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        for run in ["a", "b"] {
            write(&format!("{run}/manifest.json"), run);
            write(&format!("{run}/stages/score/{run}.json"), run);
            write(&format!("{run}/scores/same.csv"), "same");
            write(&format!("{run}/scores/other.csv"), "same");
        }
        let read = |run: &str| Tree::read(&folder.path().join(run)).unwrap();
        assert_eq!(read("a").differences(&read("b")), [""; 0]);
        write("a/scores/other.csv", "samE");
        write("a/.temporary", "");
        fs::create_dir(folder.path().join("b/maps")).unwrap();
        let found = read("a").differences(&read("b"));
        assert_eq!(found, [".temporary is additional", "scores/other.csv differs", "maps is missing"]);
    }
}
