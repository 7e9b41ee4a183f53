//! Where the contract of a model comes from.

use std::path::Path;

use relevox_volume::input::{CONTRACT_EXTENSION, example, read_beside, read_text};
use toml::Value;

use super::options::ModelOptions;
use crate::{Contract, ContractKeys, Error, SlicRegions};

/// File beside a run's weights with the partition that the run selected.
const RUN_REGIONS: &str = "regions.toml";
/// Settings of a residual network that cannot be read from its weights.
const NETWORK_EXAMPLE: &str = "\n[network]         # settings that cannot be read from the weights\n\
    stem_stride = 1   # MONAI's resnet by default; 2 in MedicalNet's networks\n\
    max_pool = true   # false for no_max_pool=True\n";

impl ModelOptions {
    /// Returns the contract of the options, for [`Model::new`](crate::Model::new) of a classifier that is no file, and lists
    /// the keys that the options replace.
    ///
    /// # Errors
    /// Returns [`Error::Contract`] if there is none or a key is missing or wrong, and [`Error::InvalidSetting`] if an option
    /// contradicts it.
    pub fn contract(&self) -> Result<(Contract, Vec<String>), Error> {
        let keys = self.contract.clone().ok_or_else(|| Error::Contract {
            name: "--input".to_owned(),
            reason: "expected a contract of the classifier's input, found none".to_owned(),
            example: Some(example(1, 2)),
        })?;
        let mut replaced = keys.clone();
        self.input_set.iter().try_for_each(|assignment| replaced.set(assignment))?;
        let channels = replaced.get("channels").and_then(Value::as_array).map_or(1, Vec::len);
        combine(self, keys, [channels, 2])
    }
}

/// Returns the contract of the options, or reads the file beside the weights.
///
/// # Errors
/// Returns [`Error::Volume`] if the file cannot be read, and [`Error::Contract`] if it is not TOML.
pub(super) fn given(options: &ModelOptions, weights: &Path) -> Result<Option<ContractKeys>, Error> {
    if let Some(keys) = &options.contract {
        return Ok(Some(keys.clone()));
    }
    let beside = read_beside(weights)?;
    beside.map(|(path, text)| ContractKeys::parse(path.display().to_string(), &text)).transpose()
}

/// Says where a contract comes from, and which of its statements about the input differ from those that the network's file holds
/// itself. Names of classes may: a file that a run wrote has none of its own.
pub(super) fn source(
    given: &ContractKeys,
    stored: Option<ContractKeys>,
    [channels, outputs]: [usize; 2],
) -> String {
    let line = format!("contract of the input from {}", given.name());
    let Some(stored) = stored else { return line };
    let name = stored.name().to_owned();
    let [Ok(of), Ok(to)] = [given.clone(), stored].map(|keys| keys.check(channels, outputs)) else {
        return line;
    };
    let mut keys = of.differing_keys(&to);
    keys.retain(|key| key != "output");
    match keys.split_last() {
        None => line,
        Some((key, [])) => format!("{line}; its {key} is not that of {name}"),
        Some((last, keys)) => format!("{line}; its {} and {last} are not those of {name}", keys.join(", ")),
    }
}

/// Combines a contract with the options; lists the keys that they replace.
///
/// # Errors
/// Returns [`Error::InvalidSetting`] if an option contradicts the contract, and [`Error::Contract`] if a key is missing or
/// wrong.
pub(super) fn combine(
    options: &ModelOptions,
    mut keys: ContractKeys,
    [channels, outputs]: [usize; 2],
) -> Result<(Contract, Vec<String>), Error> {
    let whole = |n: usize| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let crop = options.crop.map(|crop| ("crop", Value::Array(crop.map(whole).to_vec())));
    let downsample = options.downsample.map(|factor| ("downsample", whole(factor)));
    for (key, value) in crop.into_iter().chain(downsample) {
        match keys.get(key) {
            Some(stored) if *stored != value => {
                let expected = format!("{}, as {} states", numbers(stored), keys.name());
                return Err(Error::setting(key, expected, numbers(&value)));
            }
            _ => keys.insert(key, value),
        }
    }
    let of_file = keys.clone();
    for assignment in &options.input_set {
        keys.set(assignment)?;
    }
    let contract = keys.check(channels, outputs).map_err(|error| {
        match (wrong(&of_file, options, [channels, outputs]), error) {
            (Some(wrong), Error::Contract { reason, .. }) => {
                let list = wrong
                    .split_once('=')
                    .filter(|(_, value)| value.contains(',') && !value.starts_with(['[', '{']));
                let hint = list
                    .map(|(key, value)| format!("; lists are written {key}=[{value}]"))
                    .unwrap_or_default();
                let key = wrong.split(['=', '.']).next().unwrap_or_default().trim();
                let reason = reason.strip_prefix(&format!("{key}: ")).unwrap_or(&reason);
                Error::contract(&format!("--input-set {wrong}"), format!("{reason}{hint}"))
            }
            (_, error) => error,
        }
    });
    Ok((contract?, replaced(options)))
}

/// Returns the assignment without which the contract is valid, if there is one.
fn wrong<'a>(
    of_file: &ContractKeys,
    options: &'a ModelOptions,
    [channels, outputs]: [usize; 2],
) -> Option<&'a str> {
    let all = &options.input_set;
    let is_wrong = |at: &usize| {
        let mut keys = of_file.clone();
        let mut others = (0..all.len()).filter(|other| other != at);
        let set = others.try_for_each(|other| keys.set(&all[other]));
        set.is_ok() && keys.check(channels, outputs).is_ok()
    };
    (0..all.len()).find(is_wrong).map(|at| all[at].as_str())
}

/// Lists the keys that the options replace, one line each.
pub(super) fn replaced(options: &ModelOptions) -> Vec<String> {
    options.input_set.iter().map(|assignment| format!("{assignment} from the options")).collect()
}

/// Reads the partition that a run selected for the network.
///
/// # Errors
/// Returns [`Error::Volume`] if the file cannot be read, and [`Error::Contract`] if a key is wrong.
pub(super) fn regions_beside(weights: &Path) -> Result<Option<SlicRegions>, Error> {
    let Some((path, text)) = read_text(&weights.with_file_name(RUN_REGIONS))? else { return Ok(None) };
    toml::from_str(&text).map(Some).map_err(|error| Error::Contract {
        name: path.display().to_string(),
        reason: error.message().to_owned(),
        example: None,
    })
}

/// The error of weights without a contract. `unstated`: nothing states the network's stem either.
pub(super) fn missing(weights: &Path, channels: usize, outputs: usize, unstated: bool) -> Error {
    let beside = weights.with_extension(CONTRACT_EXTENSION);
    let mut text = example(channels, outputs);
    if unstated {
        text.push_str(NETWORK_EXAMPLE);
    }
    Error::Contract {
        name: weights.display().to_string(),
        reason: format!(
            "expected a contract of the network's input, found none; write {} or give one with --input",
            beside.display()
        ),
        example: Some(text),
    }
}

/// Formats a number, or numbers as options take them.
fn numbers(value: &Value) -> String {
    match value.as_array() {
        Some(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        None => value.to_string(),
    }
}
