//! The list of licences that `relevox --licenses` prints: of the packages that the program contains, and of their data.
//!
//! Packages are those of `cargo tree` with the program's default features, on the platforms of [`TARGETS`], without what only
//! runs while it is built (macros and build scripts).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use relevox_experiment::failure::invalid_input;
use relevox_experiment::progress::print_status;
use serde_json::Value;

/// The list, in the repository.
const FILE: &str = "crates/relevox/src/cli/licenses.txt";
/// Platforms of the program.
const TARGETS: [&str; 3] = ["x86_64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc"];
/// Data in the program with a licence other than that of the package they come from: name, licence, and its text's source.
const DATA: [[&str; 3]; 1] = [[
    "Noto Sans 1.04 (in notosans)",
    "Apache-2.0 (stated in the font files; the package adds the text of OFL-1.1)",
    "https://docs.rs/crate/notosans/0.1.0/source/fonts/LICENSE_OFL.txt",
]];

/// A package of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    /// SPDX expression.
    license: String,
    /// Where the texts are.
    sources: Vec<String>,
}

/// Updates the list in the repository.
///
/// # Errors
/// Returns an error if cargo fails, a package states no licence, or the file can't be written.
pub fn write() -> anyhow::Result<()> {
    let root = root()?;
    let path = root.join(FILE);
    fs::write(&path, list(root)?).with_context(|| format!("writing {}", path.display()))?;
    print_status(format!("licenses: wrote {}", path.display()));
    Ok(())
}

/// Requires that the list is current.
///
/// # Errors
/// Returns an [`InputError`](relevox_experiment::failure::InputError) if it is not, and the errors of [`write()`].
pub fn check(root: &Path) -> anyhow::Result<()> {
    let path = root.join(FILE);
    let stored = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let current = list(root)?;
    if stored == current {
        return Ok(());
    }
    let [stored, current]: [BTreeSet<&str>; 2] = [&stored, &current].map(|text| text.lines().collect());
    let first = current.symmetric_difference(&stored).next().copied().unwrap_or("the order of the lines");
    Err(invalid_input(format!(
        "{FILE}: expected the packages of Cargo.lock, found a difference ({first}); run `cargo xtask licenses`"
    )))
}

fn root() -> anyhow::Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("finding the workspace")
}

/// Formats the list.
fn list(root: &Path) -> anyhow::Result<String> {
    let mut text = String::from(
        "Relevox is licensed under MIT OR Apache-2.0, at your option. The program contains the packages below: name, version, \
         licence, and the source of its text.\n\n",
    );
    for Package { name, version, license, sources } in packages(root)? {
        writeln!(text, "{name} {version}  {license}  {}", sources.join(" "))?;
    }
    text.push('\n');
    for [name, license, source] in DATA {
        writeln!(text, "{name}  {license}  {source}")?;
    }
    Ok(text)
}

/// Returns the packages by name and version, without those of the workspace.
fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let mut all = BTreeMap::new();
    let metadata: Value =
        serde_json::from_str(&cargo(root, &["metadata", "--locked", "--format-version", "1"])?)?;
    for package in metadata["packages"].as_array().context("cargo metadata lists no packages")? {
        let field = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
        all.insert((field("name"), field("version")), package);
    }
    let mut arguments = vec![
        "tree",
        "--locked",
        "--package",
        "relevox",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
    ];
    arguments.extend(TARGETS.iter().flat_map(|target| ["--target", target]));
    let tree = cargo(root, &arguments)?;
    let contained: BTreeSet<(String, String)> = tree.lines().filter_map(name_and_version).collect();
    let mut found = Vec::new();
    for (name, version) in contained {
        let package = all
            .get(&(name.clone(), version.clone()))
            .with_context(|| format!("{name} {version}: in `cargo tree`, not in `cargo metadata`"))?;
        if package["source"].is_null() {
            continue;
        }
        let license = match package["license"].as_str() {
            // The separator that crates.io accepted before it had SPDX expressions.
            Some(license) => license.replace('/', " OR "),
            None => bail!("{name} {version}: expected a licence expression, found none"),
        };
        let folder = package["manifest_path"].as_str().and_then(|path| Path::new(path).parent());
        let files = texts(folder.context("a manifest without a folder")?)?;
        let mut sources: Vec<String> = files
            .iter()
            .map(|file| format!("https://docs.rs/crate/{name}/{version}/source/{file}"))
            .collect();
        if sources.is_empty() {
            let repository = package["repository"].as_str();
            sources.push(repository.with_context(|| format!("{name}: no licence text"))?.to_owned());
        }
        found.push(Package { name, version, license, sources });
    }
    Ok(found)
}

/// Parses a line of `cargo tree`, such as `rayon v1.12.0 (*)`.
fn name_and_version(line: &str) -> Option<(String, String)> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some((name.to_owned(), version.to_owned()))
}

/// Lists the files of a package that hold licences, by name.
fn texts(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<Vec<PathBuf>>>()?;
    let mut names: Vec<String> = paths
        .iter()
        .filter(|path| path.is_file())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .filter(|name| {
            let name = name.to_lowercase();
            ["license", "licence", "copying", "unlicense", "notice"]
                .iter()
                .any(|start| name.starts_with(start))
        })
        .collect();
    names.sort();
    Ok(names)
}

/// Runs cargo and returns what it prints.
fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let line = format!("cargo {}", arguments.join(" "));
    let output = Command::new("cargo")
        .args(arguments)
        .current_dir(root)
        .output()
        .with_context(|| format!("starting `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("reading the output of `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tree_name_packages() {
        let parsed = |line| name_and_version(line).map(|(name, version)| format!("{name} {version}"));
        assert_eq!(parsed("rayon v1.12.0 (*)").unwrap(), "rayon 1.12.0");
        assert_eq!(parsed("conv3d v0.1.0 (/somewhere)").unwrap(), "conv3d 0.1.0");
        assert_eq!(parsed(""), None);
    }

    #[test]
    fn the_list_has_the_packages_of_the_program_and_none_that_only_builds_it() {
        let list = fs::read_to_string(root().unwrap().join(FILE)).unwrap();
        let has = |name: &str| list.lines().any(|line| line.starts_with(&format!("{name} ")));
        for name in
            ["candle-core", "clap", "flate2", "ndarray", "notosans", "ort", "rayon", "tiny-skia", "Noto Sans"]
        {
            assert!(has(name), "{name} is not in the list");
        }
        for name in ["relevox-models", "serde_derive", "syn", "criterion", "proptest", "xtask"] {
            assert!(!has(name), "{name} is in the list");
        }
    }
}
