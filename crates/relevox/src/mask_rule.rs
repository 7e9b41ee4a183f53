//! The rule of masks.

use relevox_eval::LabelFree;

/// From a map to a mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskRule {
    /// The threshold, found from the map alone.
    pub threshold: LabelFree,
    /// Connected components with less than this share of the largest one's voxels are removed, 0 to 1.
    pub smallest_component: f64,
}

impl Default for MaskRule {
    fn default() -> Self {
        Self { threshold: LabelFree::OtsuVolume, smallest_component: 0.1 }
    }
}
