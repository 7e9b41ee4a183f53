//! Synthetic gliomas: cohorts of brains with tumours of two grades, for testing without patient data.
//!
//! Each case has its own anatomy (folded cortex, ventricles, deep nuclei, pose), a tumour of high or low grade, and a
//! scanner (bias fields, noise, intensity scale). It is imaged as four sequences, with a segmentation in BraTS's labels.
//! The grades differ in the tumour (necrosis and an enhancing rim, or a smooth, homogeneous mass), while tumour volumes,
//! mean intensities and bright distractors are similar, and they overlap. Cases are drawn from the seed and their index
//! only, independent of other cases, of the number of threads and of the order in which they are generated.
//!
//! The idea follows the simulated brains of BrainWeb (Collins et al. 1998, doi:10.1109/42.712135), but the phantoms are
//! purely procedural: no scan was used. They serve to test software and allow no conclusions about patients.

mod anatomy;
mod case;
mod contrast;
mod deep;
mod distractors;
mod head;
mod push;
mod scanner;
mod settings;
mod smooth;
mod space;
mod tissue;
mod tumour;
mod write;

#[cfg(test)]
mod tests;

pub use case::{PhantomCase, generate};
pub use settings::{PhantomConfig, SEQUENCES, ValidPhantomConfig};
pub use write::{write_case, write_cohort};
