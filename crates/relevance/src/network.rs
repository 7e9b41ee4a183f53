//! Networks as classifiers.

use std::sync::Arc;

use candle_core::Device;
use ndarray::{Array2, ArrayView5};
use relevox_models::engine::{self, Engine, Network};
use relevox_models::graph::Graph;
use relevox_models::graph::tensor::TensorGraph;
use relevox_models::{Error as NetworkError, ResNet3d};
use relevox_perturb::{ImageView, Patch};

use crate::classifier::{checked, unperturbed};
use crate::gradcam::LastStage;
use crate::{Baseline, Cam, Class, Classifier, Error, RelevanceMap, Target};

/// A network in evaluation mode, on the CPU or a GPU: a residual network, or any graph as a [`TensorGraph`].
///
/// Patches of a scan are computed incrementally, from the cached activations of the scan, in agreement with whole forward
/// passes within rounding: see [`relevox_models::engine`]. The activations of the latest scan stay cached, so that its
/// other partitions and fills start from them.
pub struct NetworkClassifier<N: Network = ResNet3d> {
    engine: Engine<N>,
    outputs: usize,
}

impl NetworkClassifier {
    /// Creates the classifier of a network whose parameters are on `device`, with the engine's default options.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if a parameter cannot be read.
    pub fn new(network: ResNet3d, device: Device) -> Result<Self, Error> {
        Ok(Self::from(Engine::new(network, device)?))
    }
}

impl NetworkClassifier<TensorGraph> {
    /// Creates the classifier of a graph on a device, with the engine's default options.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if the graph does not return a vector, or cannot be compiled.
    pub fn of_graph(graph: Graph, device: &Device) -> Result<Self, Error> {
        Self::of_engine(Engine::new(TensorGraph::new(graph, device)?, device.clone())?)
    }

    /// Creates the classifier of a graph's engine.
    ///
    /// # Errors
    /// Returns [`Error::Network`] if the graph does not return a vector.
    pub fn of_engine(engine: Engine<TensorGraph>) -> Result<Self, Error> {
        let graph = engine.network().graph();
        if !graph.is_classifier() {
            let channels = graph.form(graph.output()).channels();
            return Err(Error::Network(NetworkError::Batch {
                expected: "a classifier, which returns [n, k]".to_owned(),
                found: format!("a network that returns maps of {channels} channels"),
            }));
        }
        let outputs = graph.form(graph.output()).channels();
        Ok(Self { engine, outputs })
    }
}

impl<N: Network> NetworkClassifier<N> {
    /// Returns the engine, for other options; `NetworkClassifier::from` makes it a classifier again.
    pub fn into_engine(self) -> Engine<N> {
        self.engine
    }

    /// Returns the network.
    pub fn network(&self) -> &N {
        self.engine.network()
    }

    /// Returns the device that holds the parameters.
    pub fn device(&self) -> &Device {
        self.engine.device()
    }
}

impl From<Engine<ResNet3d>> for NetworkClassifier {
    fn from(engine: Engine<ResNet3d>) -> Self {
        let outputs = engine.network().outputs();
        Self { engine, outputs }
    }
}

impl<N: Network> Classifier for NetworkClassifier<N>
where
    Engine<N>: Sync,
{
    fn outputs(&self) -> usize {
        self.outputs
    }

    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        rows(self.engine.forward(batch)?, self.outputs)
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        self.engine.images_at_once(shape)
    }

    fn baseline<'a>(&'a self, image: ImageView<'a>) -> Result<Box<dyn Baseline + 'a>, Error> {
        let cached = self.engine.baseline(image)?;
        checked(rows(cached.outputs().to_vec(), self.outputs)?, [1, self.outputs], unperturbed)?;
        Ok(Box::new(NetworkBaseline { engine: &self.engine, image, cached }))
    }
}

/// A scan with its cached activations.
struct NetworkBaseline<'a, N: Network> {
    engine: &'a Engine<N>,
    image: ImageView<'a>,
    cached: Arc<engine::Baseline>,
}

impl<N: Network> Baseline for NetworkBaseline<'_, N>
where
    Engine<N>: Sync,
{
    fn image(&self) -> ImageView<'_> {
        self.image
    }

    fn logits(&self) -> &[f32] {
        self.cached.outputs()
    }

    fn patched(&self, patches: &[Patch]) -> Result<Array2<f32>, Error> {
        rows(self.engine.patched(&self.cached, patches)?.concat(), self.logits().len())
    }

    fn batch_size(&self) -> usize {
        self.engine.patches_at_once(self.image.dim().into())
    }

    fn whole(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        rows(self.engine.forward(batch)?, self.logits().len())
    }

    fn whole_batch_size(&self) -> usize {
        self.engine.images_at_once(self.image.dim().into())
    }

    fn class_activation(&self, target: &Target, class: Class, cam: Cam) -> Result<RelevanceMap, Error> {
        let graph = self.engine.network().description()?;
        let device = self.engine.device();
        let stage = LastStage::of_graph(&graph, self.image, target, class, device)?;
        match cam {
            Cam::GradCam => stage.grad_cam(),
            Cam::GradCamPlusPlus => stage.grad_cam_pp(),
        }
    }
}

/// Arranges the outputs of images as `[n, k]`.
fn rows(values: Vec<f32>, outputs: usize) -> Result<Array2<f32>, Error> {
    let (found, images) = (values.len(), values.len() / outputs.max(1));
    Array2::from_shape_vec((images, outputs), values).map_err(|_| Error::ShapeMismatch {
        what: "the network's outputs",
        expected: vec![images, outputs],
        found: vec![found],
    })
}
