//! Contracts in TOML: the input of a network, what its weights do not tell, and the partition it was used with.

use std::collections::BTreeSet;

use relevox_volume::input::example;
use relevox_volume::{Input, Preprocess};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{Error, SlicRegions};

/// Classes of the labels that a run learns.
const CLASSES: [&str; 2] = ["negative", "positive"];

/// Properties of a network that leave no trace in its weights, the table `[network]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkKeys {
    /// Stride of the first convolution: one number, or one for each axis in the order of `axes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stem_stride: Option<StemStride>,
    /// Whether a max pool follows the first convolution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pool: Option<bool>,
    /// Activation function: `relu`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<String>,
}

/// Stride of the first convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StemStride {
    /// The same along each axis.
    Same(usize),
    /// One for each axis.
    Each([usize; 3]),
}

impl StemStride {
    /// Returns the stride along each axis.
    pub const fn each(self) -> [usize; 3] {
        match self {
            Self::Same(stride) => [stride; 3],
            Self::Each(strides) => strides,
        }
    }
}

/// What a model's file does not tell about its input, its network and its use.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// The network's input and outputs.
    pub input: Input,
    /// The network.
    pub network: NetworkKeys,
    /// The partition that the network was used with, the table `[regions]`.
    pub regions: Option<SlicRegions>,
}

impl Contract {
    /// Returns the keys by which the input or the outputs of two contracts differ, in alphabetical order. A key that states its
    /// default is no difference.
    pub(crate) fn differing_keys(&self, other: &Self) -> Vec<String> {
        let [of, to] = [self, other].map(|Self { input, .. }| {
            let clip_negative = Some(input.clips_negative());
            Table::try_from(Input { clip_negative, ..input.clone() }).unwrap_or_default()
        });
        let keys: BTreeSet<&String> = of.keys().chain(to.keys()).collect();
        keys.into_iter().filter(|key| of.get(*key) != to.get(*key)).cloned().collect()
    }
}

/// A contract before its keys are checked, with the name of its source for messages.
#[derive(Clone, Debug, PartialEq)]
pub struct ContractKeys {
    name: String,
    table: Table,
}

impl ContractKeys {
    /// Creates a contract without keys. `name` stands for the file in errors.
    pub fn empty(name: impl Into<String>) -> Self {
        Self { name: name.into(), table: Table::new() }
    }

