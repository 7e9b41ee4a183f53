//! Networks of an earlier configuration, which had another number of them.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context;

use super::member::{FOLDER, Member, folder_of, number_of};
use crate::progress::print_status;
use crate::run::{Run, SIDECAR};

/// Removes networks that a configuration with another number of them left in a run's folder, and says so. They would be additional
/// files: a single network lies in the classifier's folder, several lie in a folder each.
///
/// # Errors
/// Returns an error that names the file or folder that can't be read or removed.
pub(super) fn discard_former(run: &Run, members: &[Member]) -> anyhow::Result<()> {
    let folder = run.path(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    let (mut numbers, mut files) = (BTreeSet::new(), Vec::new());
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        match number_of(name.strip_suffix(SIDECAR).unwrap_or(&name)) {
            Some(number) => {
                numbers.insert(number);
            }
            None => files.push(format!("{FOLDER}/{name}")),
        }
    }
    let record = format!("{FOLDER}{SIDECAR}");
    let had_single = run.path(&record).exists();
    let count = if members.len() == 1 { 0 } else { members.len() };
    for number in numbers.range(count + 1..) {
        let network = folder_of(*number);
        report(run, &network);
        run.discard(&network)?;
    }
    if count == 0 && !had_single && !numbers.is_empty() {
        // What was made from several networks.
        run.discard(FOLDER)?;
    }
    if count > 0 && had_single {
        report(run, FOLDER);
        // Not the folders of networks, which shards may have trained before. The record is removed last, so that the next command
        // resumes if this one is killed.
        for file in files.into_iter().chain([record]) {
            run.discard(&file)?;
        }
    }
    Ok(())
}

fn report(run: &Run, network: &str) {
    let path = run.path(network);
    print_status(format!(
        "{}: trained for a configuration with another number of networks; removing it",
        path.display()
    ));
}
