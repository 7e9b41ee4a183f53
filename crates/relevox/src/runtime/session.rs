//! A network that ONNX Runtime computes, as a classifier.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ndarray::{Array2, Array4, ArrayView5, Axis, concatenate, s};
use ort::environment::Environment;
use ort::session::{Session, SessionInputs};
use ort::value::{TensorElementType, TensorRef, ValueType};
use relevox_models::checkpoint::OnnxFiles;
use relevox_models::onnx::{Header, with_output};
use relevox_relevance::{Classifier, Error};

use super::error::RuntimeError;

/// Largest difference between an image's outputs in a batch and alone, relative to outputs above 1.
const TOLERANCE: f32 = 1e-4;
/// Bytes of the images of a batch: several large ones take no less time, but the memory of all their activations.
const MOST_BYTES: usize = 8 << 20;
/// Most images of a batch.
const MOST: usize = 16;
/// Longest message of the runtime, in characters.
const LONGEST: usize = 400;

/// A network that ONNX Runtime computes on the CPU, with as many threads as rayon has.
///
/// Each region takes a whole forward pass, several of which are computed at once if the file leaves the size of a batch open
/// and an image's outputs do not depend on the others of its batch.
pub(super) struct RuntimeClassifier {
    session: Mutex<Session>,
    path: PathBuf,
    input: String,
    /// Images of a batch, or `None` for any number.
    batch: Option<usize>,
    channels: usize,
    size: [Option<usize>; 3],
    outputs: usize,
    /// Whether several images were found to be computed as each alone.
    is_batched: OnceLock<bool>,
}

impl RuntimeClassifier {
    /// Loads a network with the outputs that its header names, for images of `size` voxels if they are known.
    ///
    /// # Errors
    /// Returns [`RuntimeError::Network`] if the runtime refuses the network, and [`RuntimeError::Unfit`] if the images have
    /// another size than the file states, or the network is not a classifier of single-precision images.
    pub(super) fn new(
        environment: &Environment,
        files: &OnnxFiles,
        header: &Header,
        size: Option<[usize; 3]>,
    ) -> Result<Self, RuntimeError> {
        let refuse = |error: ort::Error| RuntimeError::Network {
            path: files.path.clone(),
            message: on_one_line(error.message()),
        };
        let path = files.path.clone();
        if !header.is_single {
            let (expected, found) = ("single precision (float32)".to_owned(), "another".to_owned());
            return Err(RuntimeError::Unfit { path, what: "input", expected, found });
        }
        let bytes = with_output(&files.bytes, &header.logits).map_err(|error| RuntimeError::Network {
            path: files.path.clone(),
            message: error.to_string(),
        })?;
        let mut builder = Session::builder(environment).map_err(refuse)?;
        builder =
            builder.with_intra_threads(rayon::current_num_threads()).map_err(|error| refuse(error.into()))?;
        for (location, content) in &files.external {
            // From memory: the runtime reads no file by itself.
            builder = builder
                .with_external_initializer_file_in_memory(location, Arc::from(content.as_slice()))
                .map_err(|error| refuse(error.into()))?;
        }
        let session = builder.commit_from_memory(&bytes).map_err(refuse)?;
        let mut network = Self {
            outputs: stated_outputs(&session, header),
            session: Mutex::new(session),
            path,
            input: header.input.clone(),
            batch: header.batch,
            channels: header.channels,
            size: header.size,
            is_batched: OnceLock::new(),
        };
        if let Some(size) = size {
            network.check([header.channels, size[0], size[1], size[2]])?;
        }
        if network.outputs == 0 {
            network.outputs = network.found_outputs(size)?;
        }
        Ok(network)
    }

    /// Finds the number of outputs that neither the file nor the runtime states, for an image of zeros.
    fn found_outputs(&self, size: Option<[usize; 3]>) -> Result<usize, RuntimeError> {
        let [z, y, x] = self.size;
        let stated = || Some([z?, y?, x?]);
        let Some([z, y, x]) = size.or_else(stated) else {
            let expected = "a stated number of outputs, or size of the images";
            return Err(self.unfit("output", expected.to_owned(), "dynamic axes".to_owned()));
        };
        let image = Array4::zeros((self.channels, z, y, x));
        let (shape, _) = self.pass(image.view().insert_axis(Axis(0)))?;
        match shape[..] {
            [_, outputs, ..] => Ok(outputs),
            _ => Err(self.wrong_outputs(&shape, "k")),
        }
    }

    /// Checks the shape `[c, z, y, x]` of an image against what the file states.
    fn check(&self, shape: [usize; 4]) -> Result<(), RuntimeError> {
        let [channels, size @ ..] = shape;
        if channels != self.channels {
            let (expected, found) = (self.channels.to_string(), channels.to_string());
            return Err(self.unfit("channels of the image", expected, found));
        }
        let fits =
            self.size.iter().zip(size).all(|(stated, size)| stated.is_none_or(|stated| stated == size));
        if fits {
            return Ok(());
        }
        let stated = self.size.map(|size| size.map_or("any".to_owned(), |size| size.to_string())).join(", ");
        let expected = format!("[{stated}], for which the network was exported");
        Err(self.unfit("voxels of the image [z, y, x]", expected, format!("{size:?}")))
    }

