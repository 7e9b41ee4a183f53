//! From a classifier and a case to an explanation.

use ndarray::ArrayView3;
use relevox_perturb::{ConstantFill, FillKind};
use relevox_relevance::{Classifier, Progress, Target, score, score_channels, silent};
use relevox_volume::Study;
use slic3d::{Slic, Supervoxels};

use crate::{Error, Explanation};

/// SLIC's compactness unless another is given, as in the experiment: on scaled intensities, supervoxels follow the borders
/// that scikit-image's default of 10 ignores.
pub const DEFAULT_COMPACTNESS: f64 = 0.1;

/// The regions that are scored.
#[derive(Clone, Debug)]
pub enum Regions {
    /// Supervoxels of one sequence.
    Slic {
        /// The sequence.
        sequence: String,
        /// The requested number of regions.
        count: usize,
        /// Balances spatial proximity against intensity similarity; higher is more compact.
        compactness: f64,
    },
    /// A partition of the study's grid.
    Given(Supervoxels),
}

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
            regions: Regions::Slic {
                sequence: "t2".to_owned(),
                count: 100,
                compactness: DEFAULT_COMPACTNESS,
            },
            fill: FillKind::Blank,
            target: Target::default(),
            by_sequence: false,
            progress: &silent,
        }
    }
}

impl Regions {
    /// Computes or checks the partition of a study.
    ///
    /// # Errors
    /// Returns [`Error::Volume`] if the study has no such sequence, [`Error::Supervoxels`] if SLIC rejects its settings, and
    /// [`Error::InvalidSetting`] if a given partition is on another grid or has no region.
    pub fn of(&self, study: &Study) -> Result<Supervoxels, Error> {
        let regions = match self {
            Self::Slic { sequence, count, compactness } => {
                let channel: ArrayView3<'_, f32> = study.channel(sequence)?;
                Slic::new(*count).compactness(*compactness).segment_volume(channel, None)?
            }
            Self::Given(regions) => regions.clone(),
        };
        let (expected, found) = (study.frame.shape(), regions.labels().dim());
        if expected != <[usize; 3]>::from(found) {
            return Err(Error::setting(
                "labels",
                format!("the network's grid, {expected:?} voxels (z, y, x)"),
                format!("{:?}", <[usize; 3]>::from(found)),
            ));
        }
        if regions.len() == 0 {
            return Err(Error::setting("labels", "at least one region", "none"));
        }
        Ok(regions)
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
