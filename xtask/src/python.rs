//! `cargo ci --python`: the Python package, built and tested in a fresh virtual environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use relevox_experiment::failure::invalid_input;
use relevox_experiment::interrupt;
use relevox_experiment::progress::print_status;

/// Builds the wheel, installs it with what its tests need, and runs them. With `peers`, an interpreter that has PyTorch, Captum
/// and MONAI, the environment sees its packages.
///
/// # Errors
/// Returns an error that names the failed step.
pub fn check(root: &Path, peers: Option<&Path>) -> anyhow::Result<()> {
    let folder = root.join("target/python");
    let (environment, wheels) = (folder.join("environment"), folder.join("wheels"));
    for old in [&environment, &wheels] {
        if old.exists() {
            std::fs::remove_dir_all(old).with_context(|| format!("removing {}", old.display()))?;
        }
    }
    let base = peers.unwrap_or(Path::new("python3"));
    run(Command::new(base).args(["-m", "venv"]).arg(&environment))
        .map_err(|error| invalid_input(format!("ci --python: expected Python 3.10 or later: {error:#}")))?;
    let scripts = environment.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let python = scripts.join("python");
    if peers.is_some() {
        let packages = |python: &Path| {
            printed(python, "import sysconfig; print(sysconfig.get_paths()['purelib'])").map(PathBuf::from)
        };
        let path = packages(&python)?.join("peers.pth");
        let text = format!("{}\n", packages(base)?.display());
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    let pip = |packages: &[&str]| {
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages).current_dir(root))
    };
    pip(&["maturin>=1.9.4,<2"])?;
    // The profile of tests, whose dependencies are compiled already.
    let build = ["build", "--profile", "dev", "--manifest-path", "crates/python/Cargo.toml", "--out"];
    run(Command::new(scripts.join("maturin")).args(build).arg(&wheels).current_dir(root))?;
    let built = std::fs::read_dir(&wheels).with_context(|| format!("reading {}", wheels.display()))?;
    let wheel = built.filter_map(Result::ok).map(|entry| entry.path()).next().context("expected a wheel")?;
    pip(&[&format!("{}[test]", wheel.display())])?;
    let tests = root.join("crates/python/tests");
    // From another folder than that of the sources, which lack the extension module.
    run(Command::new(&python)
        .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c"])
        .arg(root.join("crates/python/pyproject.toml"))
        .arg(&tests)
        .current_dir(&folder))?;
    if peers.is_none() {
        print_status("ci --python: but NO NETWORK was tested: --peers PYTHON has PyTorch, Captum and MONAI");
        return Ok(());
    }
    run(Command::new(&python).arg(tests.join("notebook.py")).arg(&folder).current_dir(&folder))
}

/// Runs a command.
fn run(command: &mut Command) -> anyhow::Result<()> {
    interrupt::check()?;
    let name = command.get_program().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let line = format!("{name} {}", arguments.collect::<Vec<_>>().join(" "));
    print_status(format!("ci: {line}"));
    let start = std::time::Instant::now();
    let status = command.status().with_context(|| format!("starting `{line}`"))?;
    if !status.success() {
        bail!("ci: `{line}` failed ({status})");
    }
    print_status(format!("ci: passed in {:.0} s", start.elapsed().as_secs_f64()));
    Ok(())
}

/// Returns what a line of Python prints.
fn printed(python: &Path, line: &str) -> anyhow::Result<String> {
    let output = Command::new(python)
        .args(["-c", line])
        .output()
        .with_context(|| format!("starting {}", python.display()))?;
    if !output.status.success() {
        bail!("{}: {}", python.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
