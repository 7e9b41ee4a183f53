//! The summary of a finished run with the facts that identify it: `docs/results/RUN.json`.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use relevox_experiment::config::PHANTOM;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::stages::evaluate::SUMMARY;
use relevox_report::tables::Summary;

/// The summary of a run and where it comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// Name of the run.
    pub(super) run: String,
    /// Whether the scans are phantoms.
    pub(super) synthetic: bool,
    /// Seed of the run.
    pub(super) seed: u64,
    /// Git revision; it ends with `+` if the tree had uncommitted changes.
    pub(super) revision: Option<String>,
    /// Numbers of the run.
    pub(super) summary: Summary,
}

impl Outcome {
    /// Reads a run folder.
    ///
    /// # Errors
    /// Returns an input error if a file of a finished run is missing or invalid.
    pub(super) fn of_run(folder: &Path) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let path = folder.join(name);
            std::fs::read_to_string(&path)
                .map_err(|error| invalid_input(format!("{}: {error}", path.display())))
        };
        let invalid = |name: &str, error: &dyn std::fmt::Display| {
            let path = folder.join(name);
            invalid_input(format!(
                "{}: expected a file written by `reproduce`, found {error}",
                path.display()
            ))
        };
        let summary: Summary =
            serde_json::from_str(&text(SUMMARY)?).map_err(|error| invalid(SUMMARY, &error))?;
        let config: toml::Table =
            toml::from_str(&text("run.toml")?).map_err(|error| invalid("run.toml", &error))?;
        let manifest: Value = serde_json::from_str(&text("manifest.json")?)
            .map_err(|error| invalid("manifest.json", &error))?;
        let source =
            config.get("cohort").and_then(|cohort| cohort.get("source")).and_then(toml::Value::as_str);
        let name = folder.canonicalize()?.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            run: name.ok_or_else(|| invalid_input(format!("{}: expected a run folder", folder.display())))?,
            synthetic: source == Some(PHANTOM),
            seed: manifest["seed"].as_u64().unwrap_or_default(),
            revision: manifest["git_revision"].as_str().map(str::to_owned),
            summary,
        })
    }

    /// Writes `RUN.json` to a folder.
    ///
    /// # Errors
    /// Returns an error if the folder can't be written to.
    pub(super) fn store(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
        let path = folder.join(format!("{}.json", self.run));
        let text = serde_json::to_string_pretty(&serde_json::to_value(self)?)? + "\n";
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// Reads every `RUN.json` of a folder, in the order of their names.
    ///
    /// # Errors
    /// Returns an error if a file can't be read or parsed.
    pub(super) fn stored(folder: &Path) -> anyhow::Result<Vec<Self>> {
        let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        let read =
            |path: &Path| -> anyhow::Result<Self> { Ok(serde_json::from_slice(&std::fs::read(path)?)?) };
        paths.iter().map(|path| read(path).with_context(|| format!("reading {}", path.display()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_summaries_are_written_as_they_were() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/results");
        let copies = tempfile::tempdir().unwrap();
        for outcome in Outcome::stored(&folder).unwrap() {
            outcome.store(copies.path()).unwrap();
            let name = format!("{}.json", outcome.run);
            let [stored, copy] =
                [folder.join(&name), copies.path().join(&name)].map(|path| std::fs::read(path).unwrap());
            assert!(stored == copy, "{name}");
        }
    }
}
