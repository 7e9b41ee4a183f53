//! A trained classifier of tensors that are already preprocessed.

use std::path::Path;

use ndarray::{Array2, ArrayView4, ArrayView5};
use relevox_models::candle_core::Device;
use relevox_relevance::{Baseline, Classifier, Ensemble, Link, Target};
use relevox_volume::{Output, OutputKind, OutputTarget};

use super::any::AnyClassifier;
use super::file;
use super::keys;
use super::loaded::{Loaded, Placement};
use super::options::ModelOptions;
use crate::contract::refusal;
use crate::{ContractKeys, Error};

/// A classifier, or several whose logits are averaged, and the meaning of its outputs. Its images `[c, z, y, x]` are what the
/// user's own preprocessing gives the network, in the network's own order of the axes.
pub struct TensorModel {
    classifier: Ensemble<AnyClassifier>,
    output: Output,
    channels: Option<Vec<String>>,
    assumed: Vec<String>,
    runtimes: Vec<String>,
}

impl TensorModel {
    /// Loads networks from files, as [`Model::load_with`](crate::Model::load_with), without asking for a contract. Of a
    /// contract that is given or lies beside the weights, `output`, `network` and the names of the channels are used. Without
    /// `output`, one output is a logit and several are a softmax's, and [`TensorModel::assumed`] says so.
    ///
    /// # Errors
    /// Returns [`Error::Model`] if a file cannot be read or its weights do not fit a network, [`Error::Contract`] if a key
    /// is wrong, [`Error::Volume`] if the meaning of the outputs does not fit the network, and [`Error::InvalidSetting`] if
    /// an option contradicts a file, if there is no file, or if the files' contracts differ; of ONNX files also
    /// [`Error::Unsupported`] and [`Error::Runtime`], as [`Model::load_with`](crate::Model::load_with).
    pub fn load_with<P: AsRef<Path>>(
        weights: &[P],
        device: &Device,
        options: &ModelOptions,
    ) -> Result<Self, Error> {
        let mut members = Vec::with_capacity(weights.len());
        let mut shared: Option<(Meaning, &Path)> = None;
        let mut assumed = Vec::new();
        let mut runtimes = Vec::new();
        let placement = Placement { device, networks: weights.len() };
        for path in weights.iter().map(AsRef::as_ref) {
            // Without keys, weights that do not tell their stem are refused for that alone.
            let given = keys::given(options, path)?;
            let known = given.clone().unwrap_or_else(|| ContractKeys::empty(path.display().to_string()));
            let known = replaced(known, options)?;
            let Loaded { classifier, stored, kind, runtime, notes, .. } =
                file::load(path, Some(&known), options, placement)?;
            runtimes.push(runtime);
            let mut meaning = Meaning::of(&known, given.is_some())?;
            meaning.kind = kind;
            assumed.extend(notes);
            if let (None, Some(Ok(stored))) = (&meaning.channels, stored) {
                meaning.channels = channel_names(&stored);
            }
            match &shared {
                Some((first, of)) if *first != meaning => {
                    let expected = format!("networks with the same outputs as {}", of.display());
                    return Err(Error::setting("model", expected, path.display()));
                }
                Some(_) => {}
                None => shared = Some((meaning, path)),
            }
            members.push(classifier);
        }
        let Some((meaning, _)) = shared else {
            return Err(Error::setting("model", "at least one file", "none"));
        };
        Ok(Self { runtimes, ..Self::of_members(members, meaning, options, assumed)? })
    }

    /// Creates the model of any classifier; the options tell the meaning of its outputs.
    ///
    /// # Errors
    /// As [`TensorModel::load_with`], without those of files.
    pub fn new(classifier: impl Classifier + Send + 'static, options: &ModelOptions) -> Result<Self, Error> {
        let keys = options.contract.clone().unwrap_or_else(|| ContractKeys::empty("the options"));
        let meaning = Meaning::of(&replaced(keys, options)?, options.contract.is_some())?;
        Self::of_members(vec![AnyClassifier::new(classifier)], meaning, options, Vec::new())
    }

    fn of_members(
        members: Vec<AnyClassifier>,
        meaning: Meaning,
        options: &ModelOptions,
        notes: Vec<String>,
    ) -> Result<Self, Error> {
        let classifier = Ensemble::new(members)?;
        let Meaning { output, channels, source, kind } = meaning;
        let mut assumed: Vec<String> = source.into_iter().chain(notes).collect();
        assumed.extend(keys::replaced(options));
        let output = output.unwrap_or_else(|| {
            let outputs = classifier.outputs();
            let (kind, said) = match (outputs, kind) {
                (1, _) => {
                    (OutputKind::Logit, "the output is a logit, whose sigmoid is the probability".to_owned())
                }
                (_, Some(OutputKind::Logit)) => (
                    OutputKind::Sigmoid,
                    format!("each of the {outputs} outputs is a logit of its own (sigmoid)"),
                ),
                _ => (
                    OutputKind::Softmax,
                    format!("the {outputs} outputs are logits of exclusive classes (softmax)"),
                ),
            };
            assumed.push(format!("{said}; --output states another meaning"));
            Output { kind, ..Output::default() }
        });
        output.check()?;
        output.index(None, classifier.outputs())?;
        Ok(Self { classifier, output, channels, assumed, runtimes: Vec::new() })
    }

