//! From a classifier and a case to an explanation.

use relevox_perturb::{ConstantFill, Fill, FillKind};
use relevox_relevance::{
    Class, Classifier, CoalitionExplainer, Coalitions, Diffusion, Explainer, Hierarchical, Inputs, Lime,
    MinimalSets, Occlusion, Progress, RegionScores, Rise, ScoreKind, Target, Weighting, score,
    score_channels, silent,
};
use relevox_volume::Study;
use slic3d::Supervoxels;

use crate::diffused::{averaged, diffused, diffused_on_each};
use crate::explanation::{MethodResult, PartitionRelevance, Parts, RegionSets};
use crate::{Error, Explanation, MaskRule, Method, Regions, SlicRegions};

/// What replaces a region.
#[derive(Clone, Copy)]
pub enum FillSource<'a> {
    /// A constant fill of the scan's brain.
    Constant(FillKind),
    /// Any other fill, such as a [`LearnedFill`](relevox_perturb::learned::LearnedFill).
    Given(&'a dyn Fill),
}

/// Settings of the methods.
#[derive(Clone, Debug)]
pub struct MethodSettings {
    /// Diffused relevance (default: of the change of the logit).
    pub diffusion: Diffusion,
    /// LIME and, with its own weighting, KernelSHAP.
    pub lime: Lime,
    /// Hierarchical relevance.
    pub hierarchical: Hierarchical,
    /// RISE.
    pub rise: Rise,
    /// Occlusion.
    pub occlusion: Occlusion,
}

impl Default for MethodSettings {
    fn default() -> Self {
        Self {
            diffusion: Diffusion { score: ScoreKind::DeltaLogit, ..Diffusion::default() },
            lime: Lime::default(),
            hierarchical: Hierarchical::default(),
            rise: Rise::default(),
            occlusion: Occlusion::default(),
        }
    }
}

/// Options of [`explain`].
#[derive(Clone)]
pub struct ExplainOptions<'a> {
    /// The regions (default: 100 supervoxels of `t2` within the brain, compactness 0.1).
    pub regions: Regions,
    /// Partitions that [`Method::Averaged`] averages with the regions, which it needs at least one of (default: none);
    /// [`SlicRegions::averaged_with`] returns those of the experiment.
    pub partitions: Vec<Regions>,
    /// The methods, the main one first (default: diffused relevance, and the perturbation that it is computed from).
    pub methods: Vec<Method>,
    /// Settings of the methods.
    pub settings: MethodSettings,
    /// What replaces a region (default: the mean of the brain).
    pub fill: FillSource<'a>,
    /// The explained output (default: the sigmoid of output 0).
    pub target: Target,
    /// Whether each sequence is also perturbed on its own (default: no).
    pub by_sequence: bool,
    /// Also finds minimal sets of regions that keep or change this answer (default: no).
    pub sets: Option<MinimalSets>,
    /// How masks are made of maps.
    pub mask: MaskRule,
    /// Called with the number of steps finished since the last call, of [`ExplainOptions::steps`]; it can cancel the work.
    pub progress: Progress<'a>,
}

impl Default for ExplainOptions<'_> {
    fn default() -> Self {
        Self {
            regions: Regions::Slic(SlicRegions::default()),
            partitions: Vec::new(),
            methods: vec![Method::Diffused, Method::Perturb],
            settings: MethodSettings::default(),
            fill: FillSource::Constant(FillKind::Mean),
            target: Target::default(),
            by_sequence: false,
            sets: None,
            mask: MaskRule::default(),
            progress: &silent,
        }
    }
}

impl ExplainOptions<'_> {
    /// Returns the number of steps (regions, coalitions, masks and boxes) of an explanation, for progress. Hierarchical
    /// relevance may need fewer than its budget, and SLIC may make fewer regions than requested.
    ///
    /// # Errors
    /// Returns [`Error::Relevance`] if a setting of a method is out of range.
    pub fn steps(&self, regions: usize, study: &Study) -> Result<usize, Error> {
        let MethodSettings { lime, hierarchical, rise, occlusion, .. } = &self.settings;
        let mut steps = if self.methods.iter().any(|method| method.uses_scores()) { regions } else { 0 };
        if self.by_sequence {
            steps += regions * study.channel_names().len();
        }
        for method in &self.methods {
            steps += match method {
                Method::Lime | Method::KernelShap => lime.samples,
                Method::Hierarchical => hierarchical.evaluations,
                Method::Rise => rise.samples,
                Method::Averaged => self.partitions.iter().map(Regions::count).sum(),
                Method::Occlusion => fitting(*occlusion, study).check()?.boxes(study.frame.shape()),
                Method::Diffused
                | Method::Perturb
                | Method::Pooled
                | Method::PooledLabel
                | Method::AveragedPooled
                | Method::GradCam
                | Method::GradCamPlusPlus => 0,
            };
        }
        Ok(steps)
    }
}

