//! One region replaced at a time, in all channels or in one: the method that this crate is about.
//!
//! Rajapaksa and Khalvati, "Localized Perturbations For Weakly-Supervised Segmentation of Glioma Brain Tumours" (2022),
//! section B.
//!
//! **What it finds.** A sum over regions exactly, and every part of an AND. Of an OR, or of a saturated sum, nothing: the
//! loss of one region moves nothing where another is enough.

use crate::explainer::{Explainer, Inputs};
use crate::one_channel::OneChannel;
use crate::scores::{ScoreKind, score};
use crate::{Attribution, Error, Progress};

/// Replaces one region at a time and attributes the change of the target to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields, default))]
pub struct Perturbation {
    /// The attributed change.
    pub score: ScoreKind,
    /// The only channel that is replaced; `None` replaces all at once.
    pub channel: Option<usize>,
}

impl Explainer for Perturbation {
    fn explain(&self, inputs: &Inputs<'_>, progress: Progress<'_>) -> Result<Attribution, Error> {
        let Inputs { baseline, regions, fill, target } = *inputs;
        let scores = match self.channel {
            Some(channel) => score(baseline, regions, &OneChannel::new(fill, channel), target, progress)?,
            None => score(baseline, regions, fill, target, progress)?,
        };
        Ok(scores.attribution(self.score, target))
    }
}
