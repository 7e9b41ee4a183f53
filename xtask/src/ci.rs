//! `cargo xtask ci`: everything that must pass, cheapest checks first; `--cuda`: the checks of the CUDA build that need no
//! GPU; `--python`: the Python package.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::cli::CiArgs;
use crate::python;
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;

/// Runs all checks and stops at the first that fails.
///
/// # Errors
/// Returns an error that names the failed check.
pub fn run(args: &CiArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    if args.python {
        return python::check(root, args.peers.as_deref());
    }
    if args.cuda { cuda(root) } else { default_build(root) }
}

/// Lints and links the CUDA build without running it, in its own target folder so that the default build stays valid.
fn cuda(root: &Path) -> anyhow::Result<()> {
    if Command::new("nvcc").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return Err(invalid_input(
            "ci --cuda: expected nvcc on PATH, found none: install a CUDA toolkit, or run `xtask/cuda/toolkit.sh DIR` and \
             `. DIR/env.sh`",
        ));
    }
    let checks: [&[&str]; 2] = [
        &[
            "clippy",
            // With the profile of the build below, so that candle's kernels are compiled once.
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
        command(root, "cargo", check)
    })?;
    print_status(
        "ci: the CUDA build was linted and linked, not run: run `device-check --device cuda` on a GPU",
    );
    Ok(())
}

fn default_build(root: &Path) -> anyhow::Result<()> {
    let smoke = std::env::temp_dir().join(format!("relevox-smoke-{}", std::process::id()));
    let smoke_text = smoke.to_str().context("a temporary folder whose name is UTF-8")?.to_owned();
    let tests: &[&str] = match succeeds(root, "cargo", &["nextest", "--version"]) {
        true => &["nextest", "run", "--workspace"],
        false => &["test", "--workspace", "--lib", "--bins", "--tests"],
    };
    let spelling = succeeds(root, "typos", &["--version"]);
    if spelling {
        command(root, "typos", &[])?;
    }
    let checks: [&[&str]; 7] = [
        &["fmt", "--all", "--check"],
        // Whether each crate could be published: all metadata and files that it needs, dependencies with versions.
        &[
            "package",
            "--workspace",
            "--exclude",
            "xtask",
            "--exclude",
            "relevox-tests",
            "--exclude",
            "relevox-python",
            "--no-verify",
            "--allow-dirty",
        ],
        &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        &["doc", "--workspace", "--no-deps"],
        tests,
        &["test", "--workspace", "--doc"],
        &["xtask", "reproduce", "--profile", "smoke", "--out", &smoke_text],
    ];
    let result = checks.iter().try_for_each(|check| {
        interrupt::check()?;
        command(root, "cargo", check)
    });
    if smoke.exists() {
        std::fs::remove_dir_all(&smoke).with_context(|| format!("removing {}", smoke.display()))?;
    }
    result?;
    print_status("ci: all checks passed");
    if !spelling {
        print_status("ci: but the SPELLING WAS NOT CHECKED: `typos` is not installed");
    }
    if std::env::var_os("ORT_DYLIB_PATH").is_none() {
        print_status(
            "ci: ORT_DYLIB_PATH is not set: ONNX RUNTIME WAS NOT TESTED unless the Python on PATH has the package onnxruntime",
        );
    }
    if std::env::var_os("RELEVOX_REAL_DATA").is_none() {
        print_status(
            "ci: but NO REAL SCAN was read: RELEVOX_REAL_DATA is not set, and the tests on real scans were skipped",
        );
    }
    Ok(())
}

fn command(root: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let line = format!("{program} {}", arguments.join(" "));
    let line = line.trim_end();
    print_status(format!("ci: {line}"));
    let start = std::time::Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .env("RUSTDOCFLAGS", "-D warnings")
        .status()
        .with_context(|| format!("starting `{line}`"))?;
    if !status.success() {
        bail!("ci: `{line}` failed ({status})");
    }
    print_status(format!("ci: passed in {:.0} s", start.elapsed().as_secs_f64()));
    Ok(())
}

fn succeeds(root: &Path, program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .current_dir(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
