//! From a classifier and a case to an explanation.

use relevox_perturb::{ConstantFill, FillKind};
use relevox_relevance::{Classifier, Progress, Target, score, score_channels, silent};
use relevox_volume::Study;

use crate::{Error, Explanation, Regions, SlicRegions};

/// Options of [`explain`].
#[derive(Clone)]
pub struct ExplainOptions<'a> {
    /// The regions (default: 100 supervoxels of `t2`, compactness 0.1).
    pub regions: Regions,
    /// What replaces a region: a constant fill (default: blank).
    pub fill: FillKind,
    /// The explained output (default: the sigmoid of output 0).
    pub target: Target,
    /// Whether each sequence is also perturbed on its own (default: no).
    pub by_sequence: bool,
    /// Called with the number of regions finished since the last call; it can cancel the work. With `by_sequence`, a
    /// region counts once more for each sequence.
    pub progress: Progress<'a>,
}

impl Default for ExplainOptions<'_> {
    fn default() -> Self {
        Self {
            regions: Regions::Slic(SlicRegions::default()),
            fill: FillKind::Blank,
            target: Target::default(),
            by_sequence: false,
            progress: &silent,
        }
    }
}

/// Explains a classifier's output for a case: replaces one region at a time, records the change of the target's
/// probability and logit, and paints it onto the scan's grid.
///
/// Source: Rajapaksa and Khalvati, "Localized Perturbations For Weakly-Supervised Segmentation of Glioma Brain Tumours"
/// (2022), section B.
///
/// # Errors
/// Returns the errors of [`Regions::of`], [`Error::Fill`] if the fill is not constant or the brain mask is empty, and
/// [`Error::Relevance`] if the classifier fails, returns NaN or infinity, does not have the target, or `progress` cancels.
pub fn explain(
    classifier: &dyn Classifier,
    study: &Study,
    options: &ExplainOptions<'_>,
) -> Result<Explanation, Error> {
    let regions = options.regions.of(study)?;
    let fill = ConstantFill::new(options.fill, study.image.view(), study.brain.view())?;
    let baseline = classifier.baseline(study.image.view())?;
    let ExplainOptions { target, progress, .. } = options;
    let scores = score(&*baseline, &regions, &fill, target, *progress)?;
    let by_sequence = match options.by_sequence {
        true => {
            let tables = score_channels(&*baseline, &regions, &fill, target, *progress)?;
            study.channel_names().iter().cloned().zip(tables).collect()
        }
        false => Vec::new(),
    };
    Ok(Explanation::new(study, regions, scores, by_sequence, (*target, options.fill)))
}
