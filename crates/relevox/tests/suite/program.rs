//! The installed program: it needs no file of the repository, and its messages name it.

use crate::harness::{self, refuse, relevox, succeed};

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

#[test]
fn it_lists_the_licences_of_its_packages() {
    let listed = String::from_utf8(succeed(relevox(&["--licenses"])).stdout).unwrap();
    let packages = listed.lines().skip(2).take_while(|line| !line.is_empty());
    let mut count = 0;
    for line in packages {
        let columns: Vec<&str> = line.split("  ").collect();
        assert_eq!(columns.len(), 3, "{line}");
        assert!(columns[0].split(' ').count() == 2 && columns[2].starts_with("https://"), "{line}");
        count += 1;
    }
    assert!(count > 100 && listed.contains("\ncandle-core "), "{count} packages");
    assert!(listed.contains("\nNoto Sans "));
}

#[test]
fn options_without_a_command_are_refused() {
    let output = relevox(&["--threads", "2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        harness::stderr(&output).contains("expected a command, found none"),
        "{}",
        harness::stderr(&output)
    );
}
