#![doc = include_str!("../README.md")]

#[macro_use]
mod checked;
#[macro_use]
mod named;

mod attribution;
mod borders;
mod cam;
mod classifier;
mod coalition;
mod components;
mod control;
mod convergence;
mod diffuse;
mod ensemble;
mod error;
mod explainer;
mod faithfulness;
mod features;
#[cfg(feature = "candle")]
pub mod gradcam;
#[cfg(feature = "candle")]
mod gradcam_pp;
mod hierarchical;
mod label_evidence;
mod lime;
mod linear;
mod map;
mod minimal_sets;
#[cfg(feature = "candle")]
mod network;
mod occlusion;
mod one_channel;
mod perturbation;
mod pooled;
mod probability;
mod progress;
mod region_logits;
mod region_tree;
mod relevance;
mod reversed;
mod rise;
mod scores;
mod target;
#[cfg(feature = "candle")]
mod upload;

pub use attribution::Attribution;
pub use cam::{Cam, Class};
pub use classifier::{Baseline, Classifier, DenseBaseline, FromFn, from_fn};
pub use coalition::Coalitions;
pub use components::remove_small_components;
pub use control::controlled_logits;
pub use convergence::Convergence;
pub use diffuse::{Border, Diffused, Diffusion, RegionGraph, ValidDiffusion};
pub use ensemble::Ensemble;
pub use error::Error;
pub use explainer::{CoalitionExplainer, Explainer, Inputs};
pub use faithfulness::{Ablation, Curve, deletion, insertion, random_ablations};
pub use features::region_features;
pub use hierarchical::{Hierarchical, ValidHierarchical};
pub use label_evidence::{Evidence, LabelTest, LabelledCase, ValidLabelTest};
pub use lime::{Lime, ValidLime, Weighting};
pub use map::{RelevanceMap, mean_by_region};
pub use minimal_sets::{Answer, MinimalSets, RegionSet, ValidMinimalSets, necessary, sufficient};
#[cfg(feature = "candle")]
pub use network::NetworkClassifier;
pub use occlusion::{Occlusion, ValidOcclusion};
pub use one_channel::{OneChannel, score_channels};
pub use perturbation::Perturbation;
pub use pooled::{PooledCase, Pooling, ValidPooling};
pub use probability::{sigmoid, sigmoid_difference};
pub use progress::{Progress, silent};
pub use region_logits::{RegionLogits, region_logits};
pub use region_tree::RegionTree;
pub use relevance::{Sign, relevance, scale_signed_to_100, scale_to_100};
pub use relevox_perturb::{Box3, Patch};
pub use reversed::ReversedAxes;
pub use rise::{Masks, Rise, ValidRise};
pub use scores::{RegionScore, RegionScores, ScoreKind, score};
pub use target::{Link, Target};
