//! A trained classifier with the contract of its input.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, ArrayView4, ArrayView5, Axis};
use relevox_models::candle_core::Device;
use relevox_models::checkpoint::{self, Activation, Trained, WeightsHints};
use relevox_models::engine::Engine;
use relevox_models::{Error as ModelError, ResNet3d, ResNetConfig};
use relevox_relevance::{Baseline, Classifier, Ensemble, Link, NetworkClassifier, Target};
use relevox_volume::input::{CONTRACT_EXTENSION, example, read_beside, read_text};
use relevox_volume::{CaseFiles, OutputKind, OutputTarget, Preprocess, Study, ValidInput, ValidPreprocess};
use toml::Value;

use crate::contract::{ContractKeys, NetworkKeys, StemStride};
use crate::door::Door;
use crate::{Contract, Error, SlicRegions};

/// File beside a run's weights with the partition that the run selected.
const RUN_REGIONS: &str = "regions.toml";
/// What the weights of a residual network do not tell.
const NETWORK_EXAMPLE: &str = "\n[network]         # what the weights do not tell\n\
    stem_stride = 1   # MONAI's resnet by default; 2 in MedicalNet's networks\n\
    max_pool = true   # false for no_max_pool=True\n";

/// Called with the new batch size when a batch did not fit into a GPU's memory.
pub type OnSmallerBatches = Arc<dyn Fn(usize) + Send + Sync>;

/// Options of [`Model::load_with`].
///
/// The contract of a network's input is that of the options, else of the file `MODEL.input.toml` beside the weights, else
/// of the checkpoint's metadata. Weights without any are refused.
#[derive(Clone, Default)]
pub struct ModelOptions {
    /// The contract.
    pub contract: Option<ContractKeys>,
    /// Keys of the contract to replace, each as `key=value`.
    pub input_set: Vec<String>,
    /// Depth of the residual network. Must agree with the weights.
    pub depth: Option<usize>,
    /// Stride of the first convolution. Must agree with the contract.
    pub stem_stride: Option<usize>,
    /// Whether a max pool follows the first convolution. Must agree with the contract.
    pub max_pool: Option<bool>,
    /// Number of channels of the first residual stage. Must agree with the weights.
    pub width: Option<usize>,
    /// Centre crop in the order of the contract's axes. Must agree with the contract.
    pub crop: Option<[usize; 3]>,
    /// Downsampling factor. Must agree with the contract.
    pub downsample: Option<usize>,
    /// Runs a full forward pass per region instead of incremental inference.
    pub dense: bool,
    /// Memory limit in bytes, shared by all networks, for cached activations and the patches processed together.
    pub memory_bytes: Option<usize>,
    /// Called when a batch did not fit into a GPU's memory.
    pub on_smaller_batches: Option<OnSmallerBatches>,
}

/// One or several residual networks, whose logits are averaged, and the contract of their input.
pub struct Model {
    classifier: Ensemble<Door>,
    input: ValidInput,
    regions: Option<SlicRegions>,
    assumed: Vec<String>,
}

impl Model {
    /// Loads weights (safetensors, or a state dict of PyTorch) onto a device. With several files, the model is the ensemble of their networks.
    ///
    /// # Errors
    /// As [`Model::load_with`].
    pub fn load<P: AsRef<Path>>(weights: &[P], device: &Device) -> Result<Self, Error> {
        Self::load_with(weights, device, &ModelOptions::default())
    }

