//! Contracts in TOML: the input of a network, what its weights do not tell, and the partition it was used with.

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
                .map_err(|error: toml::de::Error| Error::contract(&self.name, one_line(error.message()))),
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
        let refuse = |error: toml::de::Error| Error::Contract {
            name: name.clone(),
            reason: one_line(error.message()),
            example: Some(example(channels, outputs)),
        };
        let network = match table.remove("network") {
            Some(keys) => keys.try_into().map_err(refuse)?,
            None => NetworkKeys::default(),
        };
        let regions = table.remove("regions").map(Value::try_into).transpose().map_err(refuse)?;
        let input: Input = table.try_into().map_err(refuse)?;
        let (expected, found) = (channels, input.channels.len());
        if expected != found {
            let expected = format!("{expected} channels, as the weights have");
            return Err(Error::contract(&name, format!("channels: expected {expected}, found {found}")));
        }
        Ok(Contract { input, network, regions })
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
            ("crop=[1, 2]", "length"),
            ("intensity=loud", "loud"),
            ("network.stem=1", "stem"),
        ] {
            let mut contract = keys(&example(1, 1));
            contract.set(assignment).unwrap();
            let error = contract.check(1, 1).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        }
    }
}
