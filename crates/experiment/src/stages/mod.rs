//! Stages of the experiment, one per file: the artefacts each reads and writes, and the inputs they are made from.
//!
//! [`mod@crate::run`] decides which artefacts are current and need not be made again.

pub mod cohort;
pub mod control;
pub mod diffuse;
pub mod evaluate;
pub mod explain;
pub mod explained;
pub mod faithfulness;
pub mod focus;
pub mod grid;
pub mod labels;
pub mod learned;
pub mod leftovers;
pub mod maps;
pub mod methods;
pub mod network;
pub mod partition;
pub mod phantom;
pub mod pool;
pub mod predict;
pub mod predictions;
pub mod report;
pub mod scores;
pub mod session;
pub mod shortcut;
pub mod studies;
pub mod table;
pub mod threshold;
pub mod train;
pub mod work;
