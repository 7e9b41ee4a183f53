//! The installed program: it needs no file of the repository, and its messages name it.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod harness;

use harness::{refuse, relevox, succeed};

#[test]
fn it_runs_anywhere_with_its_own_profiles() {
    let folder = tempfile::tempdir().unwrap();
    let mut phantom = relevox(&["phantom", "--profile", "smoke", "--set", "phantom.cases=8"]);
    phantom.current_dir(folder.path());
    succeed(phantom);
    assert!(folder.path().join("runs/smoke/phantom").is_dir());
    let mut grid = relevox(&["grid", "--profile", "smoke", "--set", "phantom.cases=8"]);
    grid.current_dir(folder.path());
    refuse(grid, &["run `relevox train` first"]);
}
