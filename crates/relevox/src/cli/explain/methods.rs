//! Methods of explanation, their fill, and the rule of masks.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use relevox_eval::LabelFree;
use relevox_models::candle_core::Device;
use relevox_perturb::FillKind;
use relevox_perturb::learned::LearnedFill;
use relevox_relevance::{Hierarchical, Lime, Rise};

use super::notes::Notes;
use crate::{FillSource, MaskRule, Method, MethodSettings};

/// Options of the methods.
#[derive(Clone, Debug, Args)]
pub struct MethodArgs {
    /// Methods, the main one first: diffused, perturb, averaged (diffused, averaged over several partitions), lime,
    /// kernel-shap, hierarchical, rise, occlusion, gradcam, gradcam-pp; of several cases also pooled (the first method's relevance, learned from other patients' cases),
    /// pooled-label (its evidence for the classes that --cohort states) and averaged-pooled (averaged, each partition pooled as
    /// well) [default: diffused,perturb].
    #[arg(help_heading = "Explanation", long, value_delimiter = ',', value_name = "A,B,…", value_parser = method)]
    pub method: Vec<Method>,
    /// Fill that replaces a region: blank, min, max, mean (of the brain) or, by a trained U-Net, learned=U.safetensors
    /// [default: mean].
    #[arg(help_heading = "Explanation", long, value_parser = fill)]
    pub fill: Option<FillOption>,
    /// Number of coalitions of lime and kernel-shap [default: 1000], of evaluations of hierarchical [default: 1000], and of
    /// masks of rise [default: 4000].
    #[arg(help_heading = "Explanation", long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    pub samples: Option<u32>,
    /// Seed of lime, kernel-shap, hierarchical and rise.
    #[arg(help_heading = "Explanation", long, default_value_t = 0)]
    pub seed: u64,
    /// Threshold of masks, found without labels: otsu, otsu_volume (regions weighted by their volume of brain) or mixture.
    #[arg(help_heading = "Explanation", long, default_value = "otsu_volume", value_name = "RULE")]
    pub mask: LabelFree,
}

/// A fill by name, or the weights of a learned one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FillOption {
    /// A constant fill.
    Constant(FillKind),
    /// Weights of a U-Net.
    Learned(PathBuf),
}

/// A fill that is ready to use.
pub(super) enum LoadedFill {
    Constant(FillKind),
    Learned(Box<LearnedFill>),
}

impl MethodArgs {
    /// Returns the methods, and says which if they are the default.
    pub(super) fn methods(&self, notes: &mut Notes) -> Vec<Method> {
        if !self.method.is_empty() {
            return self.method.clone();
        }
        notes.assume(
            "methods: diffused relevance (regions replaced one at a time, smoothed over similar neighbours), and the \
             perturbation that it is computed from; --method selects others"
                .to_owned(),
        );
        vec![Method::Diffused, Method::Perturb]
    }

    /// Loads the fill, and says which if it is the default.
    ///
    /// # Errors
    /// Returns an error that names the weights of a learned fill.
    pub(super) fn load_fill(&self, device: &Device, notes: &mut Notes) -> anyhow::Result<LoadedFill> {
        match &self.fill {
            Some(FillOption::Constant(kind)) => Ok(LoadedFill::Constant(*kind)),
            Some(FillOption::Learned(path)) => {
                let named = || format!("--fill learned={}", path.display());
                Ok(LoadedFill::Learned(Box::new(LearnedFill::load(path, device).with_context(named)?)))
            }
            None => {
                notes.assume("fill: each sequence's mean over the brain; --fill selects another".to_owned());
                Ok(LoadedFill::Constant(FillKind::Mean))
            }
        }
    }

    /// Returns the settings of the methods.
    pub(super) fn settings(&self) -> MethodSettings {
        let mut settings = MethodSettings::default();
        let samples = self.samples.map(|samples| samples as usize);
        let (lime, hierarchical, rise) = (settings.lime, settings.hierarchical, settings.rise);
        settings.lime = Lime { samples: samples.unwrap_or(lime.samples), seed: self.seed, ..lime };
        let evaluations = samples.unwrap_or(hierarchical.evaluations);
        settings.hierarchical = Hierarchical { evaluations, seed: self.seed, ..hierarchical };
        settings.rise = Rise { samples: samples.unwrap_or(rise.samples), seed: self.seed, ..rise };
        settings
    }

    /// Returns the rule of masks.
    pub(super) fn rule(&self) -> MaskRule {
        MaskRule { threshold: self.mask, ..MaskRule::default() }
    }
}

impl LoadedFill {
    pub(super) fn source(&self) -> FillSource<'_> {
        match self {
            Self::Constant(kind) => FillSource::Constant(*kind),
            Self::Learned(fill) => FillSource::Given(&**fill),
        }
    }
}

fn method(name: &str) -> Result<Method, String> {
    name.trim().parse().map_err(|_| format!("expected one of {}", Method::ALL.map(Method::name).join(", ")))
}

fn fill(text: &str) -> Result<FillOption, String> {
    if let Some(path) = text.strip_prefix("learned=").filter(|path| !path.is_empty()) {
        return Ok(FillOption::Learned(PathBuf::from(path)));
    }
    let known = FillKind::CONSTANT.into_iter().find(|kind| kind.name() == text);
    known.map(FillOption::Constant).ok_or_else(|| {
        format!(
            "expected one of {}, or learned=U.safetensors",
            FillKind::CONSTANT.map(FillKind::name).join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_parse() {
        assert_eq!(fill("mean"), Ok(FillOption::Constant(FillKind::Mean)));
        assert_eq!(fill("learned=a=b.safetensors"), Ok(FillOption::Learned("a=b.safetensors".into())));
        for wrong in ["learned", "learned=", "median", ""] {
            assert!(fill(wrong).is_err_and(|text| text.starts_with("expected one of blank")), "{wrong}");
        }
    }
}
