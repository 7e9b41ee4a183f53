//! One type for classifiers of any kind.

use ndarray::{Array2, ArrayView4, ArrayView5};
use relevox_relevance::{Baseline, Classifier, Error, ReversedAxes};
use relevox_volume::AxisOrder;

/// A classifier of any kind. Its baselines, and with them incremental inference, are the classifier's own.
pub(crate) struct AnyClassifier(Box<dyn Classifier + Send>);

impl AnyClassifier {
    pub(crate) fn new(classifier: impl Classifier + Send + 'static) -> Self {
        Self(Box::new(classifier))
    }

    pub(crate) fn of_box(classifier: Box<dyn Classifier + Send>) -> Self {
        Self(classifier)
    }

    /// Returns the classifier of images `[c, z, y, x]` whose tensor has its axes in this order.
    pub(crate) fn with_axes(self, axes: AxisOrder) -> Self {
        match axes {
            AxisOrder::Zyx => self,
            AxisOrder::Xyz => Self::new(ReversedAxes::new(self)),
        }
    }
}

impl Classifier for AnyClassifier {
    fn outputs(&self) -> usize {
        self.0.outputs()
    }

    fn logits(&self, batch: ArrayView5<'_, f32>) -> Result<Array2<f32>, Error> {
        self.0.logits(batch)
    }

    fn batch_size(&self, shape: [usize; 4]) -> usize {
        self.0.batch_size(shape)
    }

    fn baseline<'a>(&'a self, image: ArrayView4<'a, f32>) -> Result<Box<dyn Baseline + 'a>, Error> {
        self.0.baseline(image)
    }
}