    /// Parses TOML. `name` stands for the file in errors.
    ///
    /// # Errors
    /// Returns [`Error::Contract`] if the text is not TOML.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<Self, Error> {
        let name = name.into();
        match text.parse() {
            Ok(table) => Ok(Self { name, table }),
            Err(error) => Err(Error::contract(&name, one_line(&error.to_string()))),
        }
    }

    /// Creates the contract of a checkpoint of this project, whose one output is the logit of the positive class.
    ///
    /// # Errors
    /// Returns [`Error::Contract`] if the settings cannot be written as TOML.
    pub fn of_preprocess(name: impl Into<String>, preprocess: Preprocess) -> Result<Self, Error> {
        let name = name.into();
        let mut input = Input::from(preprocess);
        input.output.classes = CLASSES.map(str::to_owned).to_vec();
        match Table::try_from(input) {
            Ok(table) => Ok(Self { name, table }),
            Err(error) => Err(Error::contract(&name, error.to_string())),
        }
    }

    /// Name of the contract's source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the table `[network]`, or its defaults.
    ///
    /// # Errors
    /// Returns [`Error::Contract`] if a key is unknown or of the wrong type.
    pub fn network(&self) -> Result<NetworkKeys, Error> {
        match self.table.get("network") {
            None => Ok(NetworkKeys::default()),
            Some(keys) => keys
                .clone()
                .try_into()
                .map_err(|error: toml::de::Error| Error::contract(&self.name, refusal("network", &error))),
        }
    }

    /// Sets a top-level key.
    pub fn insert(&mut self, key: &str, value: Value) {
        self.table.insert(key.to_owned(), value);
    }

    /// Returns the value of a top-level key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.table.get(key)
    }

    /// Replaces one key, such as `spacing_mm=[1, 1, 1]` or `intensity.high=99.5`. A value that is not TOML is text.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if there is no `=` or a part of the key is not a table.
    pub fn set(&mut self, assignment: &str) -> Result<(), Error> {
        let invalid = |found: &str| Error::setting("input-set", "KEY=VALUE", found);
        let (key, value) = assignment.split_once('=').ok_or_else(|| invalid(assignment))?;
        let (key, value) = (key.trim(), value.trim());
        let parsed =
            format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
        let value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
        let (tables, last) = match key.rsplit_once('.') {
            Some((tables, last)) => (tables.split('.').collect(), last),
            None => (Vec::new(), key),
        };
        if last.is_empty() {
            return Err(invalid(assignment));
        }
        let mut table = &mut self.table;
        for name in tables {
            let entry = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            // A kind given as text stands for a table with its defaults.
            if let Value::String(kind) = entry {
                let kind = std::mem::take(kind);
                *entry = Value::Table(Table::from_iter([("kind".to_owned(), Value::String(kind))]));
            }
            table = entry.as_table_mut().ok_or_else(|| invalid(assignment))?;
        }
        table.insert(last.to_owned(), value);
        Ok(())
    }

    /// Replaces an output's kind that is given as text, which stands for a table with its defaults.
    pub(crate) fn with_output_table(mut self) -> Self {
        if let Some(Value::String(kind)) = self.table.get("output").cloned() {
            self.insert("output", Value::Table(Table::from_iter([("kind".to_owned(), Value::String(kind))])));
        }
        self
    }

    /// Validates the keys. `channels` and `outputs` are the network's, for the example in the error.
    ///
    /// # Errors
    /// Returns [`Error::Contract`] if a key is missing, unknown or of the wrong type.
    pub fn check(self, channels: usize, outputs: usize) -> Result<Contract, Error> {
        let Self { name, mut table } = self.with_output_table();
        let example = example(channels, outputs);
        let refuse =
            |reason: String| Error::Contract { name: name.clone(), reason, example: Some(example.clone()) };
        let network = match table.remove("network") {
            Some(keys) => keys.try_into().map_err(|error| refuse(refusal("network", &error)))?,
            None => NetworkKeys::default(),
        };
        let regions = table.remove("regions").map(Value::try_into).transpose();
        let regions = regions.map_err(|error| refuse(refusal("regions", &error)))?;
        let input = table.clone().try_into::<Input>();
        let input = input.map_err(|error| {
            refuse(wrong_key(&table, &example).unwrap_or_else(|| expected_found(error.message())))
        })?;
        let (expected, found) = (channels, input.channels.len());
        if expected != found {
            let expected = format!("{expected} channels, as the weights have");
            return Err(Error::contract(&name, format!("channels: expected {expected}, found {found}")));
        }
        Ok(Contract { input, network, regions })
    }
}

/// Returns the first key of a contract whose value is wrong, with the reason: one that makes a valid contract invalid.
fn wrong_key(table: &Table, valid: &str) -> Option<String> {
    let valid = ContractKeys::parse("", valid).ok()?.with_output_table().table;
    table.iter().find_map(|(key, value)| {
        let mut replaced = valid.clone();
        replaced.insert(key.clone(), value.clone());
        let error = replaced.try_into::<Input>().err()?;
        Some(match error.message().strip_prefix(&format!("unknown field `{key}`, expected one of ")) {
            Some(known) => format!("expected a key, one of {known}, `network`, `regions`, found `{key}`"),
            None => refusal(key, &error),
        })
    })
}

/// Says what is wrong with the value of a key.
pub(crate) fn refusal(key: &str, error: &toml::de::Error) -> String {
    let reason = expected_found(error.message());
    if reason.starts_with(&format!("{key}: ")) { reason } else { format!("{key}: {reason}") }
}

