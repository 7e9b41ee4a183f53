//! Networks in ONNX files.

use std::collections::BTreeMap;
use std::path::Path;

use relevox_models::checkpoint::{self, OnnxFiles};
use relevox_models::onnx::LastActivation;
use relevox_volume::OutputKind;
use toml::Value;

use super::any::AnyClassifier;
use super::graph;
use super::loaded::{Loaded, Placement};
use super::options::ModelOptions;
use crate::runtime::{self, Runtime, RuntimeError, RuntimeNetwork};
use crate::{ContractKeys, Error};

/// Key of the contract among the file's `metadata_props`.
const CONTRACT: &str = "relevox.input";

/// Loads a network. Sizes that the file leaves open are those of the options, or of the contract's crop.
///
/// # Errors
/// Returns [`Error::Model`] if a file cannot be read or is damaged, [`Error::Relevance`] if the network is not a classifier,
/// [`Error::Unsupported`] if neither runtime computes it, and [`Error::Runtime`] if ONNX Runtime, as the options ask, does not.
pub(super) fn load(
    path: &Path,
    contract: Option<&ContractKeys>,
    options: &ModelOptions,
    placement: Placement<'_>,
) -> Result<Loaded, Error> {
    let size = options.image_size.or_else(|| contract.and_then(image_size));
    let files = OnnxFiles::read(path)?;
    if options.runtime == Runtime::OnnxRuntime {
        return Ok(by_runtime(&files, size, "as requested", placement)??);
    }
    let onnx = match checkpoint::read_onnx(&files, size) {
        Ok(onnx) => onnx,
        Err(error) => match error.unsupported_operator() {
            Some(operator) if options.runtime == Runtime::Auto => {
                let why = operator.to_string();
                return by_runtime(&files, size, &why, placement)?.map_err(|runtime| Error::Unsupported {
                    operator: Box::new(error),
                    runtime: Box::new(runtime),
                });
            }
            _ => return Err(error.into()),
        },
    };
    let stored = stored(path, &onnx.metadata);
    let (kind, note) = left_out(path, onnx.last);
    let notes = note.into_iter().chain(other_size(path, onnx.shape, size)).collect();
    let loaded = graph::loaded(onnx.graph, notes, options, placement)?;
    Ok(Loaded { stored, kind, ..loaded })
}

/// Says if the images are of another size than the file states.
fn other_size(path: &Path, shape: [Option<usize>; 4], given: Option<[usize; 3]>) -> Option<String> {
    let [_, z, y, x] = shape;
    let (stated, given) = ([z?, y?, x?], given?);
    let [of, to] = [stated, given].map(|size| size.map(|n| n.to_string()).join("×"));
    (stated != given).then(|| {
        format!(
            "{}: was exported for images of {of} voxels, in its order of the axes, and gets {to}",
            path.display()
        )
    })
}

/// Loads a network into ONNX Runtime; `why` tells why it is used.
///
/// # Errors
/// Returns [`Error::Model`] if the file is damaged, and inside the error of the runtime.
fn by_runtime(
    files: &OnnxFiles,
    size: Option<[usize; 3]>,
    why: &str,
    placement: Placement<'_>,
) -> Result<Result<Loaded, RuntimeError>, Error> {
    let header = checkpoint::read_onnx_header(files)?;
    Ok(runtime::load(files, &header, size).map(|RuntimeNetwork { classifier, version }| {
        let (kind, note) = left_out(&files.path, header.last);
        let device = if placement.device.is_cpu() { "" } else { " on the CPU" };
        let named = |name: &str| format!("{name} {version}").trim_end().to_owned();
        let mut notes = vec![format!(
            "{}: is run with {}{device} ({why}); every region is a whole pass",
            files.path.display(),
            named("ONNX Runtime")
        )];
        notes.extend(note);
        let outputs = classifier.outputs();
        let classifier = AnyClassifier::of_box(classifier);
        let stored = stored(&files.path, &header.metadata);
        let runtime = named("onnxruntime");
        Loaded { classifier, channels: header.channels, outputs, stored, kind, runtime, notes }
    }))
}

/// Returns what the last activation tells about the outputs, and says that it was left out.
fn left_out(path: &Path, last: Option<LastActivation>) -> (Option<OutputKind>, Option<String>) {
    let (name, kind) = match last {
        Some(LastActivation::Softmax) => ("softmax", OutputKind::Softmax),
        Some(LastActivation::Sigmoid) => ("sigmoid", OutputKind::Logit),
        None => return (None, None),
    };
    let note = format!(
        "{}: left out the {name} at the end of the network, so that the outputs are logits",
        path.display()
    );
    (Some(kind), Some(note))
}

/// Reads the contract among the metadata of a file, if there is one.
///
/// # Errors
/// Returns [`Error::Model`] if a file cannot be read or is damaged, and [`Error::Contract`] if the contract is not TOML.
pub(super) fn stored_contract(path: &Path) -> Result<Option<ContractKeys>, Error> {
    let header = checkpoint::read_onnx_header(&OnnxFiles::read(path)?)?;
    stored(path, &header.metadata).transpose()
}

fn stored(path: &Path, metadata: &BTreeMap<String, String>) -> Option<Result<ContractKeys, Error>> {
    let text = metadata.get(CONTRACT)?;
    Some(ContractKeys::parse(format!("{} ({CONTRACT})", path.display()), text))
}

/// The size of the network's images by a contract: its crop after downsampling, in the order of its axes.
fn image_size(contract: &ContractKeys) -> Option<[usize; 3]> {
    let whole = |value: &Value| usize::try_from(value.as_integer()?).ok().filter(|&n| n > 0);
    let factor = contract.get("downsample").map_or(Some(1), whole)?;
    let crop: Vec<usize> = contract.get("crop")?.as_array()?.iter().map(whole).collect::<Option<_>>()?;
    Some(<[usize; 3]>::try_from(crop).ok()?.map(|size| size / factor))
}
