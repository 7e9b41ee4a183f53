//! The order of the axes at the network's door.

use ndarray::{Array2, ArrayView4, ArrayView5};
use relevox_relevance::{Baseline, Classifier, Error, NetworkClassifier, ReversedAxes};
use relevox_volume::AxisOrder;

/// A network with the order of its tensor's axes.
pub(crate) enum Door {
    Zyx(NetworkClassifier),
    Xyz(ReversedAxes<NetworkClassifier>),
}

impl Door {
    pub(crate) fn new(network: NetworkClassifier, axes: AxisOrder) -> Self {
        match axes {
            AxisOrder::Zyx => Self::Zyx(network),
            AxisOrder::Xyz => Self::Xyz(ReversedAxes::new(network)),
        }
    }

    fn classifier(&self) -> &dyn Classifier {
        match self {
            Self::Zyx(network) => network,
            Self::Xyz(network) => network,
        }
    }
}

impl Classifier for Door {
    fn outputs(&self) -> usize {
        self.classifier().outputs()
    }

    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        self.classifier().logits(batch)
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        self.classifier().batch_size(shape)
    }

    fn baseline<'a>(&'a self, image: ArrayView4<'a, f32>) -> Result<Box<dyn Baseline + 'a>, Error> {
        self.classifier().baseline(image)
    }
}
