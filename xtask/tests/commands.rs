//! `cargo xtask` nests the program's commands, and messages name it.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::process::Command;

#[test]
fn the_program_s_commands_are_nested_and_messages_name_cargo_xtask() {
    let xtask =
        |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).output().unwrap();
    let help = String::from_utf8(xtask(&["--help"]).stdout).unwrap();
    for command in [
        "reproduce",
        "explain",
        "slic",
        "view",
        "train",
        "grid",
        "bench",
        "ci",
        "device-check",
        "results",
        "torture",
    ] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(command)),
            "{command} is not in {help}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let output = xtask(&["grid", "--profile", "smoke", "--out", folder.path().join("run").to_str().unwrap()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("run `cargo xtask phantom` first"), "{stderr}");
}
