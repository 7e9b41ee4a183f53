//! Grad-CAM: the channels of the last feature map, weighted by how strongly each is evidence for a class.
//!
//! Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization"
//! (ICCV 2017), <https://doi.org/10.1109/ICCV.2017.74>. A channel's weight is the spatial mean of the logit's gradient; the
//! weighted sum goes through a ReLU, is resized to the input trilinearly (corners not aligned) and min-max scaled to
//! 0..100.

use candle_core::{D, Device, Tensor, Var};
use ndarray::Array3;
use relevox_models::ResNet3d;
use relevox_models::conv3d::{Mode, upsample3d};
use relevox_models::graph::Graph;
use relevox_models::graph::tensor::TensorGraph;
use relevox_models::plan::Plan;
use relevox_perturb::ImageView;

use crate::upload::upload_one;
use crate::{Error, Link, RelevanceMap, Target};

pub use crate::cam::Class;

/// The last feature map of a network for an image: its channels, and the gradient of a class's logit by them.
pub struct LastStage {
    /// `[1, c, d, h, w]`
    pub(crate) features: Tensor,
    /// `[1, c, d, h, w]`
    pub(crate) gradient: Tensor,
    /// Shape of the image, `[z, y, x]`.
    shape: [usize; 3],
}

impl LastStage {
    /// Computes the last stage for an image.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::OutOfRange`] or [`Error::InvalidSetting`] if the network does not have the target, and
    /// [`Error::Tensor`] if the network does not take the image.
    pub fn new(
        network: &ResNet3d,
        image: ImageView<'_>,
        target: &Target,
        class: Class,
        device: &Device,
    ) -> Result<Self, Error> {
        // Detached: only the head is differentiated.
        let features = network.features_t(&upload_one(image, device)?, false)?.detach();
        Self::of_features(&features, |features| Ok(network.head(features)?), image, target, class)
    }

    /// Computes the last feature map of a graph that ends in a global mean and layers of vectors.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] if the graph ends in anything else: it has no Grad-CAM. Otherwise as
    /// [`LastStage::new`].
    pub fn of_graph(
        graph: &Graph,
        image: ImageView<'_>,
        target: &Target,
        class: Class,
        device: &Device,
    ) -> Result<Self, Error> {
        let (Some(map), Some(head)) = (graph.last_map(), graph.after_last_map()) else {
            let last = graph.node(graph.output()).map_or("the image", |node| node.operation.name());
            let expected = "a network that ends in a global mean and linear layers";
            return Err(Error::setting("method", expected, format!("one that ends otherwise ({last})")));
        };
        let until = graph.until(map);
        let features = if device.is_cpu() {
            let (c, z, y, x) = image.dim();
            let values: Vec<f32> = image.iter().copied().collect();
            let sizes = until.sizes([z, y, x])?;
            let shape = [&[1][..], sizes.last().map_or(&[][..], Vec::as_slice)].concat();
            let features = Plan::new(&until)?.forward(&values, [1, c, z, y, x])?;
            Tensor::from_vec(features, shape, device)?
        } else {
            TensorGraph::new(until, device)?.forward(&upload_one(image, device)?)?.detach()
        };
        let head = TensorGraph::new(head, device)?;
        Self::of_features(&features, |features| Ok(head.forward(features)?), image, target, class)
    }

    fn of_features(
        features: &Tensor,
        head: impl Fn(&Tensor) -> Result<Tensor, Error>,
        image: ImageView<'_>,
        target: &Target,
        class: Class,
    ) -> Result<Self, Error> {
        let features = Var::from_tensor(features)?;
        let outputs = head(features.as_tensor())?.squeeze(0)?;
        let logit = target_logit(&outputs, target)?;
        let sign = match class.of_logit(f64::from(logit.to_scalar::<f32>()?)) {
            Class::Negative => -1.0,
            _ => 1.0,
        };
        let gradients = (logit * sign)?.backward()?;
        let gradient = match gradients.get(features.as_tensor()) {
            Some(gradient) => gradient.detach(),
            None => features.zeros_like()?,
        };
        let (_, z, y, x) = image.dim();
        Ok(Self { features: features.detach(), gradient, shape: [z, y, x] })
    }

    /// Computes Grad-CAM. If the ReLU leaves nothing, the map is flat.
    ///
    /// # Shapes
    /// The map is `[z, y, x]`, as the image.
    ///
    /// # Errors
    /// Returns [`Error::NonFinite`] if activations or gradients are not finite, and [`Error::Tensor`] if a tensor
    /// operation fails.
    pub fn grad_cam(&self) -> Result<RelevanceMap, Error> {
        self.resized(weighted_sum(&self.features, &self.gradient)?)
    }

    /// Resizes the positive part of evidence `[1, 1, d, h, w]` to the image's grid.
    ///
    /// Equal evidence everywhere, as of a last feature map of one voxel, is a flat map: interpolation would make it differ by
    /// rounding.
    pub(crate) fn resized(&self, evidence: Tensor) -> Result<RelevanceMap, Error> {
        let [z, y, x] = self.shape;
        let evidence = evidence.relu()?;
        let values = evidence.flatten_all()?.to_vec1::<f32>()?;
        if values.iter().all(|value| *value == values[0]) {
            return Ok(RelevanceMap { voxels: Array3::zeros((z, y, x)), flat: true });
        }
        let map = upsample3d(&evidence, self.shape, Mode::Trilinear { align_corners: false })?;
        let map = Array3::from_shape_vec((z, y, x), map.detach().flatten_all()?.to_vec1::<f32>()?).map_err(
            |_| Error::ShapeMismatch {
                what: "the voxels of the resized map",
                expected: vec![z, y, x],
                found: map.dims().to_vec(),
            },
        )?;
        RelevanceMap::from_values(map)
    }
}

/// Computes [`Target::logit`] of outputs `[k]`, differentiably.
fn target_logit(outputs: &Tensor, target: &Target) -> Result<Tensor, Error> {
    let (count, at) = (outputs.elem_count(), target.output);
    target.check(count)?;
    let own = outputs.narrow(0, at, 1)?.sum_all()?;
    Ok(match target.link {
        Link::Sigmoid | Link::Value => own,
        Link::Softmax => {
            let others = [outputs.narrow(0, 0, at)?, outputs.narrow(0, at + 1, count - at - 1)?];
            let others: Vec<&Tensor> = others.iter().filter(|part| part.elem_count() > 0).collect();
            (own - Tensor::cat(&others, 0)?.log_sum_exp(0)?)?
        }
    })
}

/// Weights channels `[1, c, d, h, w]` by their mean gradient and sums them: `[1, 1, d, h, w]`.
fn weighted_sum(features: &Tensor, gradient: &Tensor) -> Result<Tensor, Error> {
    let (n, c, ..) = features.dims5()?;
    let weights = gradient.flatten_from(2)?.mean(D::Minus1)?.reshape((n, c, 1, 1, 1))?;
    Ok(features.broadcast_mul(&weights)?.sum_keepdim(1)?)
}