    /// Creates the model of members whose outputs are known to mean this.
    pub(super) fn known(
        members: Vec<AnyClassifier>,
        output: Output,
        assumed: Vec<String>,
        runtimes: Vec<String>,
    ) -> Result<Self, Error> {
        let classifier = Ensemble::new(members)?;
        output.index(None, classifier.outputs())?;
        Ok(Self { classifier, output, channels: None, assumed, runtimes })
    }

    /// Returns the meaning of the outputs.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Returns the names of the channels, if a contract states them.
    pub fn channel_names(&self) -> Option<&[String]> {
        self.channels.as_deref()
    }

    /// Lists what was assumed about the network, one line each.
    pub fn assumed(&self) -> &[String] {
        &self.assumed
    }

    /// Returns what computes each network: `relevox`, or `onnxruntime` with its version. Empty if the classifier is no file.
    pub fn runtimes(&self) -> &[String] {
        &self.runtimes
    }

    /// Returns how probabilities follow from the outputs.
    pub fn link(&self) -> Link {
        match self.output.kind {
            OutputKind::Logit | OutputKind::Sigmoid => Link::Sigmoid,
            OutputKind::Softmax => Link::Softmax,
            OutputKind::Value => Link::Value,
        }
    }

    /// Returns the name of an output's class, or its index if no names are known.
    pub fn class(&self, output: usize) -> String {
        self.output.class(output).map_or_else(|| format!("output {output}"), str::to_owned)
    }

    /// Returns the explained output: of `requested`, else of the contract, else the predicted class of an image.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if there is no such class, and [`Error::Relevance`] if the classifier fails.
    pub fn target(
        &self,
        requested: Option<&OutputTarget>,
        image: ArrayView4<'_, f32>,
    ) -> Result<Target, Error> {
        let link = self.link();
        let index = match self.output.index(requested, self.classifier.outputs())? {
            Some(index) => index,
            None => {
                // A network caches the activations of its latest baseline, from which the explanation starts.
                let baseline = self.classifier.baseline(image)?;
                let largest = baseline.logits().iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                largest.map_or(0, |(index, _)| index)
            }
        };
        Ok(Target { output: index, link })
    }
}

impl Classifier for TensorModel {
    fn outputs(&self) -> usize {
        self.classifier.outputs()
    }

    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, relevox_relevance::Error> {
        self.classifier.logits(batch)
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        self.classifier.batch_size(shape)
    }

    fn baseline<'a>(
        &'a self,
        image: ArrayView4<'a, f32>,
    ) -> Result<Box<dyn Baseline + 'a>, relevox_relevance::Error> {
        self.classifier.baseline(image)
    }
}

/// Keys of a contract that are used with tensors.
const KEYS: [&str; 3] = ["channels", "output", "network"];

/// What a contract tells about a network whose input it does not describe.
#[derive(Debug, PartialEq)]
struct Meaning {
    output: Option<Output>,
    channels: Option<Vec<String>>,
    source: Option<String>,
    /// What the network's file states.
    kind: Option<OutputKind>,
}

impl Meaning {
    fn of(keys: &ContractKeys, given: bool) -> Result<Self, Error> {
        let output = keys.get("output").map(|value| {
            let parsed: Result<Output, _> = value.clone().try_into();
            parsed.map_err(|error| Error::contract(keys.name(), refusal("output", &error)))
        });
        let source = given.then(|| format!("output and network of the contract from {}", keys.name()));
        Ok(Self { output: output.transpose()?, channels: channel_names(keys), source, kind: None })
    }
}

fn channel_names(keys: &ContractKeys) -> Option<Vec<String>> {
    let names = keys.get("channels")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// Replaces the keys that the options set.
///
/// # Errors
/// Returns [`Error::InvalidSetting`] for a key that describes the preprocessing, which a tensor has behind it.
fn replaced(mut keys: ContractKeys, options: &ModelOptions) -> Result<ContractKeys, Error> {
    for assignment in &options.input_set {
        let key = assignment.split(['=', '.']).next().unwrap_or_default().trim();
        if !KEYS.contains(&key) {
            let expected =
                format!("one of the keys {} with a tensor, which is preprocessed", KEYS.join(", "));
            return Err(Error::setting("input-set", expected, assignment));
        }
        keys.set(assignment)?;
    }
    Ok(keys.with_output_table())
}
