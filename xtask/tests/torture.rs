//! Killed runs resume to the bytes of an uninterrupted one.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::process::Command;

use serde_json::Value;

const KILLS: usize = 20;

#[test]
fn runs_killed_at_any_point_resume_to_the_same_bytes() {
    let kills = KILLS.to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["torture", "--quick", "--kills", &kills, "--seed", "20"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let by_stage = result["by_stage"].as_object().unwrap();
    let counted: u64 = by_stage.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(counted, KILLS as u64, "{result}");
    // In different stages, and most of them during work.
    let resuming = by_stage.get("resuming").map_or(0, |count| count.as_u64().unwrap());
    assert!(by_stage.len() > 3 && resuming < KILLS as u64 / 2, "{result}");
    assert!(by_stage.keys().any(|stage| stage.starts_with("shards of ")), "{result}");
}
