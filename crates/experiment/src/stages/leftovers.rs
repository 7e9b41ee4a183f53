//! Removal of artefacts of earlier configurations that the current one does not use.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use relevox_report::tables::Method;

use super::explained::{self, CONVERGENCE_SUFFIX};
use super::methods::{map_file, mask_file, of_case, table_file};
use super::partition::Partition;
use super::scores::fill_record;
use super::session::Session;
use super::{diffuse, explain, faithfulness, focus, grid, learned, pool, train};
use crate::run::SIDECAR;

const FOLDERS: [&str; 7] = ["regions", "scores", "pooled", "explained", "maps", "faithfulness", "focus"];

/// Removes unused regions, scores and maps.
///
/// # Errors
/// Returns an error that names the folder if a file can't be removed.
pub fn sweep(session: &Session, partition: &Partition) -> anyhow::Result<()> {
    let used = used(session, partition)?;
    for folder in FOLDERS.map(|folder| session.run.path(folder)).iter().filter(|folder| folder.is_dir()) {
        remove_unused(folder, &used).with_context(|| format!("clearing {}", folder.display()))?;
    }
    Ok(())
}

/// Returns the paths of all artefacts that the configuration uses.
fn used(session: &Session, partition: &Partition) -> anyhow::Result<BTreeSet<PathBuf>> {
    let config = &session.config;
    let mut used = BTreeSet::new();
    let mut add = |artefact: String| used.insert(session.run.path(&artefact));
    if session.run.path(grid::GRID).exists() {
        for cell in grid::read(session)?.cells {
            for case in &cell.cases {
                add(cell.partition.regions_file(case));
                add(cell.partition.scores_file(case, cell.fill));
            }
        }
    }
    let explained = explain::cases(session)?;
    for case in session.scored_cases() {
        let case = case.id();
        add(partition.regions_file(case));
        for fill in config.evaluate.fills.iter().filter(|fill| fill.is_learned()) {
            add(fill_record::file(partition, case, *fill));
        }
        for method in of_case(session, explained.contains(case)) {
            add(map_file(case, method));
            add(mask_file(case, method));
            add(explained::convergence_file(partition, case, method));
            table_file(method, partition, case).map(&mut add);
        }
    }
    if config.explain.methods.contains(&Method::Partitions) {
        for (case, partition) in
            explained.iter().flat_map(|case| grid::partitions(config).into_iter().map(move |p| (case, p)))
        {
            add(partition.regions_file(case));
            add(partition.scores_file(case, config.explain.fill));
        }
    }
    if !config.pool.methods.is_empty() {
        let chosen = diffuse::read(session)?.chosen;
        pool::artefacts(session, partition, &chosen).into_iter().for_each(|artefact| {
            add(artefact);
        });
    }
    for case in faithfulness::cases(session)? {
        add(faithfulness::file(partition, &case));
    }
    for case in learned::cases(session) {
        add(partition.regions_file(&case));
    }
    let cases = focus::cases(session)?;
    for row in train::history(session)? {
        for case in &cases {
            add(focus::file(row.epoch, case));
        }
    }
    Ok(used)
}

/// Removes unused artefacts, recognised by their sidecars or names, and leaves other files. Returns true if the folder
/// was removed.
fn remove_unused(folder: &Path, used: &BTreeSet<PathBuf>) -> std::io::Result<bool> {
    let mut empty = true;
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let paths: BTreeSet<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            empty &= remove_unused(&path, used)?;
            continue;
        }
        let text = path.to_string_lossy();
        let artefact = text.strip_suffix(SIDECAR);
        let has_sidecar = paths.contains(Path::new(&format!("{text}{SIDECAR}")));
        let is_artefact = kind.is_file()
            && (artefact.is_some()
                || has_sidecar
                || [fill_record::RECORD_SUFFIX, CONVERGENCE_SUFFIX]
                    .iter()
                    .any(|suffix| text.ends_with(suffix)));
        if is_artefact && !used.contains(Path::new(artefact.unwrap_or(&text))) {
            fs::remove_file(&path)?;
        } else {
            empty = false;
        }
    }
    if empty {
        fs::remove_dir(folder)?;
    }
    Ok(empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_artefacts_and_other_files_remain() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join("maps").join(name);
        let names = [
            "a/blank.nii.gz",
            "a/blank.nii.gz.made.json",
            "a/old.nii.gz",
            "a/old.nii.gz.made.json",
            "a/old.values.csv",
            "b/old.nii.gz.made.json",
            "c/own.nii.gz",
        ];
        for name in names {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), b"x").unwrap();
        }
        let used = BTreeSet::from([path("a/blank.nii.gz")]);
        assert!(!remove_unused(&folder.path().join("maps"), &used).unwrap());
        assert!(path("a/blank.nii.gz").exists() && path("a/blank.nii.gz.made.json").exists());
        assert!(!path("a/old.nii.gz").exists() && !path("a/old.values.csv").exists() && !path("b").exists());
        assert!(path("c/own.nii.gz").exists(), "a file of the user was removed");
    }

    #[test]
    fn swept_folders_are_artefacts() {
        for folder in FOLDERS {
            assert!(crate::run::ARTEFACTS.contains(&folder), "{folder}");
        }
    }
}
