//! What an earlier config left in the folders of regions, scores and maps, and nothing refers to now.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use relevox_report::tables::Method;

use super::explained::{self, SETTLING};
use super::methods::{self, of_case};
use super::scores::fill_record;
use super::{Partition, Session, explain, faithfulness, focus, grid, learned, maps, train};
use crate::run::SIDECAR;

const FOLDERS: [&str; 6] = ["regions", "scores", "explained", "maps", "faithfulness", "focus"];

/// Removes it.
///
/// # Errors
/// What can't be removed.
pub fn sweep(session: &Session, partition: &Partition) -> anyhow::Result<()> {
    let wanted = wanted(session, partition)?;
    for folder in FOLDERS.map(|folder| session.run.path(folder)).iter().filter(|folder| folder.is_dir()) {
        remove_others(folder, &wanted).with_context(|| format!("clearing {}", folder.display()))?;
    }
    Ok(())
}

fn wanted(session: &Session, partition: &Partition) -> anyhow::Result<BTreeSet<PathBuf>> {
    let config = &session.config;
    let mut wanted = BTreeSet::new();
    let mut want = |artefact: String| wanted.insert(session.run.path(&artefact));
    if session.run.path(grid::GRID).exists() {
        for cell in grid::read(session)?.cells {
            for case in &cell.cases {
                want(cell.partition.regions_file(case));
                want(cell.partition.scores_file(case, cell.fill));
            }
        }
    }
    let explained = explain::cases(session)?;
    for case in session.scored_cases() {
        let case = case.id();
        want(partition.regions_file(case));
        want(fill_record::file(partition, case));
        for method in of_case(session, explained.contains(case)) {
            want(maps::file(case, method));
            want(maps::mask_file(case, method));
            want(explained::settling_file(partition, case, method));
            methods::table(method, partition, case).map(&mut want);
        }
    }
    if config.explain.methods.contains(&Method::Partitions) {
        for (case, partition) in
            explained.iter().flat_map(|case| grid::partitions(config).into_iter().map(move |p| (case, p)))
        {
            want(partition.regions_file(case));
            want(partition.scores_file(case, config.explain.fill));
        }
    }
    for case in faithfulness::cases(session)? {
        want(faithfulness::file(partition, &case));
    }
    for case in learned::cases(session) {
        want(partition.regions_file(&case));
    }
    let cases = focus::cases(session)?;
    for row in train::history(session)? {
        for case in &cases {
            want(focus::file(row.epoch, case));
        }
    }
    Ok(wanted)
}

/// Removes what a run made there, which its sidecar or its name tells, and nothing else. Says whether the folder is gone.
fn remove_others(folder: &Path, wanted: &BTreeSet<PathBuf>) -> std::io::Result<bool> {
    let mut empty = true;
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let paths: BTreeSet<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            empty &= remove_others(&path, wanted)?;
            continue;
        }
        let text = path.to_string_lossy();
        let artefact = text.strip_suffix(SIDECAR);
        let vouched = paths.contains(Path::new(&format!("{text}{SIDECAR}")));
        let ours = kind.is_file()
            && (artefact.is_some()
                || vouched
                || [fill_record::ENDING, SETTLING].iter().any(|ending| text.ends_with(ending)));
        if ours && !wanted.contains(Path::new(artefact.unwrap_or(&text))) {
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
    fn what_is_wanted_stays_with_its_sidecar() {
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
        let wanted = BTreeSet::from([path("a/blank.nii.gz")]);
        assert!(!remove_others(&folder.path().join("maps"), &wanted).unwrap());
        assert!(path("a/blank.nii.gz").exists() && path("a/blank.nii.gz.made.json").exists());
        assert!(!path("a/old.nii.gz").exists() && !path("a/old.values.csv").exists() && !path("b").exists());
        assert!(path("c/own.nii.gz").exists(), "what no run made was removed");
    }

    #[test]
    fn what_is_swept_is_what_fresh_removes() {
        for folder in FOLDERS {
            assert!(crate::run::ARTEFACTS.contains(&folder), "{folder}");
        }
    }
}