/// Explains a classifier's output for a case by each method, on the network's grid.
///
/// Perturbation replaces one region at a time and records the change of the target's probability and logit: Rajapaksa and
/// Khalvati, "Localized Perturbations For Weakly-Supervised Segmentation of Glioma Brain Tumours" (2022), section B. The
/// other methods cite their sources.
///
/// # Errors
/// Returns the errors of [`Regions::of`], [`Error::Fill`] if a constant fill has no value or the brain mask is empty,
/// [`Error::InvalidSetting`] if there is no method, one twice, or one that is [pooled](Method::is_pooled), if [`Method::Averaged`] has no partitions
/// to average with the regions, or if minimal sets are requested without a method by region, and [`Error::Relevance`] if a
/// setting is out of range, the classifier fails, returns NaN or infinity, does not have the target or the feature maps that
/// a method needs, or `progress` cancels.
pub fn explain(
    classifier: &dyn Classifier,
    study: &Study,
    options: &ExplainOptions<'_>,
) -> Result<Explanation, Error> {
    check_methods(options)?;
    let regions = options.regions.of(study)?;
    let others: Vec<Supervoxels> = match options.methods.contains(&Method::Averaged) {
        true => options.partitions.iter().map(|other| other.of(study)).collect::<Result<_, _>>()?,
        false => Vec::new(),
    };
    let constant;
    let fill: &dyn Fill = match options.fill {
        FillSource::Given(fill) => fill,
        FillSource::Constant(kind) => {
            constant = ConstantFill::new(kind, study.image.view(), study.brain.view())?;
            &constant
        }
    };
    let baseline = classifier.baseline(study.image.view())?;
    let ExplainOptions { target, progress, .. } = options;
    let inputs = Inputs { baseline: &*baseline, regions: &regions, fill, target };
    // These need no perturbed scan: what cannot be computed is refused at once.
    let cams: Vec<MethodResult> = options
        .methods
        .iter()
        .filter_map(|&method| Some((method, method.cam()?)))
        .map(|(method, cam)| {
            let map = baseline.class_activation(target, Class::Predicted, cam)?;
            let of = (baseline.logits().to_vec(), *target);
            MethodResult::of_voxels(method, &regions, of, map, (&options.mask, study.brain.view()))
        })
        .collect::<Result<_, Error>>()?;
    let uses = |of: fn(Method) -> bool| options.methods.iter().any(|method| of(*method));
    let scores = match uses(Method::uses_scores) {
        true => Some(score(&*baseline, &regions, fill, target, *progress)?),
        false => None,
    };
    // A learned fill would compute patches only for what no method needs.
    let says_without = matches!(options.fill, FillSource::Constant(_)) && uses(Method::replaces_regions);
    let coalitions = match says_without || uses(Method::uses_coalitions) || options.sets.is_some() {
        true => Some(inputs.coalitions()?),
        false => None,
    };
    let partitions = match (&scores, options.methods.contains(&Method::Averaged)) {
        (Some(scores), true) => {
            diffused_on_each(&inputs, scores, others, options.settings.diffusion, *progress)?
        }
        _ => Vec::new(),
    };
    let shared =
        Shared { inputs, scores: scores.as_ref(), coalitions: coalitions.as_ref(), partitions: &partitions };
    let mut results = Vec::with_capacity(options.methods.len());
    for &method in options.methods.iter().filter(|method| method.replaces_regions()) {
        results.push(result(method, &shared, study, options)?);
    }
    results.extend(cams);
    results.sort_by_key(|result: &MethodResult| {
        options.methods.iter().position(|method| *method == result.method)
    });
    let by_sequence = match options.by_sequence {
        true => {
            let tables = score_channels(&*baseline, &regions, fill, target, *progress)?;
            study.channel_names().iter().cloned().zip(tables).collect()
        }
        false => Vec::new(),
    };
    let without_regions = match coalitions.as_ref().filter(|_| says_without) {
        Some(coalitions) => coalitions.logits(&[vec![false; regions.len()]])?.first().copied(),
        None => None,
    };
    let sets = match (options.sets, &coalitions) {
        (Some(settings), Some(coalitions)) => {
            Some(RegionSets::find(settings, &results, coalitions, *progress)?)
        }
        _ => None,
    };
    let outputs = baseline.logits().to_vec();
    let fill = fill.name().to_owned();
    let target = *target;
    let parts =
        Parts { scores, results, partitions, by_sequence, sets, outputs, without_regions, target, fill };
    drop(baseline);
    Ok(Explanation::new(study, regions, parts))
}

