//! Methods of explanation, by name.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use relevox_relevance::Cam;
use serde::Serialize;

use crate::Error;

/// A method that explains a classifier's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "&'static str")]
pub enum Method {
    /// The change when one region is replaced, smoothed over similar neighbouring regions
    /// ([`Diffusion`](relevox_relevance::Diffusion)).
    Diffused,
    /// The change when one region is replaced, the paper's method.
    Perturb,
    /// A local linear model on random coalitions of regions ([`Lime`](relevox_relevance::Lime)).
    Lime,
    /// Shapley values of regions, estimated by KernelSHAP.
    KernelShap,
    /// Shapley values along a tree of regions, large nodes first ([`Hierarchical`](relevox_relevance::Hierarchical)).
    Hierarchical,
    /// The main method's relevance, learned from the appearance of regions and predicted for other patients' cases
    /// ([`Pooling`](relevox_relevance::Pooling)): of several cases only.
    Pooled,
    /// Evidence for the cases' labels in the main method's signed values, averaged over similar regions of other patients' cases and
    /// tested ([`LabelTest`](relevox_relevance::LabelTest)): of several cases with labels only.
    PooledLabel,
    /// The mean map of diffused relevance over several partitions
    /// ([`RelevanceMap::average`](relevox_relevance::RelevanceMap::average)).
    Averaged,
    /// The mean map of diffused and pooled relevance over the partitions of [`Method::Averaged`]: of several cases only.
    AveragedPooled,
    /// The mean output under random masks ([`Rise`](relevox_relevance::Rise)).
    Rise,
    /// The change when a sliding box is replaced ([`Occlusion`](relevox_relevance::Occlusion)).
    Occlusion,
    /// Grad-CAM, of networks only.
    GradCam,
    /// Grad-CAM++, of networks only.
    GradCamPlusPlus,
}

impl Method {
    /// All methods.
    pub const ALL: [Self; 13] = [
        Self::Diffused,
        Self::Perturb,
        Self::Lime,
        Self::KernelShap,
        Self::Hierarchical,
        Self::Pooled,
        Self::PooledLabel,
        Self::Averaged,
        Self::AveragedPooled,
        Self::Rise,
        Self::Occlusion,
        Self::GradCam,
        Self::GradCamPlusPlus,
    ];

    /// Returns the name on the command line and in file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Diffused => "diffused",
            Self::Perturb => "perturb",
            Self::Lime => "lime",
            Self::KernelShap => "kernel-shap",
            Self::Hierarchical => "hierarchical",
            Self::Pooled => "pooled",
            Self::PooledLabel => "pooled-label",
            Self::Averaged => "averaged",
            Self::AveragedPooled => "averaged-pooled",
            Self::Rise => "rise",
            Self::Occlusion => "occlusion",
            Self::GradCam => "gradcam",
            Self::GradCamPlusPlus => "gradcam-pp",
        }
    }

    /// Returns the name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Diffused => "Diffused relevance",
            Self::Perturb => "Perturbation",
            Self::Lime => "LIME",
            Self::KernelShap => "KernelSHAP",
            Self::Hierarchical => "Hierarchical",
            Self::Pooled => "Pooled relevance",
            Self::PooledLabel => "Pooled relevance for the label",
            Self::Averaged => "Averaged relevance",
            Self::AveragedPooled => "Averaged and pooled relevance",
            Self::Rise => "RISE",
            Self::Occlusion => "Occlusion",
            Self::GradCam => "Grad-CAM",
            Self::GradCamPlusPlus => "Grad-CAM++",
        }
    }

    /// Returns whether its map has one value per region.
    pub const fn is_by_region(self) -> bool {
        self.replaces_regions() && !matches!(self, Self::Averaged | Self::AveragedPooled)
    }

    /// Returns whether it replaces regions, by a fill.
    pub const fn replaces_regions(self) -> bool {
        self.cam().is_none()
    }

    /// Returns whether it is learned over several cases, after each was explained.
    pub const fn is_pooled(self) -> bool {
        matches!(self, Self::Pooled | Self::PooledLabel | Self::AveragedPooled)
    }

    /// Returns whether it is computed from the scores of single regions.
    pub const fn uses_scores(self) -> bool {
        matches!(self, Self::Diffused | Self::Perturb | Self::Averaged)
    }

    /// Returns whether it replaces many regions at once.
    pub(crate) const fn uses_coalitions(self) -> bool {
        matches!(self, Self::Lime | Self::KernelShap | Self::Hierarchical | Self::Rise)
    }

    pub(crate) const fn cam(self) -> Option<Cam> {
        match self {
            Self::GradCam => Some(Cam::GradCam),
            Self::GradCamPlusPlus => Some(Cam::GradCamPlusPlus),
            _ => None,
        }
    }
}

impl Display for Method {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|method| method.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::setting("method", format!("one of {names}"), name)
        })
    }
}

impl From<Method> for &'static str {
    fn from(method: Method) -> Self {
        method.name()
    }
}
