//! What is explained: a model, and a case or a tensor.

use std::sync::Arc;

use relevox_volume::{CaseFiles, Study, ValidInput};

use super::outline::ExpertOutline;
use crate::{Model, SlicRegions, TensorModel};

/// A classifier, with a contract of its input unless it was given a tensor.
pub(super) enum AnyModel {
    Scans(Arc<Model>),
    Tensor(TensorModel),
}

impl AnyModel {
    /// Returns the classifier and the meaning of its outputs.
    pub(super) fn network(&self) -> &TensorModel {
        match self {
            Self::Scans(model) => model.network(),
            Self::Tensor(model) => model,
        }
    }

    /// Returns the contract of the input.
    pub(super) fn input(&self) -> Option<&ValidInput> {
        match self {
            Self::Scans(model) => Some(model.input()),
            Self::Tensor(_) => None,
        }
    }

    /// Returns the partition that the network was used with, on scans.
    pub(super) fn regions(&self) -> Option<&SlicRegions> {
        match self {
            Self::Scans(model) => model.regions(),
            Self::Tensor(_) => None,
        }
    }
}

/// What is explained.
pub(super) struct Subject {
    pub(super) model: AnyModel,
    pub(super) study: Study,
    /// Files of the scans; of a tensor none.
    pub(super) files: Option<CaseFiles>,
    /// The expert's outline; none without one.
    pub(super) outline: Option<ExpertOutline>,
    /// Outputs of an external program for the study, the first time it was asked.
    pub(super) first: Option<Vec<f32>>,
}
