//! No two files of a crate import each other, directly or through others.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The path of a module or an item from its crate's root.
type Name = Vec<String>;

/// The modules of a crate that are files of their own.
#[derive(Default)]
struct Modules {
    files: BTreeMap<Name, PathBuf>,
    /// By module, the names that it re-exports and the paths that they stand for.
    exports: BTreeMap<Name, BTreeMap<String, Name>>,
    /// By module, the paths that it imports or mentions.
    imports: BTreeMap<Name, Vec<Name>>,
}

impl Modules {
    fn read(src: &Path) -> Self {
        let mut modules = Self::default();
        collect(src, src, &mut modules.files);
        for (module, file) in modules.files.clone() {
            let code = code_of(&file);
            for (public, path) in use_paths(&code) {
                let Some(path) = modules.absolute(&module, &path) else { continue };
                if public {
                    let name = path[path.len() - 1].clone();
                    modules.exports.entry(module.clone()).or_default().insert(name, path);
                } else {
                    modules.imports.entry(module.clone()).or_default().push(path);
                }
            }
            let mentioned = inline_paths(&code);
            let mentioned = mentioned.iter().filter_map(|path| modules.absolute(&module, path));
            let mentioned: Vec<Name> = mentioned.collect();
            modules.imports.entry(module).or_default().extend(mentioned);
        }
        modules
    }

    /// Returns a path from the crate's root, or `None` if it leads into another crate.
    fn absolute(&self, module: &Name, path: &[String]) -> Option<Name> {
        let mut base = module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            child => {
                let inside: Name = module.iter().cloned().chain([child.to_owned()]).collect();
                if !self.files.contains_key(&inside) {
                    return None;
                }
            }
        }
        while rest.first().is_some_and(|part| part == "super") {
            base.pop();
            rest = &rest[1..];
        }
        base.extend(rest.iter().cloned());
        (!base.is_empty()).then_some(base)
    }

    /// Returns the module that defines an item, following re-exports.
    fn owner(&self, path: &Name, steps: usize) -> Name {
        let mut module = Name::new();
        for name in path {
            let child: Name = module.iter().cloned().chain([name.clone()]).collect();
            if self.files.contains_key(&child) {
                module = child;
                continue;
            }
            return match self.exports.get(&module).and_then(|exports| exports.get(name)) {
                Some(target) if steps > 0 => self.owner(target, steps - 1),
                _ => module,
            };
        }
        module
    }

    /// Returns the groups of files that reach each other.
    fn circles(&self) -> BTreeSet<BTreeSet<Name>> {
        let reached: BTreeMap<&Name, BTreeSet<Name>> =
            self.files.keys().map(|module| (module, self.reached_from(module))).collect();
        let circle = |module: &Name| -> BTreeSet<Name> {
            let others = reached[module].iter().filter(|other| reached[*other].contains(module));
            others.cloned().collect()
        };
        self.files.keys().map(circle).filter(|circle| circle.len() > 1).collect()
    }

    fn reached_from(&self, module: &Name) -> BTreeSet<Name> {
        let (mut reached, mut waiting) = (BTreeSet::new(), vec![module.clone()]);
        while let Some(next) = waiting.pop() {
            for path in self.imports.get(&next).into_iter().flatten() {
                let owner = self.owner(path, 8);
                if owner != next && reached.insert(owner.clone()) {
                    waiting.push(owner);
                }
            }
        }
        reached
    }
}

fn collect(src: &Path, folder: &Path, files: &mut BTreeMap<Name, PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(src, &path, files);
            continue;
        }
        let inside = path.strip_prefix(src).unwrap().with_extension("");
        let mut module: Name = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let stem = module[module.len() - 1].clone();
        // Unit tests may import anything, and a program is no module of its library.
        if path.extension().is_some_and(|extension| extension == "rs") && !stem.ends_with("tests") {
            if ["mod", "lib", "main"].contains(&stem.as_str()) {
                module.pop();
            }
            if stem != "main" || !src.join("lib.rs").exists() {
                files.insert(module, path);
            }
        }
    }
}

/// Returns a file's code without comments and unit tests.
fn code_of(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let shipped = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    shipped.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// Returns the paths of a file's `use` items, one for each imported name, and whether it is re-exported.
fn use_paths(code: &str) -> Vec<(bool, Name)> {
    let mut found = Vec::new();
    for item in code.split(';') {
        let Some(at) =
            item.rfind("use ").filter(|&at| at == 0 || !item.as_bytes()[at - 1].is_ascii_alphanumeric())
        else {
            continue;
        };
        let before = item[..at].trim_end();
        let public =
            before.ends_with("pub") || before.ends_with("pub(crate)") || before.ends_with("pub(super)");
        let tree: String = item[at + 4..].split_whitespace().collect::<Vec<_>>().join(" ");
        for path in expand(&tree) {
            found.push((public, path));
        }
    }
    found
}

/// Expands `a::{b, c::d}` into its paths. Renames keep the original name, `self` is the module itself.
fn expand(tree: &str) -> Vec<Name> {
    let tree = tree.trim().split(" as ").next().unwrap_or_default();
    let Some((head, group)) = tree.split_once('{') else {
        let parts = tree.split("::").map(|part| part.trim().to_owned());
        return vec![parts.filter(|part| !part.is_empty() && part != "*").collect()];
    };
    let head: Name =
        head.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    let group = group.trim().strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[start..]);
    let inner = parts.into_iter().filter(|part| !part.trim().is_empty()).flat_map(expand);
    inner
        .map(|path| head.iter().cloned().chain(path.into_iter().filter(|part| part != "self")).collect())
        .collect()
}

/// Returns the paths that code mentions outside of `use`, such as `super::maps::file(…)`.
fn inline_paths(code: &str) -> Vec<Name> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            if at > 0
                && (code.as_bytes()[at - 1].is_ascii_alphanumeric()
                    || b"_:$".contains(&code.as_bytes()[at - 1]))
            {
                continue;
            }
            let path: String =
                code[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || "_:".contains(*c)).collect();
            let parts: Name = path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            found.push(parts);
        }
    }
    found
}

#[test]
fn no_two_files_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let crates = std::fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut circles = Vec::new();
    for folder in crates.chain([root.join("xtask")]) {
        let modules = Modules::read(&folder.join("src"));
        assert!(!modules.files.is_empty(), "{}", folder.display());
        for circle in modules.circles() {
            let files = circle.iter().map(|module| modules.files[module].display().to_string());
            circles.push(files.collect::<Vec<_>>().join("\n  "));
        }
    }
    assert!(circles.is_empty(), "files that import each other:\n  {}", circles.join("\n\n  "));
}

#[test]
fn a_circle_is_found_through_groups_re_exports_and_paths() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::{One, deep::{Two}};\n");
    write("a/mod.rs", "pub mod deep;\npub struct One;\n");
    write("a/deep.rs", "pub struct Two;\nfn f() { crate::b::g(); }\n");
    write("b.rs", "use crate::{Two, c::Three as Four};\npub fn g() {}\n");
    write("c.rs", "pub struct Three;\n#[cfg(test)]\nmod tests {\n    use crate::b::g;\n}\n");
    let circles = Modules::read(folder.path()).circles();
    let name = |path: &str| path.split("::").map(str::to_owned).collect::<Name>();
    assert_eq!(circles, BTreeSet::from([BTreeSet::from([name("a::deep"), name("b")])]));
}
