//! Tissue composition of a voxel.

/// Tissue fractions of a voxel. The remainder of fluid, grey and deep grey matter is white matter.
#[derive(Clone, Copy, Default)]
pub(super) struct Tissue {
    pub(super) brain: bool,
    pub(super) fluid: f32,
    pub(super) grey: f32,
    pub(super) deep: f32,
    /// Contrast agent in vessels, sinuses and choroid plexus; above 1 if blood takes up more than a tumour's rim.
    pub(super) vessel: f32,
    /// White-matter hyperintensity unrelated to the tumour.
    pub(super) lesion: f32,
    /// Fluid of the ventricles only.
    pub(super) ventricle: f32,
    /// Depth below the surface of the cerebrum; negative outside of it.
    pub(super) cerebral_depth_mm: f32,
}

impl Tissue {
    pub(super) fn white(&self) -> f32 {
        (1.0 - self.fluid - self.grey - self.deep).max(0.0)
    }
}
