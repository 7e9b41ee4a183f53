//! A tensor that the user's own program has preprocessed.

use std::path::Path;

use anyhow::Context;
use ndarray::{Array4, Axis, Ix4, Ix5};
use relevox_experiment::device::DeviceOptions;
use relevox_experiment::failure::invalid_input;
use relevox_volume::Study;
use relevox_volume::npy::ArrayFile;

use super::super::library_error::of_command;
use super::super::output::refuse_overwriting;
use super::external;
use super::files;
use super::notes::Notes;
use super::options::model_options;
use super::subject::{AnyModel, Subject};
use super::work::Work;
use crate::{ModelOptions, TensorModel};

/// Voxels that an axis of a NIfTI volume can have.
const LONGEST_AXIS: usize = i16::MAX as usize;

/// Loads the model and reads the tensor.
///
/// # Errors
/// Returns an error that names the file or the option.
pub(super) fn open(
    work: &Work<'_>,
    tensor: &str,
    device: &DeviceOptions,
    notes: &mut Notes,
) -> anyhow::Result<Subject> {
    let args = work.args;
    let file = ArrayFile::parse(tensor);
    for output in files::names(&work.methods) {
        let inputs = [Some(file.path.as_path()), args.labels.as_deref()];
        refuse_overwriting(&args.out.join(output), inputs.into_iter().flatten())?;
    }
    let options = model_options(args)?;
    let (model, image, first) = match &args.command {
        None => {
            let image = read(&file, notes)?;
            let (_, z, y, x) = image.dim();
            let options = ModelOptions { image_size: Some([z, y, x]), ..options };
            let model = TensorModel::load_with(&args.weights, &device.open()?, &options);
            let taken = || {
                let shape = image.shape();
                format!("{file}, taken as [c, z, y, x] = {shape:?}{}", of_channels_last(shape))
            };
            (model.map_err(of_command).with_context(taken)?, image, None)
        }
        Some(command) => {
            let image = read(&file, notes)?;
            let classifier = external::start(args, command, image.view())?;
            let first = Some(classifier.first().to_vec());
            (TensorModel::new(classifier, &options).map_err(of_command)?, image, first)
        }
    };
    model.assumed().iter().for_each(|line| notes.assume(line.clone()));
    notes.assume(format!("{file}: taken as the network's input as it is, with the network's own axes"));
    notes.assume(
        "volumes (.nii.gz) state no orientation, voxels of 1 mm; their axes x, y, z are the tensor's last, third and second \
         of [c, z, y, x]"
            .to_owned(),
    );
    let channels = channel_names(&model, &image, &file)?;
    let study = Study::from_tensor(file.to_string(), image, channels)?;
    let has_background = study.brain.iter().any(|inside| !inside);
    if has_background && (work.uses_brain() || (args.labels.is_none() && args.masked.unwrap_or(true))) {
        notes.assume("voxels that are 0 in every channel count as background".to_owned());
    }
    Ok(Subject { model: AnyModel::Tensor(model), study, files: None, outline: None, first })
}

/// Reads a tensor `[c, z, y, x]` or `[1, c, z, y, x]`.
fn read(file: &ArrayFile, notes: &mut Notes) -> anyhow::Result<Array4<f32>> {
    let array = file.read()?;
    if array.rounded > 0 {
        let (rounded, values, dtype) = (array.rounded, array.values.len(), &array.dtype);
        notes.assume(format!(
            "{file}: {rounded} of {values} values of type {dtype} rounded to single precision"
        ));
    }
    let found = array.values.shape().to_vec();
    let refuse =
        |expected: &str| invalid_input(format!("{file}: expected {expected}, found the shape {found:?}"));
    let axes = || refuse("[c, z, y, x] or [1, c, z, y, x]");
    let image = match found[..] {
        [1, _, _, _, _] => {
            array.values.into_dimensionality::<Ix5>().map_err(|_| axes())?.index_axis_move(Axis(0), 0)
        }
        [_, _, _, _] => array.values.into_dimensionality::<Ix4>().map_err(|_| axes())?,
        [_, _, _, _, _] => return Err(refuse("a batch of one, [1, c, z, y, x]")),
        [z, y, x] => {
            return Err(refuse(&format!(
                "[c, z, y, x] or [1, c, z, y, x] (of one channel, x[numpy.newaxis] has the shape {:?})",
                [1, z, y, x]
            )));
        }
        _ => return Err(axes()),
    };
    if image.is_empty() {
        return Err(refuse("at least one voxel and one channel"));
    }
    if image.shape()[1..].iter().any(|&axis| axis > LONGEST_AXIS) {
        return Err(refuse("at most 32767 voxels along each axis"));
    }
    Ok(image)
}

/// Suggests how to transpose an array `[c, z, y, x]` whose last axis may be that of the channels, being the shortest.
pub(super) fn of_channels_last(shape: &[usize]) -> String {
    match *shape {
        [z, y, x, c] if c < z.min(y).min(x) => format!(
            "; if its last axis is that of the channels, numpy.moveaxis(x, -1, -4) gives the expected shape, {:?}",
            [c, z, y, x]
        ),
        _ => String::new(),
    }
}

/// Names the channels, by the contract or by their indices.
fn channel_names(model: &TensorModel, image: &Array4<f32>, file: &ArrayFile) -> anyhow::Result<Vec<String>> {
    let channels = image.dim().0;
    match model.channel_names() {
        Some(names) if names.len() != channels => Err(invalid_input(format!(
            "{file}: expected {} channels, as the contract names ({}), found {channels} in the shape {:?}{}",
            names.len(),
            names.join(", "),
            image.shape(),
            of_channels_last(image.shape())
        ))),
        Some(names) => Ok(names.to_vec()),
        None => Ok((0..channels).map(|channel| format!("channel{channel}")).collect()),
    }
}

/// Reads regions of the tensor's shape, from an array or a label volume.
///
/// # Errors
/// Returns an error that names the file.
pub(super) fn read_labels(path: &Path) -> anyhow::Result<ndarray::Array3<u32>> {
    let file = ArrayFile::parse(&path.to_string_lossy());
    let is = |extension: &str| file.path.extension().is_some_and(|own| own.eq_ignore_ascii_case(extension));
    if is("npy") || is("npz") {
        return Ok(file.read_labels()?);
    }
    Ok(relevox_volume::nifti::read_labels(path)?.voxels)
}