/// Turns a message such as "unknown variant `zxy`, expected `zyx` or `xyz`" into "expected `zyx` or `xyz`, found `zxy`".
fn expected_found(reason: &str) -> String {
    let reason = one_line(reason);
    if let Some(key) = reason.strip_prefix("missing field ") {
        return format!("expected the key {key}, found none");
    }
    if let Some(key) =
        reason.strip_prefix("unknown field ").and_then(|rest| rest.strip_suffix(", there are no fields"))
    {
        return format!("expected no further key, found {key}");
    }
    let Some((found, expected)) = reason.split_once(", expected ") else { return reason };
    let known = ["unknown variant ", "invalid type: ", "invalid value: ", "invalid length "];
    if let Some(found) = known.iter().find_map(|known| found.strip_prefix(known)) {
        return format!("expected {expected}, found {found}");
    }
    match found.strip_prefix("unknown field ") {
        Some(found) => format!("expected a key, {expected}, found {found}"),
        None => reason,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use relevox_volume::{Intensity, PercentileOver, Spacing};

    use super::*;

    fn keys(text: &str) -> ContractKeys {
        ContractKeys::parse("m.input.toml", text).unwrap()
    }

    #[test]
    fn the_example_is_a_valid_contract() {
        for (channels, outputs) in [(4, 1), (1, 2), (3, 5)] {
            let contract = keys(&example(channels, outputs)).check(channels, outputs).unwrap();
            let input = contract.input.check().unwrap();
            assert_eq!(input.preprocess().sequences().len(), channels);
            input.output().index(None, outputs).unwrap();
        }
    }

    #[test]
    fn every_key_without_a_safe_default_is_required() {
        for key in ["channels", "orientation", "axes", "intensity", "crop"] {
            let text: Vec<String> =
                example(1, 1).lines().filter(|line| !line.starts_with(key)).map(str::to_owned).collect();
            let error = keys(&text.join("\n")).check(1, 1).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn keys_are_replaced_one_by_one() {
        let mut contract = keys(&example(1, 1));
        for assignment in
            ["spacing_mm=[1, 1, 6]", "intensity=percentile", "intensity.high=99", "network.stem_stride=1"]
        {
            contract.set(assignment).unwrap();
        }
        let contract = contract.check(1, 1).unwrap();
        assert_eq!(contract.input.spacing_mm, Spacing::Millimetres([1.0, 1.0, 6.0]));
        let expected = Intensity::Percentile { low: 0.0, high: 99.0, over: PercentileOver::Brain };
        assert_eq!(contract.input.intensity, expected);
        assert_eq!(contract.network.stem_stride, Some(StemStride::Same(1)));
        assert!(keys("").set("spacing_mm").is_err());
        assert!(keys(&example(1, 1)).set("crop.z=3").is_err());
    }

    #[test]
    fn wrong_keys_are_named() {
        for (assignment, part) in [
            ("orientaton=LPS", "orientaton"),
            ("orientation=LPX", "LPX"),
            ("axes=zxy", "zxy"),
            ("crop=[1, 2]", "crop: expected an array of length 3, found 2"),
            ("crop=36", "crop: expected an array of length 3, found integer `36`"),
            ("spacing_mm=[1, 1]", "spacing_mm: "),
            ("axes=zxy", "axes: expected `zyx` or `xyz`, found `zxy`"),
            ("brain=otzu", "brain: expected "),
            ("intensity=loud", "loud"),
            ("intensity={ kind = \"window\" }", "intensity: expected the key `low`, found none"),
            ("intensity={ kind = \"minmax\", low = 0 }", "intensity: "),
            ("network.stem=1", "network: expected a key, one of `stem_stride`"),
            ("region.count=1", "`network`, `regions`, found `region`"),
        ] {
            let mut contract = keys(&example(1, 1));
            contract.set(assignment).unwrap();
            let error = contract.check(1, 1).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
    }
}
