//! `cargo xtask ci`: every check that must pass, the cheapest first; `--cuda`: lints and links the CUDA build, which needs
//! no GPU.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::cli::CiArgs;
use relevox_experiment::failure::input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::say;

/// Runs all checks and stops at the first that fails.
///
/// # Errors
/// Returns an error that names the check that failed.
pub fn run(args: CiArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    if args.cuda { cuda(root) } else { default_build(root) }
}

/// Lints and links the CUDA build without running it, in a target directory of its own.
fn cuda(root: &Path) -> anyhow::Result<()> {
    if Command::new("nvcc").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return Err(input(
            "ci --cuda: expected nvcc on PATH, found none: install a CUDA toolkit, or create one with \
             `xtask/cuda/toolkit.sh DIR` and `. DIR/env.sh`",
        ));
    }
    let checks: [&[&str]; 2] = [
        &[
            "clippy",
            // The same profile as the build below, so that candle's kernels are compiled once.
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
    say("ci: the CUDA build was linted and linked, but not run: use `device-check --device cuda` on a GPU");
    Ok(())
}

fn default_build(root: &Path) -> anyhow::Result<()> {
    let smoke = std::env::temp_dir().join(format!("relevox-smoke-{}", std::process::id()));
    let smoke_text = smoke.to_str().context("expected a temporary folder with a name in UTF-8")?.to_owned();
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
        say("ci: tests on REAL SCANS were SKIPPED: RELEVOX_REAL_DATA is not set");
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
