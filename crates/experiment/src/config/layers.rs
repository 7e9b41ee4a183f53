//! Merging of the layers of a configuration: `desk`, the profile or the run folder's `run.toml`, a file, and the
//! options of the command line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::experiment::{Config, ValidConfig};
use super::keys::{flatten, is_text, nearest, set};
use super::profiles::Profile;
use super::sequences;
use crate::failure::invalid_input;

/// A layer: TOML text and the name used for it in messages.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path of the file, or of the built-in profile.
    pub name: String,
    /// Contents, in TOML.
    pub text: String,
}

/// Keys that older run folders lack, with the values that applied before they existed.
const EARLIER: [(&str, &str); 4] = [
    ("preprocess.orientation", "stored"),
    ("preprocess.spacing_mm", "stored"),
    ("preprocess.intensity", "minmax"),
    ("preprocess.brain", "nonzero"),
];

/// Layers selected on the command line.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Profile, or the run folder's `run.toml`.
    pub base: Option<Source>,
    /// `--config`.
    pub file: Option<Source>,
    /// `--set`, each in the form `key=value`.
    pub set: Vec<String>,
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--cohort`.
    pub cohort: Option<PathBuf>,
}

/// Effective configuration, and the keys that were set on the command line.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Merged and validated configuration.
    pub config: ValidConfig,
    /// Dotted keys set by `--set`, `--seed` and `--cohort`, and those that follow `preprocess.sequences` if it is one of them.
    pub set_keys: BTreeSet<String>,
    /// Describes the keys that follow `preprocess.sequences`, if any had to be changed.
    pub followed: Option<String>,
}

impl Source {
    /// Returns the layer of a built-in profile.
    pub fn profile(profile: Profile) -> Self {
        Self { name: format!("profiles/{}.toml", profile.name()), text: profile.text().to_owned() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) if the file can't be read.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            invalid_input(format!("{}: expected a readable TOML file: {error}", path.display()))
        })?;
        Ok(Self { name: path.display().to_string(), text })
    }

    /// Reads the `run.toml` of a run folder, which contains every key that existed when it was written.
    ///
    /// Keys of the preprocessing that are newer than the file get the values with which the run was made: scans as they are
    /// stored, scaled by minimum and maximum. The defaults of `desk` would change what the run's artefacts mean. The folder
    /// resumes with all artefacts current; turning its scans takes `--set preprocess.orientation=LPS`, which reruns the stages.
    ///
    /// # Errors
    /// As [`Source::read`], and if the file is not valid TOML.
    pub fn read_run(path: &Path) -> anyhow::Result<Self> {
        let read = Self::read(path)?;
        let mut table = read.table()?;
        let stored = flatten(&table);
        let mut text = read.text;
        for (key, value) in EARLIER.into_iter().filter(|(key, _)| !stored.contains_key(*key)) {
            set(&mut table, key, Value::String(value.to_owned()));
            text = toml::to_string(&table)?;
        }
        Ok(Self { name: read.name, text })
    }

    fn table(&self) -> anyhow::Result<Table> {
        self.text.parse().map_err(|error: toml::de::Error| invalid_input(format!("{}: {error}", self.name)))
    }
}

impl Layers {
    /// Merges the layers and validates the result. Keys that name sequences, and are set by the base only, follow
    /// `preprocess.sequences`.
    ///
    /// # Errors
    /// Returns an [`InputError`](crate::failure::InputError) for invalid TOML, an unknown key (with the closest known
    /// key), or a value of the wrong type or out of range.
    pub fn resolve(&self) -> anyhow::Result<Resolved> {
        let mut table = Source::profile(Profile::Desk).table()?;
        let known = flatten(&table);
        let check = |layer: &str, key: &str| match known.contains_key(key) {
            true => Ok(()),
            false => Err(invalid_input(unknown(layer, key, known.keys().map(String::as_str)))),
        };
        for layer in self.base.iter().chain(&self.file) {
            for (key, value) in flatten(&layer.table()?) {
                check(&layer.name, &key)?;
                set(&mut table, &key, value);
            }
        }
        let of_file: BTreeSet<String> = match &self.file {
            Some(file) => flatten(&file.table()?).into_keys().collect(),
            None => BTreeSet::new(),
        };
        let mut set_keys = BTreeSet::new();
        for pair in &self.set {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(invalid_input(format!("--set {pair}: expected key=value, found no `=`")));
            };
            let key = key.trim();
            check("--set", key)?;
            set(&mut table, key, parse(value.trim(), is_text(key, known.get(key))));
            set_keys.insert(key.to_owned());
        }
        if let Some(seed) = self.seed {
            let seed = i64::try_from(seed)
                .map_err(|_| invalid_input(format!("--seed {seed}: expected at most {}", i64::MAX)))?;
            set(&mut table, "seed", Value::Integer(seed));
            set_keys.insert("seed".into());
        }
        if let Some(cohort) = &self.cohort {
            let path = std::path::absolute(cohort)
                .map_err(|error| invalid_input(format!("--cohort {}: {error}", cohort.display())))?;
            let Some(path) = path.to_str() else {
                return Err(invalid_input(format!(
                    "--cohort {}: expected a path in UTF-8",
                    cohort.display()
                )));
            };
            set(&mut table, "cohort.source", Value::String(path.to_owned()));
            set_keys.insert("cohort.source".into());
        }
        let changed = sequences::follow(&mut table, |key| set_keys.contains(key) || of_file.contains(key));
        if set_keys.contains("preprocess.sequences") {
            set_keys.extend(changed.iter().map(|(key, _)| (*key).to_owned()));
        }
        let config: Config =
            table.try_into().map_err(|error: toml::de::Error| invalid_input(format!("config: {error}")))?;
        Ok(Resolved { config: config.check()?, set_keys, followed: sequences::describe(&changed) })
    }
}

/// Parses a value of `--set`: as TOML if it is valid TOML, otherwise as plain text.
fn parse(value: &str, is_text: bool) -> Value {
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("value"));
    match parsed {
        Some(value) if !is_text || value.is_str() => value,
        _ => Value::String(value.to_owned()),
    }
}

fn unknown<'a>(layer: &str, key: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(key, known) {
        Some(nearest) => format!("{layer}: unknown key `{key}`; did you mean `{nearest}`?"),
        None => format!("{layer}: unknown key `{key}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::differences;
    use crate::failure::{ExitStatus, exit_status};

    fn with_set(pairs: &[&str]) -> Layers {
        Layers { set: pairs.iter().map(ToString::to_string).collect(), ..Layers::default() }
    }

    #[track_caller]
    fn refuses(layers: &Layers, parts: &[&str]) {
        let error = layers.resolve().unwrap_err();
        assert_eq!(exit_status(&error), ExitStatus::InvalidInput);
        for part in parts {
            assert!(error.to_string().contains(part), "{error} does not contain {part}");
        }
    }

    #[test]
    fn every_profile_is_a_valid_config() {
        for profile in Profile::ALL {
            Layers { base: Some(Source::profile(profile)), ..Layers::default() }.resolve().unwrap();
        }
    }

    #[test]
    fn the_keys_of_every_profile_follow_the_sequences() {
        let all = ["\"t1\", \"flair\"", "\"t1\"", "\"adc\", \"dwi\""];
        for (profile, sequences) in Profile::ALL.into_iter().flat_map(|p| all.map(|sequences| (p, sequences)))
        {
            let base = Some(Source::profile(profile));
            let set = vec![format!("preprocess.sequences=[{sequences}]")];
            let layers = Layers { base, set, ..Layers::default() };
            let Resolved { config, set_keys, followed } = layers.resolve().unwrap();
            let known = &config.preprocess.sequences;
            assert!(known.contains(&config.regions.sequence), "{}", profile.name());
            assert!(config.pool.partitions.iter().all(|partition| known.contains(&partition.sequence)));
            assert!(config.grid_sequences().iter().all(|sequence| known.contains(sequence)));
            assert!(followed.unwrap().starts_with("config: changed to sequences of preprocess.sequences: "));
            assert!(set_keys.len() > 1, "{set_keys:?}");
            // A run folder with this configuration needs no change.
            let stored = Source { name: "run.toml".into(), text: config.to_toml().unwrap() };
            let again = Layers { base: Some(stored), ..Layers::default() }.resolve().unwrap();
            assert_eq!((again.config, again.followed), (config, None));
        }
    }

    #[test]
    fn a_users_key_does_not_follow_the_sequences() {
        let sequences = "preprocess.sequences=[\"t1\", \"flair\"]";
        for (key, value) in [
            ("pool.partitions", "[{sequence=\"t2\",count=30}]"),
            ("grid.sequences", "[\"t2\"]"),
            ("evaluate.intensity", "t2"),
        ] {
            let set = format!("{key}={value}");
            let expected = format!("config: {key}: expected one of t1, flair, found t2; set {key}");
            refuses(&with_set(&[sequences, &set]), &[&expected, "preprocess.sequences"]);
        }
        let text = "[grid]\nsequences = [\"t2\"]".to_owned();
        let file = Some(Source { name: "mine.toml".into(), text });
        refuses(&Layers { file, ..with_set(&[sequences]) }, &["config: grid.sequences: "]);
    }

    #[test]
    fn later_layers_override_earlier_ones() {
        let file = Source { name: "mine.toml".into(), text: "seed = 5\n[classifier]\nepochs = 7".into() };
        let layers =
            Layers { file: Some(file), ..with_set(&["classifier.epochs=9", "classifier.batch = 3"]) };
        let Resolved { config, set_keys, .. } = layers.resolve().unwrap();
        assert_eq!((config.seed, config.classifier.epochs, config.classifier.batch), (5, 9, 3));
        assert_eq!(Vec::from_iter(set_keys), ["classifier.batch", "classifier.epochs"]);
        let seeded = Layers { seed: Some(8), ..layers };
        assert_eq!(seeded.resolve().unwrap().config.seed, 8);
    }

    #[test]
    fn values_are_toml_or_plain_text() {
        let layers =
            with_set(&["regions.sequence=flair", "preprocess.crop=[24, 32, 40]", "fill.learning_rate=1"]);
        let config = layers.resolve().unwrap().config;
        assert_eq!(config.regions.sequence, "flair");
        assert_eq!(config.preprocess.crop, [24, 32, 40]);
        assert_eq!(config.fill.learning_rate, 1.0);
        assert_eq!(with_set(&["cohort.source=12"]).resolve().unwrap().config.cohort.source, "12");
    }

    #[test]
    fn the_preprocessing_takes_names_tables_and_arrays() {
        use relevox_volume::{Intensity, Orientation, Spacing, ZScoreOver};
        let with = |pairs: &[&str]| with_set(pairs).resolve().unwrap().config.preprocess.clone();
        assert_eq!(with(&[]).orientation, Orientation::LPS);
        let off = ["augment.intensity=0", "evaluate.fills=[\"blank\"]"];
        let zscore = with(&[&off[..], &["preprocess.intensity=zscore"]].concat());
        assert_eq!(zscore.intensity, Intensity::ZScore { over: ZScoreOver::NonZero });
        let window = "preprocess.intensity={kind=\"window\",low=-100,high=300}";
        let ct = with(&[window, "preprocess.clip_negative=false", "preprocess.orientation=RAS"]);
        assert_eq!(ct.intensity, Intensity::Window { low: -100.0, high: 300.0 });
        assert_eq!(ct.orientation.to_string(), "RAS");
        assert_eq!(
            with(&["preprocess.spacing_mm=[2, 1, 1]"]).spacing_mm,
            Spacing::Millimetres([2.0, 1.0, 1.0])
        );
        refuses(&with_set(&[window]), &["preprocess.clip_negative", "expected false", "-100"]);
        refuses(&with_set(&["preprocess.intensity=loud"]), &["minmax", "loud"]);
        refuses(&with_set(&["preprocess.intensity=window"]), &["intensity", "low"]);
        refuses(&with_set(&["preprocess.orientation=LPP"]), &["LPP"]);
        refuses(&with_set(&["preprocess.spacing_mm=[1, 1]"]), &["spacing_mm"]);
        refuses(&with_set(&["preprocess.spacing_mm=header"]), &["spacing_mm", "stored"]);
        refuses(
            &with_set(&["preprocess.intensity.low=3"]),
            &["`preprocess.intensity.low`", "`preprocess.intensity`"],
        );
        refuses(&with_set(&["preprocess.intensity={kind=\"zscore\",low=1}"]), &["intensity", "low"]);
        refuses(&with_set(&["preprocess.intensity={kind=\"minmax\",low=1}"]), &["intensity", "low"]);
    }

    #[test]
    fn a_layer_replaces_the_intensity_as_a_whole() {
        let file = |text: &str| Some(Source { name: "mine.toml".into(), text: text.into() });
        let base = Some(Source::profile(Profile::Scans));
        let text = "[preprocess.intensity]\nkind = \"window\"\nlow = 5\nhigh = 300.5";
        let config = Layers { base, file: file(text), ..Layers::default() }.resolve().unwrap().config;
        assert_eq!(config.preprocess.intensity, relevox_volume::Intensity::Window { low: 5.0, high: 300.5 });
        let stored = Source { name: "run.toml".into(), text: config.to_toml().unwrap() };
        assert_eq!(Layers { base: Some(stored), ..Layers::default() }.resolve().unwrap().config, config);
    }

    #[test]
    fn intensities_beyond_0_to_1_are_refused_where_0_to_1_is_assumed() {
        for kind in ["zscore", "none"] {
            let pair = format!("preprocess.intensity={kind}");
            refuses(&with_set(&[&pair]), &["evaluate.fills", "learned", kind]);
            refuses(&with_set(&[&pair, "augment.intensity=0.1"]), &["augment.intensity", "found 0.1", kind]);
        }
    }

    #[test]
    fn older_run_folders_keep_what_their_scans_meant() {
        use relevox_volume::{BrainMask, Intensity, Orientation, Spacing};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        let config = Layers::default().resolve().unwrap().config;
        let mut table = config.to_table().unwrap();
        let preprocess = table["preprocess"].as_table_mut().unwrap();
        for key in ["orientation", "spacing_mm", "intensity", "brain"] {
            preprocess.remove(key).unwrap();
        }
        std::fs::write(&path, toml::to_string(&table).unwrap()).unwrap();
        let read = |path: &Path| {
            let base = Some(Source::read_run(path).unwrap());
            Layers { base, ..Layers::default() }.resolve().unwrap().config
        };
        let old = read(&path);
        assert_eq!(old.preprocess.orientation, Orientation::Stored);
        assert_eq!(old.preprocess.spacing_mm, Spacing::Stored);
        assert_eq!((old.preprocess.intensity, old.preprocess.brain), (Intensity::MinMax, BrainMask::NonZero));
        let different: Vec<String> =
            differences(&old, &config).unwrap().into_iter().map(|difference| difference.key).collect();
        assert_eq!(different, ["preprocess.orientation"]);
        std::fs::write(&path, config.to_toml().unwrap()).unwrap();
        assert_eq!(read(&path), config);
    }

    #[test]
    fn unknown_keys_are_reported_with_the_closest_known_key() {
        refuses(&with_set(&["classifier.epoch=3"]), &["`classifier.epoch`", "`classifier.epochs`"]);
        let file = Source { name: "mine.toml".into(), text: "[clasifier]\nepochs = 7".into() };
        let layers = Layers { file: Some(file), ..Layers::default() };
        refuses(&layers, &["mine.toml", "`clasifier.epochs`", "`classifier.epochs`"]);
    }

    #[test]
    fn wrong_types_and_ranges_are_reported_with_key_and_value() {
        refuses(&with_set(&["classifier.epochs=many"]), &["classifier.epochs", "many"]);
        refuses(&with_set(&["classifier.epochs=0"]), &["classifier.epochs", "found 0", "at least 1"]);
        refuses(&with_set(&["explain.rise_keep=1.0"]), &["explain.rise_keep: ", "found 1"]);
        refuses(&with_set(&["explain.lime_samples=0"]), &["explain.lime_samples: ", "at least 1"]);
        refuses(&with_set(&["diffuse.lambdas=[-1.0]"]), &["diffuse.lambdas: ", "found -1"]);
        refuses(&with_set(&["explain.occlusion_size=0"]), &["explain.occlusion_size: ", "at least 1"]);
        refuses(&with_set(&["classifier.depth=20"]), &["classifier.depth", "found 20", "18"]);
        refuses(&with_set(&["evaluate.fills=[\"blank\", \"grey\"]"]), &["evaluate.fills", "grey", "learned"]);
        refuses(
            &with_set(&["regions.select=fixed", "regions.sequence=pet"]),
            &["regions.sequence", "pet", "t1"],
        );
        refuses(&with_set(&["cohort.train=0.9"]), &["cohort.train", "validation and test"]);
        refuses(&with_set(&["preprocess.sequences=[\"t1\", \"t1\"]"]), &["preprocess.sequences", "\"t1\""]);
        for (key, value, duplicate) in [
            ("grid.sequences", "[\"t2\", \"t1\", \"t2\"]", "t2"),
            ("grid.counts", "[50, 100, 50]", "50"),
            ("grid.compactness", "[0.1, 10.0, 0.1]", "0.1"),
            ("grid.fills", "[\"blank\", \"blank\"]", "blank"),
            ("evaluate.fills", "[\"min\", \"max\", \"min\"]", "min"),
        ] {
            refuses(
                &with_set(&[&format!("{key}={value}")]),
                &[key, "distinct", &format!("found {duplicate} twice")],
            );
        }
        // The network's input has 4 x 4 x 4 voxels.
        let small =
            |pair| ["preprocess.crop=[8, 8, 8]", "preprocess.downsample=2", "augment.shift_voxels=0", pair];
        refuses(&with_set(&small("grid.counts=[10, 65]")), &["regions.count", "1 to 64", "found 100"]);
        let counts = [&small("grid.counts=[10, 65]")[..], &["regions.count=20"]].concat();
        refuses(&with_set(&counts), &["grid.counts", "1 to 64", "found 65"]);
        refuses(&with_set(&["epochs"]), &["epochs", "key=value"]);
    }

    /// Returns the settings of a profile with the comment lines above each.
    fn documented(text: &str) -> Vec<(String, Vec<&str>)> {
        let (mut section, mut comment, mut found) = (String::new(), Vec::new(), Vec::new());
        for line in text.lines().map(str::trim) {
            if let Some(words) = line.strip_prefix('#') {
                comment.push(words.trim());
            } else if let Some(name) = line.strip_prefix('[') {
                section = format!("{}.", name.trim_end_matches(']'));
                comment.clear();
            } else if let Some((key, _)) = line.split_once(" = ") {
                found.push((format!("{section}{key}"), std::mem::take(&mut comment)));
            } else {
                comment.clear();
            }
        }
        found
    }

    #[test]
    fn desk_documents_exactly_the_known_keys() {
        let config = Layers::default().resolve().unwrap().config;
        let keys: Vec<String> = flatten(&config.to_table().unwrap()).into_keys().collect();
        let mut documented = documented(Profile::Desk.text());
        documented.sort();
        let named: Vec<&String> = documented.iter().map(|(key, _)| key).collect();
        assert_eq!(named, keys.iter().collect::<Vec<_>>());
        for (key, comment) in documented {
            assert!(comment.join(" ").len() > 12, "{key} is not documented");
        }
    }

    #[test]
    fn other_profiles_contain_only_keys_that_differ() {
        let desk = Layers::default().resolve().unwrap().config;
        for profile in Profile::ALL.into_iter().filter(|&profile| profile != Profile::Desk) {
            let layers = Layers { base: Some(Source::profile(profile)), ..Layers::default() };
            let config = layers.resolve().unwrap().config;
            let different: Vec<String> =
                differences(&desk, &config).unwrap().into_iter().map(|d| d.key).collect();
            for (key, _) in documented(profile.text()) {
                assert!(different.contains(&key), "{}: {key} has the same value as in desk", profile.name());
            }
        }
    }
}