fn check_methods(options: &ExplainOptions<'_>) -> Result<(), Error> {
    let methods = &options.methods;
    if methods.is_empty() {
        return Err(Error::setting("method", "at least one", "none"));
    }
    if let Some(pooled) = methods.iter().find(|method| method.is_pooled()) {
        return Err(Error::setting("method", "methods of a single case", pooled));
    }
    if methods.contains(&Method::Averaged) && options.partitions.is_empty() {
        return Err(Error::setting("partitions", "at least one to average with the regions", "none"));
    }
    match methods.iter().enumerate().find(|(at, method)| methods[..*at].contains(method)) {
        Some((_, twice)) => Err(Error::setting("method", "each method once", format!("{twice} twice"))),
        None => Ok(()),
    }
}

/// Inputs that the methods of one explanation share; scores and coalitions where a method uses them.
struct Shared<'a> {
    inputs: Inputs<'a>,
    scores: Option<&'a RegionScores>,
    coalitions: Option<&'a Coalitions<'a>>,
    /// Partitions that are averaged, where that is asked for.
    partitions: &'a [PartitionRelevance],
}

/// Computes the result of a method that replaces regions.
fn result(
    method: Method,
    shared: &Shared<'_>,
    study: &Study,
    options: &ExplainOptions<'_>,
) -> Result<MethodResult, Error> {
    let ExplainOptions { settings, progress, mask, target, .. } = options;
    let Shared { inputs, scores, coalitions, partitions } = shared;
    let to_mask = (mask, study.brain.view());
    let lime = |weighting| Lime { weighting, ..settings.lime }.check();
    let attribution = match (method, scores, coalitions) {
        (Method::Perturb, Some(scores), _) => scores.attribution(ScoreKind::DeltaP, target),
        (Method::Diffused, Some(scores), _) => diffused(inputs, scores, settings.diffusion)?,
        (Method::Averaged, _, _) => {
            let of = (inputs.baseline.logits().to_vec(), *inputs.target);
            return MethodResult::of_voxels(method, inputs.regions, of, averaged(partitions)?, to_mask);
        }
        (Method::Lime, _, Some(mixed)) => {
            lime(Weighting::Lime)?.explain_coalitions(inputs, mixed, *progress)?
        }
        (Method::KernelShap, _, Some(mixed)) => {
            lime(Weighting::KernelShap)?.explain_coalitions(inputs, mixed, *progress)?
        }
        (Method::Hierarchical, _, Some(mixed)) => {
            settings.hierarchical.check()?.explain_coalitions(inputs, mixed, *progress)?
        }
        (Method::Rise, _, Some(mixed)) => {
            settings.rise.check()?.explain_coalitions(inputs, mixed, *progress)?
        }
        _ => fitting(settings.occlusion, study).check()?.explain(inputs, *progress)?,
    };
    MethodResult::of_regions(method, inputs.regions, attribution, to_mask)
}

/// The occluding box, no larger than the network's grid.
fn fitting(occlusion: Occlusion, study: &Study) -> Occlusion {
    let shape = study.frame.shape();
    let size: [usize; 3] = std::array::from_fn(|axis| occlusion.size[axis].min(shape[axis]));
    let overlap = occlusion.overlap.min(size.into_iter().min().unwrap_or(1));
    Occlusion { size, overlap }
}
