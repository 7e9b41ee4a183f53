//! Methods that weight the channels of a network's last feature map.

named! {
    /// A method that weights the channels of a network's last feature map, and needs no perturbed scan.
    pub enum Cam, "class activation map" {
        /// R. R. Selvaraju et al., ICCV 2017, <https://doi.org/10.1109/ICCV.2017.74>.
        GradCam = "gradcam", "Grad-CAM";
        /// A. Chattopadhay et al., WACV 2018, <https://doi.org/10.1109/WACV.2018.00097>.
        GradCamPlusPlus = "gradcam-pp", "Grad-CAM++";
    }
}

/// The side of the target whose evidence is mapped.
///
/// A target with logit `l` has `l` for itself and `−l` for its opposite, so that their maps are the two halves that the
/// ReLU separates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Class {
    /// The predicted class (the target if `l ≥ 0`): Grad-CAM's own choice.
    #[default]
    Predicted,
    /// The target, whatever is predicted.
    Positive,
    /// The target's opposite, whatever is predicted.
    Negative,
}

impl Class {
    /// Returns the side that a logit predicts; one that does not depend on the prediction as it is.
    #[must_use]
    pub fn of_logit(self, logit: f64) -> Self {
        match self {
            Self::Predicted if logit >= 0.0 => Self::Positive,
            Self::Predicted => Self::Negative,
            fixed => fixed,
        }
    }
}
