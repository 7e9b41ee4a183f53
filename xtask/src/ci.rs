//! `cargo ci`: everything that must pass, cheapest checks first; `--cuda`: the checks of the CUDA build that need no
//! GPU; `--browser`: the viewer page in a browser; `--python`: the Python package; `--slurm`: a run on a cluster.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::cli::CiArgs;
use crate::{licenses, python, slurm_check};
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;

/// Runs all checks and stops at the first that fails.
///
/// # Errors
/// Returns an error that names the failed check.
pub fn run(args: &CiArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")?;
    if args.slurm {
        return slurm_check::run(root);
    }
    match (args.cuda, args.browser, args.python) {
        (true, ..) => cuda(root),
        (_, true, _) => browser(root),
        (.., true) => python::check(root, args.peers.as_deref()),
        _ => default_build(root),
    }
}

/// Checks the types of the page's script and tests the page in a browser.
fn browser(root: &Path) -> anyhow::Result<()> {
    for program in ["chromium", "chromedriver"] {
        if !succeeds(root, program, &["--version"]) {
            return Err(invalid_input(format!(
                "ci --browser: expected {program} on PATH, found none: on Debian, install chromium and chromium-driver"
            )));
        }
    }
    let typed = succeeds(root, "tsc", &["--version"]);
    if typed {
        let folder = "crates/report/src/viewer/js";
        let options = "--noEmit --allowJs --checkJs --strict --target es2022 --lib es2023,dom,dom.iterable";
        let mut arguments: Vec<&str> = options.split(' ').collect();
        let files = std::fs::read_dir(root.join(folder)).with_context(|| format!("reading {folder}"))?;
        let names = files.map(|file| Ok(format!("{folder}/{}", file?.file_name().to_string_lossy())));
        let mut names = names.collect::<anyhow::Result<Vec<String>>>()?;
        // It is written for browsers that are too old for the rest.
        names.retain(|name| !name.ends_with("/browser.js"));
        names.sort();
        arguments.extend(names.iter().map(String::as_str));
        command(root, "tsc", &arguments)?;
    }
    // Alone: among the whole workspace the driver's dependencies would change features of others' macros, so that candle, which
    // the page does not need, would be compiled again.
    let selected = ["--package", "relevox-browser-tests", "--features", "browser", "--test", "viewer"];
    let clippy = [&["clippy"], &selected[..], &["--", "-D", "warnings"]].concat();
    for check in [clippy, [&["test"], &selected[..]].concat()] {
        interrupt::check()?;
        command(root, "cargo", &check)?;
    }
    print_status("ci: the page passed in the browser");
    if !typed {
        print_status("ci: but the TYPES OF ITS SCRIPT WERE NOT CHECKED: `tsc` is not installed");
    }
    Ok(())
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
    licenses::check(root)?;
    let deny = succeeds(root, "cargo", &["deny", "--version"]);
    if deny {
        // Not advisories: their database is a git repository, which not every machine reaches.
        command(
            root,
            "cargo",
            &["deny", "--workspace", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"],
        )?;
    }
    // This program: with `cargo xtask` the smoke run would compile everything again, in the release profile.
    let own = std::env::current_exe().context("finding this program")?;
    let own = own.to_str().context("a path of this program that is UTF-8")?;
    let checks: [&[&str]; 6] = [
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
            "relevox-browser-tests",
            "--exclude",
            "relevox-python",
            "--no-verify",
            "--allow-dirty",
        ],
        &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        &["doc", "--workspace", "--no-deps"],
        tests,
        &["test", "--workspace", "--doc"],
    ];
    let result = checks
        .iter()
        .try_for_each(|check| {
            interrupt::check()?;
            command(root, "cargo", check)
        })
        .and_then(|()| {
            interrupt::check()?;
            command(root, own, &["reproduce", "--profile", "smoke", "--out", &smoke_text])
        });
    if smoke.exists() {
        std::fs::remove_dir_all(&smoke).with_context(|| format!("removing {}", smoke.display()))?;
    }
    result?;
    print_status("ci: all checks passed");
    if !spelling {
        print_status("ci: but the SPELLING WAS NOT CHECKED: `typos` is not installed");
    }
    if !deny {
        print_status(
            "ci: but LICENCES AND SOURCES OF PACKAGES WERE NOT CHECKED: `cargo deny` is not installed",
        );
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
