//! A trained classifier with the contract of its input.

mod any;
mod file;
mod graph;
mod keys;
mod loaded;
mod onnx;
mod options;
mod tensor;
mod weights;

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView4, ArrayView5};
use relevox_models::candle_core::Device;
use relevox_relevance::{Baseline, Classifier, Target};
use relevox_volume::{CaseFiles, OutputTarget, Study, ValidInput, ValidPreprocess};

use crate::contract::{NetworkKeys, StemStride};
use crate::{Contract, ContractKeys, Error, SlicRegions};
use any::AnyClassifier;
use loaded::{Loaded, Placement};

pub use options::{ModelOptions, OnSmallerBatches};
pub use tensor::TensorModel;

/// A classifier, or several whose logits are averaged, and the contract of its input.
pub struct Model {
    network: TensorModel,
    input: ValidInput,
    regions: Option<SlicRegions>,
    stem: NetworkKeys,
}

impl Model {
    /// Loads networks (ONNX, or the weights of ResNets and DenseNets in safetensors or a state dict of PyTorch) onto a
    /// device. With several files, the model is the ensemble of their networks.
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
    /// file, if there is no file, or if the files were trained on different inputs. Returns [`Error::Unsupported`] if the network
    /// of an ONNX file has an operator that neither Relevox nor ONNX Runtime computes, and [`Error::Runtime`] if the options
    /// ask for ONNX Runtime and it fails.
    pub fn load_with<P: AsRef<Path>>(
        weights: &[P],
        device: &Device,
        options: &ModelOptions,
    ) -> Result<Self, Error> {
        let mut members = Vec::with_capacity(weights.len());
        let mut shared: Option<(Contract, PathBuf)> = None;
        let mut assumed = Vec::new();
        let mut runtimes = Vec::new();
        let placement = Placement { device, networks: weights.len() };
        for path in weights.iter().map(AsRef::as_ref) {
            let given = keys::given(options, path)?;
            let Loaded { classifier, channels, outputs, stored, runtime, notes, .. } =
                file::load(path, given.as_ref(), options, placement)?;
            runtimes.push(runtime);
            let (keys, source) = match (given, stored) {
                (Some(keys), stored) => {
                    let source = keys::source(&keys, stored.and_then(Result::ok), [channels, outputs]);
                    (keys, Some(source))
                }
                (None, Some(stored)) => (stored?, None),
                (None, None) => return Err(keys::missing(path, channels, outputs, false)),
            };
            let (mut contract, replaced) = keys::combine(options, keys, [channels, outputs])?;
            if contract.regions.is_none() {
                contract.regions = keys::regions_beside(path)?;
            }
            contract.network.stem_stride =
                options.stem_stride.map(StemStride::Same).or(contract.network.stem_stride);
            contract.network.max_pool = options.max_pool.or(contract.network.max_pool);
            match &shared {
                Some((first, of)) => {
                    if let Some(key) = first.differing_keys(&contract).first() {
                        let expected = format!("networks with the same input as {}", of.display());
                        let found = format!("{}, whose contract has another `{key}`", path.display());
                        return Err(Error::setting("model", expected, found));
                    }
                    if first.regions != contract.regions {
                        assumed.push(format!(
                            "regions of {}; the contract of {} states others",
                            of.display(),
                            path.display()
                        ));
                    }
                }
                None => {
                    assumed.extend(source.into_iter().chain(replaced));
                    shared = Some((contract.clone(), path.to_owned()));
                }
            }
            assumed.extend(notes);
            members.push(classifier.with_axes(contract.input.axes));
        }
        let Some((contract, _)) = shared else {
            return Err(Error::setting("model", "at least one file", "none"));
        };
        Self::of_members(members, contract, assumed, runtimes)
    }

    /// Creates the model of any classifier, whose tensors have the axes of the contract.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if a value of the contract is out of range, or its output does not fit the classifier.
    pub fn new(classifier: impl Classifier + Send + 'static, contract: Contract) -> Result<Self, Error> {
        let member = AnyClassifier::new(classifier).with_axes(contract.input.axes);
        Self::of_members(vec![member], contract, Vec::new(), Vec::new())
    }

    fn of_members(
        members: Vec<AnyClassifier>,
        contract: Contract,
        assumed: Vec<String>,
        runtimes: Vec<String>,
    ) -> Result<Self, Error> {
        let Contract { input, regions, network: stem } = contract;
        let input = input.check()?;
        let network = TensorModel::known(members, input.output().clone(), assumed, runtimes)?;
        Ok(Self { network, input, regions, stem })
    }

    /// Reads the contract of weights: that beside them, else that in a checkpoint's metadata.
    ///
    /// # Errors
    /// Returns [`Error::Model`] if the weights cannot be read, and [`Error::Contract`] if they have no contract.
    pub fn contract_of(weights: &Path) -> Result<ContractKeys, Error> {
        if let Some(keys) = keys::given(&ModelOptions::default(), weights)? {
            return Ok(keys);
        }
        file::stored_contract(weights)?.ok_or_else(|| Error::Contract {
            name: weights.display().to_string(),
            reason: "expected weights with a contract of their input, found none".to_owned(),
            example: None,
        })
    }

    /// Returns the classifier of preprocessed images, with the axes z, y, x.
    pub fn network(&self) -> &TensorModel {
        &self.network
    }

    /// Returns the contract of the input.
    pub fn input(&self) -> &ValidInput {
        &self.input
    }

    /// Returns the partition that the network was used with, if its contract states one.
    pub fn regions(&self) -> Option<&SlicRegions> {
        self.regions.as_ref()
    }

    /// Returns what the contract or the options state about the network: with several files, about the first.
    pub fn network_keys(&self) -> &NetworkKeys {
        &self.stem
    }

    /// Lists where the contract comes from if not from the weights, and which of its keys were replaced.
    pub fn assumed(&self) -> &[String] {
        self.network.assumed()
    }

    /// Returns the name of an output's class, or its index if the contract lists no names.
    pub fn class(&self, output: usize) -> String {
        self.network.class(output)
    }

    /// Returns the explained output: of `requested`, else of the contract, else the predicted class of a case.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if there is no such class, and [`Error::Relevance`] if the network fails.
    pub fn target(&self, requested: Option<&OutputTarget>, study: &Study) -> Result<Target, Error> {
        self.network.target(requested, study.image.view())
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
        self.network.outputs()
    }

    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, relevox_relevance::Error> {
        self.network.logits(batch)
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        self.network.batch_size(shape)
    }

    fn baseline<'a>(
        &'a self,
        image: ArrayView4<'a, f32>,
    ) -> Result<Box<dyn Baseline + 'a>, relevox_relevance::Error> {
        self.network.baseline(image)
    }
}