    /// Loads weights with options.
    ///
    /// # Errors
    /// Returns [`Error::Model`] if a file cannot be read or its weights do not fit the network, [`Error::Contract`] if the
    /// contract is missing or a key is wrong, and [`Error::InvalidSetting`] if an option is out of range or contradicts a
    /// file, if there is no file, or if the files were trained on different inputs.
    pub fn load_with<P: AsRef<Path>>(
        weights: &[P],
        device: &Device,
        options: &ModelOptions,
    ) -> Result<Self, Error> {
        let mut members = Vec::with_capacity(weights.len());
        let mut shared: Option<(Contract, PathBuf)> = None;
        let mut assumed = Vec::new();
        for path in weights.iter().map(AsRef::as_ref) {
            let given = options.given_contract(path)?;
            let trained = options.load_network(path, given.as_ref(), device)?;
            let (keys, source) = match (given, trained.metadata.as_ref().map(|metadata| &metadata.preprocess))
            {
                (Some(keys), _) => {
                    let source = format!("contract of the input from {}", keys.name());
                    (keys, Some(source))
                }
                (None, Some(stored)) if !stored.is_null() => (stored_contract(path, stored)?, None),
                _ => return Err(no_contract(path, &trained.config, false)),
            };
            let (mut contract, overridden) = options.contract(keys, path, &trained.config)?;
            if contract.regions.is_none() {
                contract.regions = regions_beside(path)?;
            }
            match &shared {
                Some((first, of)) if *first != contract => {
                    let expected = format!("networks with the same input as {}", of.display());
                    let found = format!("{}, which was trained on another", path.display());
                    return Err(Error::setting("weights", expected, found));
                }
                Some(_) => {}
                None => {
                    assumed.extend(source.into_iter().chain(overridden));
                    shared = Some((contract.clone(), path.to_owned()));
                }
            }
            let mut engine = Engine::new(trained.network, device.clone())?.dense(options.dense);
            if let Some(bytes) = options.memory_bytes {
                // Each network caches the scan's activations until all are done.
                engine = engine.memory(bytes / weights.len());
            }
            if let Some(notice) = options.on_smaller_batches.clone() {
                engine = engine.on_smaller_batches(Box::new(move |most| notice(most)));
            }
            members.push(Door::new(NetworkClassifier::from(engine), contract.input.axes));
        }
        let Some((contract, _)) = shared else {
            return Err(Error::setting("weights", "at least one file", "none"));
        };
        let Contract { input, regions, .. } = contract;
        let classifier = Ensemble::new(members)?;
        let input = input.check()?;
        input.output().index(None, classifier.outputs())?;
        Ok(Self { classifier, input, regions, assumed })
    }

    /// Reads the contract of weights: that beside them, else that in a checkpoint's metadata.
    ///
    /// # Errors
    /// Returns [`Error::Model`] if the weights cannot be read, and [`Error::Contract`] if they have no contract.
    pub fn contract_of(weights: &Path) -> Result<ContractKeys, Error> {
        if let Some(keys) = ModelOptions::default().given_contract(weights)? {
            return Ok(keys);
        }
        let (_, metadata) = checkpoint::load(weights)?;
        match metadata.map(|metadata| metadata.preprocess).filter(|stored| !stored.is_null()) {
            Some(stored) => stored_contract(weights, &stored),
            None => Err(Error::Contract {
                name: weights.display().to_string(),
                reason: "expected weights with a contract of their input, found none".to_owned(),
                example: None,
            }),
        }
    }

    /// Returns the contract of the input.
    pub fn input(&self) -> &ValidInput {
        &self.input
    }

    /// Returns the partition that the network was used with, if its contract states one.
    pub fn regions(&self) -> Option<&SlicRegions> {
        self.regions.as_ref()
    }

    /// Lists where the contract comes from if not from the weights, and which of its keys were replaced.
    pub fn assumed(&self) -> &[String] {
        &self.assumed
    }

    /// Returns the name of an output's class, or its index if the contract lists no names.
    pub fn class(&self, output: usize) -> String {
        self.input.output().class(output).map_or_else(|| format!("output {output}"), str::to_owned)
    }

    /// Returns the explained output: of `requested`, else of the contract, else the predicted class of a case.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if there is no such class, and [`Error::Relevance`] if the network fails.
    pub fn target(&self, requested: Option<&OutputTarget>, study: &Study) -> Result<Target, Error> {
        let output = self.input.output();
        let link = match output.kind {
            OutputKind::Logit | OutputKind::Sigmoid => Link::Sigmoid,
            OutputKind::Softmax => Link::Softmax,
            OutputKind::Value => Link::Value,
        };
        let index = match output.index(requested, self.classifier.outputs())? {
            Some(index) => index,
            None => {
                let logits = self.classifier.logits(study.image.view().insert_axis(Axis(0)))?;
                let largest = logits.row(0).iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
                largest.map_or(0, |(index, _)| index)
            }
        };
        Ok(Target { output: index, link })
    }

    /// Returns the preprocessing of the input.
    pub fn preprocess(&self) -> &ValidPreprocess {
        self.input.preprocess()
    }

    /// Reads and preprocesses a case from its folder, in one of the layouts of [`CaseFiles::in_folder`].
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if a sequence is missing or a file cannot be used.
    pub fn read_case(&self, folder: &Path) -> Result<Study, Error> {
        let files = CaseFiles::in_folder(folder, self.preprocess().sequences())?;
        Ok(Study::load(&files, self.input.preprocess())?)
    }
}

