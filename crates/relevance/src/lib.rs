//! Where a classifier looks: region scores by perturbation, relevance maps, Grad-CAM.
//!
//! A [`Classifier`] is any 3D image classifier with two classes, a closure included. [`score`] replaces one
//! region at a time and records how far the probability moves; [`RelevanceMap::paint`] lays that on the
//! voxels. Without features nothing here knows of a network library.
//!
//! Source: Rajapaksa and Khalvati, "Localized Perturbations For Weakly-Supervised Segmentation of Glioma
//! Brain Tumours" (2022), section B.
//!
//! ```
//! use ndarray::{Array3, Array4, ArrayView5};
//! use relevox_perturb::ConstantFill;
//! use relevox_relevance::{RelevanceMap, score, silent};
//! use slic3d::Supervoxels;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let image = Array4::from_elem((1, 4, 4, 4), 0.5_f32);
//! let slabs = Supervoxels::from_labels(Array3::from_shape_fn((4, 4, 4), |(z, _, _)| z as u32), None)?;
//! // A black box that looks at the slice z = 2 alone.
//! let classifier = |batch: ArrayView5<f32>| {
//!     Ok(batch.outer_iter().map(|image| image.slice(ndarray::s![0, 2, .., ..]).sum()).collect())
//! };
//! let blank = ConstantFill::from_values("blank", vec![0.0])?;
//! let scores = score(&classifier, image.view(), &slabs, &blank, &silent)?;
//! assert_eq!(scores.relevance(), [0.0, 0.0, 100.0, 0.0]);
//! assert_eq!(RelevanceMap::paint(&slabs, &scores)?.voxels[[2, 1, 3]], 100.0);
//! # Ok(())
//! # }
//! ```

mod attribution;
mod classifier;
mod coalition;
mod diffuse;
mod ensemble;
mod error;
mod faithfulness;
#[cfg(feature = "candle")]
pub mod gradcam;
#[cfg(feature = "candle")]
pub mod gradcam_pp;
mod islands;
mod lime;
mod linear;
mod map;
#[cfg(feature = "candle")]
mod network;
mod occlusion;
mod rise;
mod scores;
mod sequences;

pub use attribution::{Attribution, Reading, Settling, relevance};
pub use classifier::{Classifier, Progress, RegionLogits, dense, silent};
pub use coalition::Coalitions;
pub use diffuse::{Border, RegionGraph};
pub use ensemble::Ensemble;
pub use error::Error;
pub use faithfulness::{Curve, Drop, deletion, insertion, random_drops};
pub use islands::without_islands;
pub use lime::{Lime, Weighting, lime};
pub use map::{RelevanceMap, mean_by_region};
#[cfg(feature = "candle")]
pub use network::NetworkClassifier;
pub use occlusion::{Occlusion, occlusion, occlusion_map};
pub use rise::{Masks, Rise, rise};
pub use scores::{RegionScore, RegionScores, scale_to_100, score, sigmoid, sigmoid_difference};
pub use sequences::{OneSequence, score_sequences};