    /// Computes a batch in one pass; returns the shape of the outputs and their values.
    fn pass(&self, batch: ArrayView5<'_, f32>) -> Result<(Vec<usize>, Vec<f32>), RuntimeError> {
        let refuse = |error: ort::Error| RuntimeError::Pass {
            path: self.path.clone(),
            message: on_one_line(error.message()),
        };
        let shape = batch.shape().to_vec();
        let values = batch.as_standard_layout();
        let values = values.as_slice().unwrap_or(&[]);
        let image = TensorRef::from_array_view((shape, values)).map_err(refuse)?;
        let inputs: SessionInputs<'_, '_> = vec![(self.input.as_str(), image)].into();
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(inputs).map_err(refuse)?;
        let (shape, values) = outputs[0].try_extract_tensor::<f32>().map_err(refuse)?;
        let shape = shape.iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect();
        Ok((shape, values.to_vec()))
    }

    /// Computes the outputs `[n, k]` of a batch in one pass.
    fn outputs_of(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, RuntimeError> {
        let images = batch.dim().0;
        let (shape, values) = self.pass(batch)?;
        let is_outputs = matches!(&shape[..], [n, k, rest @ ..]
            if *n == images && *k == self.outputs && rest.iter().all(|&size| size == 1));
        let outputs = Array2::from_shape_vec((images, self.outputs), values).ok().filter(|_| is_outputs);
        outputs.ok_or_else(|| self.wrong_outputs(&shape, &self.outputs.to_string()))
    }

    /// Computes the outputs of images in batches of the size that the file states.
    fn in_batches(&self, images: ArrayView5<'_, f32>, size: usize) -> Result<Array2<f32>, RuntimeError> {
        let mut found = Array2::zeros((0, self.outputs));
        for batch in images.axis_chunks_iter(Axis(0), size) {
            let count = batch.dim().0;
            let outputs = if count == size {
                self.outputs_of(batch)?
            } else {
                // The last image again, as often as it takes.
                let last: Vec<_> = (count..size).map(|_| batch.slice(s![-1.., .., .., .., ..])).collect();
                let whole: Vec<_> = std::iter::once(batch).chain(last).collect();
                let whole = concatenate(Axis(0), &whole).map_err(|_| self.wrong_outputs(&[size], "k"))?;
                self.outputs_of(whole.view())?
            };
            found
                .append(Axis(0), outputs.slice(s![..count, ..]))
                .map_err(|_| self.wrong_outputs(outputs.shape(), &self.outputs.to_string()))?;
        }
        Ok(found)
    }

    /// Returns whether several images in one pass have the outputs of each alone: an exporter that traces may fix the size of
    /// a batch inside the network. Tried once, with an image and itself reversed.
    fn is_batched(&self, images: ArrayView5<'_, f32>) -> Result<bool, RuntimeError> {
        if let Some(&is_batched) = self.is_batched.get() {
            return Ok(is_batched);
        }
        let mut pair = concatenate(Axis(0), &[images.slice(s![..1, .., .., .., ..]); 2])
            .map_err(|_| self.wrong_outputs(images.shape(), "k"))?;
        pair.slice_mut(s![1.., .., ..;-1, ..;-1, ..;-1]).assign(&images.slice(s![..1, .., .., .., ..]));
        let alone = self.in_batches(pair.view(), 1)?;
        let is_batched = self.outputs_of(pair.view()).is_ok_and(|together| {
            let close = |(one, other): (&f32, &f32)| (one - other).abs() <= TOLERANCE * other.abs().max(1.0);
            together.iter().zip(&alone).all(close)
        });
        Ok(*self.is_batched.get_or_init(|| is_batched))
    }

    fn unfit(&self, what: &'static str, expected: String, found: String) -> RuntimeError {
        RuntimeError::Unfit { path: self.path.clone(), what, expected, found }
    }

    fn wrong_outputs(&self, shape: &[usize], outputs: &str) -> RuntimeError {
        self.unfit("shape of the outputs", format!("[n, {outputs}]"), format!("{shape:?}"))
    }
}

impl Classifier for RuntimeClassifier {
    fn outputs(&self) -> usize {
        self.outputs
    }

    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        let (images, channels, z, y, x) = batch.dim();
        self.check([channels, z, y, x]).map_err(Error::black_box)?;
        let found = match self.batch {
            Some(size) => self.in_batches(batch, size),
            None if images > 1 => self.is_batched(batch).and_then(|is_batched| match is_batched {
                true => self.outputs_of(batch),
                false => self.in_batches(batch, 1),
            }),
            None => self.in_batches(batch, 1),
        };
        found.map_err(Error::black_box)
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        let images = MOST_BYTES / (shape.iter().product::<usize>() * size_of::<f32>()).max(1);
        match (self.batch, self.is_batched.get()) {
            (Some(size), _) => size,
            (None, Some(false)) => 1,
            (None, _) => images.clamp(1, MOST),
        }
    }
}

/// Returns the number of outputs that the runtime infers, or that the file states; 0 if neither does.
fn stated_outputs(session: &Session, header: &Header) -> usize {
    let inferred = session.outputs().first().and_then(|output| match output.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, shape, .. } => match shape[..] {
            [_, outputs, ..] => usize::try_from(outputs).ok(),
            _ => None,
        },
        _ => None,
    });
    inferred.or(header.outputs).unwrap_or(0)
}

/// Returns a message of the runtime on one line of limited length.
fn on_one_line(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
