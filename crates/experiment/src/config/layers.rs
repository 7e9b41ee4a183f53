//! How the layers of a config make one: desk, the profile or the run folder's own config, a file, and what
//! the command line names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::keys::{flatten, nearest, set};
use super::{Config, Profile};
use crate::failure::input;

/// One layer: where it comes from, as messages name it, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// A file's path, or what stands for it.
    pub name: String,
    /// TOML.
    pub text: String,
}

/// What a command line says about the config.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The profile, or the run folder's own `run.toml`.
    pub base: Option<Source>,
    /// `--config`.
    pub file: Option<Source>,
    /// `--set`, each `key=value`.
    pub set: Vec<String>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--cohort`.
    pub cohort: Option<PathBuf>,
}

/// The effective config, and which of its keys the command line itself named.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// All layers together.
    pub config: Config,
    /// Dotted keys of `--set`, `--seed` and `--cohort`.
    pub named: BTreeSet<String>,
}

impl Source {
    /// A profile that ships with the program.
    pub fn profile(profile: Profile) -> Self {
        Self { name: format!("profiles/{}.toml", profile.name()), text: profile.text().to_owned() }
    }

    /// A file.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| input(format!("{}: expected a readable TOML file: {error}", path.display())))?;
        Ok(Self { name: path.display().to_string(), text })
    }

    fn table(&self) -> anyhow::Result<Table> {
        self.text.parse().map_err(|error: toml::de::Error| input(format!("{}: {error}", self.name)))
    }
}

impl Layers {
    /// The effective config.
    ///
    /// # Errors
    /// Text that is no TOML, a key that desk does not have (with the nearest one that it has), a value of
    /// the wrong type or out of range.
    pub fn resolve(&self) -> anyhow::Result<Resolved> {
        let mut table = Source::profile(Profile::Desk).table()?;
        let known = flatten(&table);
        let check = |layer: &str, key: &str| match known.contains_key(key) {
            true => Ok(()),
            false => Err(input(unknown(layer, key, known.keys().map(String::as_str)))),
        };
        for layer in self.base.iter().chain(&self.file) {
            for (key, value) in flatten(&layer.table()?) {
                check(&layer.name, &key)?;
                set(&mut table, &key, value);
            }
        }
        let mut named = BTreeSet::new();
        for pair in &self.set {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(input(format!("--set {pair}: expected key=value, found no `=`")));
            };
            let key = key.trim();
            check("--set", key)?;
            let text = known.get(key).is_some_and(Value::is_str);
            set(&mut table, key, parse(value.trim(), text));
            named.insert(key.to_owned());
        }
        if let Some(seed) = self.seed {
            let seed = i64::try_from(seed)
                .map_err(|_| input(format!("--seed {seed}: expected at most {}", i64::MAX)))?;
            set(&mut table, "seed", Value::Integer(seed));
            named.insert("seed".into());
        }
        if let Some(cohort) = &self.cohort {
            let path = std::path::absolute(cohort)
                .map_err(|error| input(format!("--cohort {}: {error}", cohort.display())))?;
            let Some(path) = path.to_str() else {
                return Err(input(format!("--cohort {}: expected a path in UTF-8", cohort.display())));
            };
            set(&mut table, "cohort.source", Value::String(path.to_owned()));
            named.insert("cohort.source".into());
        }
        let config: Config =
            table.try_into().map_err(|error: toml::de::Error| input(format!("config: {error}")))?;
        config.check()?;
        Ok(Resolved { config, named })
    }
}

/// A value of `--set`: TOML where it is some, else the text itself.
fn parse(value: &str, text: bool) -> Value {
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("value"));
    match parsed {
        Some(value) if !text || value.is_str() => value,
        _ => Value::String(value.to_owned()),
    }
}

fn unknown<'a>(layer: &str, key: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(key, known) {
        Some(nearest) => format!("{layer}: unknown key `{key}`; the nearest known one is `{nearest}`"),
        None => format!("{layer}: unknown key `{key}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Ending, ending};

    fn set_of(pairs: &[&str]) -> Layers {
        Layers { set: pairs.iter().map(ToString::to_string).collect(), ..Layers::default() }
    }

    #[track_caller]
    fn refuses(layers: &Layers, parts: &[&str]) {
        let error = layers.resolve().unwrap_err();
        assert_eq!(ending(&error), Ending::Input);
        for part in parts {
            assert!(error.to_string().contains(part), "{error} does not say {part}");
        }
    }

    #[test]
    fn every_profile_is_a_valid_config() {
        for profile in Profile::ALL {
            Layers { base: Some(Source::profile(profile)), ..Layers::default() }.resolve().unwrap();
        }
    }

    #[test]
    fn later_layers_win() {
        let file = Source { name: "mine.toml".into(), text: "seed = 5\n[classifier]\nepochs = 7".into() };
        let layers = Layers { file: Some(file), ..set_of(&["classifier.epochs=9", "classifier.batch = 3"]) };
        let Resolved { config, named } = layers.resolve().unwrap();
        assert_eq!((config.seed, config.classifier.epochs, config.classifier.batch), (5, 9, 3));
        assert_eq!(Vec::from_iter(named), ["classifier.batch", "classifier.epochs"]);
        let seeded = Layers { seed: Some(8), ..layers };
        assert_eq!(seeded.resolve().unwrap().config.seed, 8);
    }

    #[test]
    fn values_are_toml_or_bare_text() {
        let layers =
            set_of(&["regions.sequence=flair", "preprocess.crop=[24, 32, 40]", "fill.learning_rate=1"]);
        let config = layers.resolve().unwrap().config;
        assert_eq!(config.regions.sequence, "flair");
        assert_eq!(config.preprocess.crop, [24, 32, 40]);
        assert_eq!(config.fill.learning_rate, 1.0);
        assert_eq!(set_of(&["cohort.source=12"]).resolve().unwrap().config.cohort.source, "12");
    }

    #[test]
    fn unknown_keys_are_named_with_the_nearest_known_one() {
        refuses(&set_of(&["classifier.epoch=3"]), &["`classifier.epoch`", "`classifier.epochs`"]);
        let file = Source { name: "mine.toml".into(), text: "[clasifier]\nepochs = 7".into() };
        let layers = Layers { file: Some(file), ..Layers::default() };
        refuses(&layers, &["mine.toml", "`clasifier.epochs`", "`classifier.epochs`"]);
    }

    #[test]
    fn wrong_types_and_ranges_name_key_and_value() {
        refuses(&set_of(&["classifier.epochs=many"]), &["classifier.epochs", "many"]);
        refuses(&set_of(&["classifier.epochs=0"]), &["classifier.epochs", "found 0", "expected 1"]);
        refuses(&set_of(&["classifier.depth=20"]), &["classifier.depth", "found 20", "18"]);
        refuses(&set_of(&["evaluate.fills=[\"blank\", \"grey\"]"]), &["evaluate.fills", "grey", "learned"]);
        refuses(
            &set_of(&["regions.select=fixed", "regions.sequence=pet"]),
            &["regions.sequence", "pet", "t1"],
        );
        refuses(&set_of(&["cohort.train=0.9"]), &["cohort.train", "cohort.test"]);
        refuses(&set_of(&["preprocess.sequences=[\"t1\", \"t1\"]"]), &["preprocess.sequences", "\"t1\""]);
        for (key, value, again) in [
            ("grid.sequences", "[\"t2\", \"t1\", \"t2\"]", "t2"),
            ("grid.counts", "[50, 100, 50]", "50"),
            ("grid.compactness", "[0.1, 10.0, 0.1]", "0.1"),
            ("grid.fills", "[\"blank\", \"blank\"]", "blank"),
            ("evaluate.fills", "[\"min\", \"max\", \"min\"]", "min"),
        ] {
            refuses(&set_of(&[&format!("{key}={value}")]), &[key, "differ", &format!("found {again} again")]);
        }
        // The network sees 4 x 4 x 4 voxels.
        let small =
            |pair| ["preprocess.crop=[8, 8, 8]", "preprocess.downsample=2", "augment.shift_voxels=0", pair];
        refuses(&set_of(&small("grid.counts=[10, 65]")), &["regions.count", "1 to 64", "found 100"]);
        let counts = [&small("grid.counts=[10, 65]")[..], &["regions.count=20"]].concat();
        refuses(&set_of(&counts), &["grid.counts", "1 to 64", "found 65"]);
        refuses(&set_of(&["epochs"]), &["epochs", "key=value"]);
    }
}