impl Classifier for Model {
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

impl ModelOptions {
    /// The contract of the options, or of the file beside the weights.
    fn given_contract(&self, weights: &Path) -> Result<Option<ContractKeys>, Error> {
        if let Some(keys) = &self.contract {
            return Ok(Some(keys.clone()));
        }
        let beside = read_beside(weights)?;
        beside.map(|(path, text)| ContractKeys::parse(path.display().to_string(), &text)).transpose()
    }

    fn load_network(
        &self,
        path: &Path,
        contract: Option<&ContractKeys>,
        device: &Device,
    ) -> Result<Trained<ResNet3d, ResNetConfig>, Error> {
        let keys = contract.map(ContractKeys::network).transpose()?.unwrap_or_default();
        let NetworkKeys { stem_stride, max_pool, activation } = keys;
        let stem_stride = stem_stride.map(|stride| match stride {
            StemStride::Same(stride) => [stride; 3],
            StemStride::Each(strides) => strides,
        });
        let hints = WeightsHints {
            depth: self.depth,
            width: self.width,
            stem_stride: self.stem_stride.map(|stride| [stride; 3]).or(stem_stride),
            max_pool: self.max_pool.or(max_pool),
            activation: activation.map(|name| name.parse::<Activation>()).transpose()?,
            ..WeightsHints::default()
        };
        match checkpoint::load_resnet(path, &hints, device) {
            Err(ModelError::Unstated { .. }) if contract.is_none() => {
                // The channels and outputs of the example, whatever the stem.
                let hints = WeightsHints { stem_stride: Some([1; 3]), max_pool: Some(true), ..hints };
                let config = checkpoint::load_resnet(path, &hints, device)?.config;
                Err(no_contract(path, &config, true))
            }
            loaded => loaded.map_err(contradiction),
        }
    }

    /// Combines a contract with the options; lists the keys that they replace.
    fn contract(
        &self,
        mut keys: ContractKeys,
        weights: &Path,
        network: &ResNetConfig,
    ) -> Result<(Contract, Vec<String>), Error> {
        let whole = |n: usize| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let crop = self.crop.map(|crop| ("crop", Value::Array(crop.map(whole).to_vec())));
        let downsample = self.downsample.map(|factor| ("downsample", whole(factor)));
        for (key, value) in crop.into_iter().chain(downsample) {
            match keys.get(key) {
                Some(stored) if *stored != value => {
                    let expected = format!("{}, as {} states", numbers(stored), weights.display());
                    return Err(Error::setting(key, expected, numbers(&value)));
                }
                _ => keys.insert(key, value),
            }
        }
        for assignment in &self.input_set {
            keys.set(assignment)?;
        }
        let overridden =
            self.input_set.iter().map(|assignment| format!("{assignment} from the options")).collect();
        Ok((keys.check(network.in_channels, network.outputs)?, overridden))
    }
}

/// Reads the partition that a run selected for the network.
fn regions_beside(weights: &Path) -> Result<Option<SlicRegions>, Error> {
    let Some((path, text)) = read_text(&weights.with_file_name(RUN_REGIONS))? else { return Ok(None) };
    toml::from_str(&text).map(Some).map_err(|error| Error::Contract {
        name: path.display().to_string(),
        reason: error.message().to_owned(),
        example: None,
    })
}

/// Reads the contract in a checkpoint's metadata.
fn stored_contract(path: &Path, stored: &serde_json::Value) -> Result<ContractKeys, Error> {
    let preprocess: Preprocess = serde_json::from_value(stored.clone()).map_err(|error| {
        let expected = format!("preprocessing settings in {}", path.display());
        Error::setting("weights", expected, error)
    })?;
    ContractKeys::of_preprocess(path.display().to_string(), preprocess)
}

/// The error of weights without a contract. `unstated`: nothing states the network's stem either.
fn no_contract(weights: &Path, network: &ResNetConfig, unstated: bool) -> Error {
    let beside = weights.with_extension(CONTRACT_EXTENSION);
    let mut text = example(network.in_channels, network.outputs);
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

/// Names the option or key that contradicts the weights.
fn contradiction(error: ModelError) -> Error {
    match error {
        ModelError::InFile { path, source } => match *source {
            ModelError::InvalidSetting { setting, expected, found } => {
                let setting = match setting {
                    "stem_stride" => "stem-stride",
                    "max_pool" => "max-pool",
                    other => other,
                };
                Error::setting(setting, format!("{expected} ({})", path.display()), found)
            }
            source => ModelError::InFile { path, source: Box::new(source) }.into(),
        },
        other => other.into(),
    }
}

/// Formats a number, or numbers as options take them.
fn numbers(value: &Value) -> String {
    match value.as_array() {
        Some(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        None => value.to_string(),
    }
}
