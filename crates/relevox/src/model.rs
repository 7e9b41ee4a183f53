//! A trained classifier with the preprocessing of its input.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, ArrayView4, ArrayView5};
use relevox_models::candle_core::Device;
use relevox_models::checkpoint::{self, WeightsHints};
use relevox_models::engine::Engine;
use relevox_relevance::{Baseline, Classifier, Ensemble, NetworkClassifier};
use relevox_volume::{CaseFiles, Preprocess, Study, ValidPreprocess};

use crate::Error;

/// Sequences of BraTS, the default for weights without metadata.
const SEQUENCES: [&str; 4] = ["t1", "t1ce", "t2", "flair"];
/// The paper's crop, the default for weights without metadata.
const CROP: [usize; 3] = [128; 3];

/// Called with the new batch size when a batch did not fit into a GPU's memory.
pub type OnSmallerBatches = Arc<dyn Fn(usize) + Send + Sync>;

/// Options of [`Model::load_with`].
///
/// A checkpoint of this project stores its network and its preprocessing. For weights without metadata, the fields below
/// specify them; a field that contradicts a checkpoint is an error.
#[derive(Clone, Default)]
pub struct ModelOptions {
    /// Depth of the residual network; the weights tell it.
    pub depth: Option<usize>,
    /// Stride of the first convolution. Weights without metadata need it.
    pub stem_stride: Option<usize>,
    /// Whether a max-pooling follows the first convolution. Weights without metadata need it.
    pub max_pool: Option<bool>,
    /// Number of channels of the first residual stage; the weights tell it.
    pub width: Option<usize>,
    /// Centre crop in scan voxels, `[z, y, x]`. Without metadata 128³ by default.
    pub crop: Option<[usize; 3]>,
    /// Downsampling factor. Without metadata 1 by default.
    pub downsample: Option<usize>,
    /// Runs a full forward pass per region instead of incremental inference.
    pub dense: bool,
    /// Memory limit in bytes, shared by all networks, for cached activations and the patches processed together.
    pub memory_bytes: Option<usize>,
    /// Called when a batch did not fit into a GPU's memory.
    pub on_smaller_batches: Option<OnSmallerBatches>,
}

/// One or several residual networks, whose logits are averaged, and the preprocessing of their input.
pub struct Model {
    classifier: Ensemble<NetworkClassifier>,
    preprocess: ValidPreprocess,
}

impl Model {
    /// Loads weights (safetensors) onto a device. With several files, the model is the ensemble of their networks.
    ///
    /// # Errors
    /// As [`Model::load_with`].
    pub fn load<P: AsRef<Path>>(weights: &[P], device: &Device) -> Result<Self, Error> {
        Self::load_with(weights, device, &ModelOptions::default())
    }

    /// Loads weights with options.
    ///
    /// # Errors
    /// Returns [`Error::Model`] if a file cannot be read or its weights do not fit the network, and
    /// [`Error::InvalidSetting`] if an option is out of range or contradicts a file, if there is no file, or if the files
    /// were trained on different inputs.
    pub fn load_with<P: AsRef<Path>>(
        weights: &[P],
        device: &Device,
        options: &ModelOptions,
    ) -> Result<Self, Error> {
        let mut members = Vec::with_capacity(weights.len());
        let mut shared: Option<(Preprocess, PathBuf)> = None;
        for path in weights.iter().map(AsRef::as_ref) {
            let hints = WeightsHints {
                depth: options.depth,
                width: options.width,
                stem_stride: options.stem_stride.map(|stride| [stride; 3]),
                max_pool: options.max_pool,
                ..WeightsHints::default()
            };
            let trained = checkpoint::load_resnet(path, &hints, device).map_err(contradiction)?;
            let stored = trained.metadata.as_ref().map(|metadata| &metadata.preprocess);
            let preprocess = options.preprocess(stored, path)?;
            match &shared {
                Some((first, of)) if *first != preprocess => {
                    let expected = format!("networks with the same input as {}", of.display());
                    let found = format!("{}, which was trained on another", path.display());
                    return Err(Error::setting("weights", expected, found));
                }
                Some(_) => {}
                None => shared = Some((preprocess, path.to_owned())),
            }
            let mut engine = Engine::new(trained.network, device.clone())?.dense(options.dense);
            if let Some(bytes) = options.memory_bytes {
                // Each network caches the scan's activations until all are done.
                engine = engine.memory(bytes / weights.len());
            }
            if let Some(notice) = options.on_smaller_batches.clone() {
                engine = engine.on_smaller_batches(Box::new(move |most| notice(most)));
            }
            members.push(NetworkClassifier::from(engine));
        }
        let Some((preprocess, _)) = shared else {
            return Err(Error::setting("weights", "at least one file", "none"));
        };
        Ok(Self { classifier: Ensemble::new(members)?, preprocess: preprocess.check()? })
    }

    /// Returns the preprocessing of the input.
    pub fn preprocess(&self) -> &ValidPreprocess {
        &self.preprocess
    }

    /// Reads and preprocesses a case from its folder, in BraTS's layout.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if a sequence is missing or a file cannot be used.
    pub fn read_case(&self, folder: &Path) -> Result<Study, Error> {
        let files = CaseFiles::in_folder(folder, self.preprocess.sequences())?;
        Ok(Study::load(&files, &self.preprocess)?)
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
    /// Combines the preprocessing stored in a checkpoint with the options.
    fn preprocess(&self, stored: Option<&serde_json::Value>, path: &Path) -> Result<Preprocess, Error> {
        let Some(stored) = stored.filter(|value| !value.is_null()) else {
            return Ok(Preprocess {
                sequences: SEQUENCES.map(str::to_owned).into(),
                crop: self.crop.unwrap_or(CROP),
                downsample: self.downsample.unwrap_or(1),
                clip_negative: true,
            });
        };
        let preprocess: Preprocess = serde_json::from_value(stored.clone()).map_err(|error| {
            let expected = format!("preprocessing settings in {}", path.display());
            Error::setting("weights", expected, error)
        })?;
        agree("crop", self.crop.map(zyx), zyx(preprocess.crop), path)?;
        agree("downsample", self.downsample, preprocess.downsample, path)?;
        Ok(preprocess)
    }
}

/// Names the option that contradicts the weights.
fn contradiction(error: relevox_models::Error) -> Error {
    match error {
        relevox_models::Error::InFile { path, source } => match *source {
            relevox_models::Error::InvalidSetting { setting, expected, found } => {
                let setting = match setting {
                    "stem_stride" => "stem-stride",
                    "max_pool" => "max-pool",
                    other => other,
                };
                Error::setting(setting, format!("{expected} ({})", path.display()), found)
            }
            source => relevox_models::Error::InFile { path, source: Box::new(source) }.into(),
        },
        other => other.into(),
    }
}

/// Rejects an option that contradicts the weights.
fn agree<T: PartialEq + ToString>(
    setting: &'static str,
    given: Option<T>,
    stored: T,
    path: &Path,
) -> Result<(), Error> {
    match given.filter(|given| *given != stored) {
        None => Ok(()),
        Some(given) => {
            let expected = format!("{}, as {} states", stored.to_string(), path.display());
            Err(Error::setting(setting, expected, given.to_string()))
        }
    }
}

/// Formats a size as options take it.
fn zyx(size: [usize; 3]) -> String {
    size.map(|size| size.to_string()).join(",")
}
