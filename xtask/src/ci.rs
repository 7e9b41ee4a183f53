//! `cargo xtask ci`: everything that must pass, in the order in which it is cheapest to fail; `--cuda`: what can be said
//! of the program for CUDA where there is no GPU.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::cli::CiArgs;
use relevox_experiment::failure::input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::say;

/// Runs all checks; stops at the first that fails.
///
/// # Errors
/// The check that failed.
pub fn run(args: CiArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    if args.cuda { cuda(root) } else { default_build(root) }
}

/// Lints and links what needs a CUDA toolkit; nothing of it runs. A folder of its own keeps the default build as it is.
fn cuda(root: &Path) -> anyhow::Result<()> {
    if Command::new("nvcc").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return Err(input(
            "ci --cuda: found no nvcc on PATH: put a CUDA toolkit there, or make one by `xtask/cuda/toolkit.sh DIR` and \
             `. DIR/env.sh`",
        ));
    }
    let checks: [&[&str]; 2] = [
        &[
            "clippy",
            // As the build after it: candle's kernels are compiled once.
            "--release",
            "--package",
            "relevox-models",
            "--package",
            "xtask",
            "--all-targets",
            "--features",
            "cuda",
            "--target-dir",
            "target/cuda",
            "--",
            "-D",
            "warnings",
        ],
        &["build", "--release", "--package", "xtask", "--features", "cuda", "--target-dir", "target/cuda"],
    ];
    checks.iter().try_for_each(|check| {
        interrupt::check()?;
        cargo(root, check)
    })?;
    say(
        "ci: the program for CUDA was checked and linked, not run: `device-check --device cuda` runs it on a GPU",
    );
    Ok(())
}

fn default_build(root: &Path) -> anyhow::Result<()> {
    let smoke = std::env::temp_dir().join(format!("relevox-smoke-{}", std::process::id()));
    let smoke_text = smoke.to_str().context("a temporary folder whose name is UTF-8")?.to_owned();
    let tests: &[&str] = match quiet(root, &["nextest", "--version"]) {
        true => &["nextest", "run", "--workspace"],
        false => &["test", "--workspace", "--lib", "--bins", "--tests"],
    };
    let checks: [&[&str]; 6] = [
        &["fmt", "--all", "--check"],
        &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        &["doc", "--workspace", "--no-deps"],
        tests,
        &["test", "--workspace", "--doc"],
        &["xtask", "reproduce", "--profile", "smoke", "--out", &smoke_text],
    ];
    let result = checks.iter().try_for_each(|check| {
        interrupt::check()?;
        cargo(root, check)
    });
    if smoke.exists() {
        std::fs::remove_dir_all(&smoke).with_context(|| format!("removing {}", smoke.display()))?;
    }
    result?;
    say("ci: all passed");
    if std::env::var_os("RELEVOX_REAL_DATA").is_none() {
        say(
            "ci: but NO REAL SCAN was read: RELEVOX_REAL_DATA is not set, and the tests on real scans were skipped",
        );
    }
    Ok(())
}

fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let line = format!("cargo {}", arguments.join(" "));
    say(format!("ci: {line}"));
    let start = std::time::Instant::now();
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(root)
        .env("RUSTDOCFLAGS", "-D warnings")
        .status()
        .with_context(|| format!("starting `{line}`"))?;
    if !status.success() {
        bail!("ci: `{line}` failed ({status})");
    }
    say(format!("ci: passed in {:.0} s", start.elapsed().as_secs_f64()));
    Ok(())
}

fn quiet(root: &Path, arguments: &[&str]) -> bool {
    Command::new("cargo")
        .args(arguments)
        .current_dir(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
