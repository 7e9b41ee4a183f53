//! Settings of a segmentation: scikit-image's parameters with their defaults, and the extensions of this crate.

use crate::error::Error;
use crate::gaussian;
use crate::valid::ValidSlic;

/// Width of the Gaussian that smooths the image before segmentation, in standard deviations.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(untagged, expecting = "expected a number or three numbers [z, y, x]"))]
pub enum Sigma {
    /// One width in units of the spacing: each axis is smoothed by `sigma / spacing` voxels.
    Scaled(f64),
    /// One width per axis in voxels, `[z, y, x]`.
    Voxels([f64; 3]),
}

impl From<f64> for Sigma {
    fn from(sigma: f64) -> Self {
        Sigma::Scaled(sigma)
    }
}

impl From<[f64; 3]> for Sigma {
    fn from(sigma: [f64; 3]) -> Self {
        Sigma::Voxels(sigma)
    }
}

/// Settings of a segmentation, not yet validated.
///
/// Defaults are those of `skimage.segmentation.slic`. [`check`](Slic::check) validates them once and returns the
/// [`ValidSlic`] that segments images; the `segment` methods of this type do both.
///
/// With the feature `serde`, fields are named like the setters below, all of them are optional, and unknown ones are
/// rejected.
///
/// # Examples
///
/// ```
/// use slic3d::Slic;
///
/// let slic = Slic::new(200).compactness(0.1).sigma(1.0).spacing([3.0, 1.0, 1.0]);
/// assert!(slic.check().is_ok());
/// assert_eq!(
///     Slic::new(200).compactness(0.0).check().unwrap_err().to_string(),
///     "compactness: expected a value from 1e-12 to 1e12, found 0"
/// );
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Slic {
    regions: usize,
    compactness: f64,
    iterations: usize,
    sigma: Sigma,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    smoothing_kernels: Option<[Vec<f64>; 3]>,
    spacing: [f64; 3],
    enforce_connectivity: bool,
    min_size_factor: f64,
    max_size_factor: f64,
    slic_zero: bool,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    start_label: Option<u32>,
    strict_connectivity: bool,
    exact_count: bool,
    physical_windows: bool,
}

impl Default for Slic {
    /// Returns the defaults of scikit-image, with 100 regions.
    fn default() -> Self {
        Slic::new(100)
    }
}

impl Slic {
    /// Creates the default settings for approximately `regions` regions (`n_segments`).
    pub fn new(regions: usize) -> Self {
        Slic {
            regions,
            compactness: 10.0,
            iterations: 10,
            sigma: Sigma::Scaled(0.0),
            smoothing_kernels: None,
            spacing: [1.0; 3],
            enforce_connectivity: true,
            min_size_factor: 0.5,
            max_size_factor: 3.0,
            slic_zero: false,
            start_label: None,
            strict_connectivity: false,
            exact_count: false,
            physical_windows: false,
        }
    }

    /// Balances spatial proximity against intensity similarity; higher is more compact. Default 10.
    ///
    /// Intensities are rescaled to 0..1 first, so that good values depend on the contrast and the noise of the image:
    /// as scikit-image recommends, try 0.01, 0.1, 1, 10 and 100 before refining.
    #[must_use]
    pub fn compactness(mut self, compactness: f64) -> Self {
        self.compactness = compactness;
        self
    }

    /// Maximum number of k-means iterations (`max_num_iter`). Default 10.
    #[must_use]
    pub fn iterations(mut self, iterations: usize) -> Self {
        self.iterations = iterations;
        self
    }

    /// Width of the Gaussian smoothing that precedes segmentation. Default 0, which is none.
    #[must_use]
    pub fn sigma(mut self, sigma: impl Into<Sigma>) -> Self {
        self.sigma = sigma.into();
        self
    }

    /// Smoothing kernels along `[z, y, x]`, used instead of those computed from [`sigma`](Slic::sigma): symmetric
    /// weights of odd length, or an empty vector to skip the axis.
    ///
    /// The last bit of NumPy's `exp` differs between its builds; kernels computed by NumPy make the labels of a
    /// smoothed image exact.
    #[must_use]
    pub fn smoothing_kernels(mut self, kernels: [Vec<f64>; 3]) -> Self {
        self.smoothing_kernels = Some(kernels);
        self
    }

    /// Distance between voxel centres along `[z, y, x]`, in any unit. Default 1.
    #[must_use]
    pub fn spacing(mut self, spacing: [f64; 3]) -> Self {
        self.spacing = spacing;
        self
    }

    /// Whether small connected components are merged into a neighbour and large ones are split. Default true.
    #[must_use]
    pub fn enforce_connectivity(mut self, enforce: bool) -> Self {
        self.enforce_connectivity = enforce;
        self
    }

    /// Minimum size of a component, as a fraction of the mean region size. Default 0.5.
    #[must_use]
    pub fn min_size_factor(mut self, factor: f64) -> Self {
        self.min_size_factor = factor;
        self
    }

    /// Maximum size of a component, as a multiple of the mean region size. Default 3.
    #[must_use]
    pub fn max_size_factor(mut self, factor: f64) -> Self {
        self.max_size_factor = factor;
        self
    }

    /// Whether to run SLIC-zero, which adapts the compactness to each region. Default false.
    #[must_use]
    pub fn slic_zero(mut self, slic_zero: bool) -> Self {
        self.slic_zero = slic_zero;
        self
    }

    /// Smallest label. Default 0, or 1 with a mask.
    ///
    /// Voxels outside the mask are labelled `start_label − 1`; for 0 this is `u32::MAX`, scikit-image's −1.
    #[must_use]
    pub fn start_label(mut self, start_label: u32) -> Self {
        self.start_label = Some(start_label);
        self
    }

    /// Whether every region is one 6-connected component and every voxel of the mask belongs to a region. Default
    /// false.
    ///
    /// An extension of scikit-image, whose own connectivity pass runs first. Labels are contiguous.
    #[must_use]
    pub fn strict_connectivity(mut self, strict: bool) -> Self {
        self.strict_connectivity = strict;
        self
    }

    /// Whether regions are merged and split until their number is the requested one, or the nearest that the connected
    /// components of the mask allow. Default false.
    ///
    /// An extension of scikit-image; implies [`strict_connectivity`](Slic::strict_connectivity).
    #[must_use]
    pub fn exact_count(mut self, exact: bool) -> Self {
        self.exact_count = exact;
        self
    }

    /// Whether seeds and search windows are laid out in physical space, for anisotropic voxels. Default false.
    ///
    /// An extension of scikit-image, which applies the spacing to distances only.
    #[must_use]
    pub fn physical_windows(mut self, physical: bool) -> Self {
        self.physical_windows = physical;
        self
    }

    /// Validates the settings.
    ///
    /// # Errors
    /// Returns [`Error::InvalidSetting`] for the first setting outside its range; the message states the range.
    pub fn check(self) -> Result<ValidSlic, Error> {
        if self.regions == 0 || self.regions >= u32::MAX as usize {
            return Err(Error::invalid("regions", "a number from 1 to 2^32 - 2", self.regions));
        }
        if !(1e-12..=1e12).contains(&self.compactness) {
            return Err(Error::invalid("compactness", "a value from 1e-12 to 1e12", self.compactness));
        }
        if self.iterations == 0 {
            return Err(Error::invalid("iterations", "at least 1", 0));
        }
        if !self.spacing.iter().all(|spacing| (1e-9..=1e9).contains(spacing)) {
            return Err(Error::invalid("spacing", "values from 1e-9 to 1e9", format!("{:?}", self.spacing)));
        }
        let factors = [("min_size_factor", self.min_size_factor), ("max_size_factor", self.max_size_factor)];
        for (setting, factor) in factors {
            if !(0.0..=f64::MAX).contains(&factor) {
                return Err(Error::invalid(setting, "a finite value of at least 0", factor));
            }
        }
        let spacing = self.spacing.map(|spacing| spacing as f32);
        let kernels = kernels(self.sigma, self.smoothing_kernels, spacing)?;
        Ok(ValidSlic {
            regions: self.regions,
            ratio: (1.0 / self.compactness) as f32,
            iterations: self.iterations,
            kernels,
            spacing,
            enforce_connectivity: self.enforce_connectivity,
            min_size_factor: self.min_size_factor,
            max_size_factor: self.max_size_factor,
            slic_zero: self.slic_zero,
            start_label: self.start_label,
            strict_connectivity: self.strict_connectivity,
            exact_count: self.exact_count,
            physical: self.physical_windows.then_some(self.spacing),
        })
    }
}

impl TryFrom<Slic> for ValidSlic {
    type Error = Error;

    fn try_from(slic: Slic) -> Result<Self, Error> {
        slic.check()
    }
}

/// Returns the smoothing kernels: the given ones if there are any, else those of `sigma`.
fn kernels(sigma: Sigma, given: Option<[Vec<f64>; 3]>, spacing: [f32; 3]) -> Result<[Vec<f64>; 3], Error> {
    let sigma = match sigma {
        Sigma::Scaled(sigma) => spacing.map(|spacing| sigma as f32 / spacing),
        Sigma::Voxels(sigma) => sigma.map(|sigma| sigma as f32),
    };
    if !sigma.iter().all(|sigma| (0.0..=1e4).contains(sigma)) {
        return Err(Error::invalid("sigma", "from 0 to 1e4 voxels", format!("{sigma:?} voxels")));
    }
    let Some(kernels) = given else { return Ok(sigma.map(gaussian::kernel)) };
    for kernel in kernels.iter().filter(|kernel| !kernel.is_empty()) {
        let symmetric = kernel.iter().rev().eq(kernel.iter());
        if kernel.len() % 2 == 0 || !symmetric || !kernel.iter().all(|weight| weight.is_finite()) {
            let expected = "symmetric finite weights of odd length, or none";
            return Err(Error::invalid("smoothing_kernels", expected, format!("{kernel:?}")));
        }
    }
    Ok(kernels)
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_serialization() {
        for slic in [
            Slic::default(),
            Slic::new(7).compactness(0.1).sigma([1.0, 0.0, 0.5]).start_label(3),
            Slic::new(9).sigma(1.5).smoothing_kernels([vec![], vec![0.25, 0.5, 0.25], vec![1.0]]),
        ] {
            let text = serde_json::to_string(&slic).unwrap();
            assert_eq!(serde_json::from_str::<Slic>(&text).unwrap(), slic, "{text}");
        }
    }

    #[test]
    fn missing_fields_are_defaults_and_unknown_ones_are_rejected() {
        let slic: Slic = serde_json::from_str(r#"{"regions": 50, "sigma": 1.0}"#).unwrap();
        assert_eq!(slic, Slic::new(50).sigma(1.0));
        let error = serde_json::from_str::<Slic>(r#"{"n_segments": 50}"#).unwrap_err();
        assert!(error.to_string().contains("n_segments"), "{error}");
        let error = serde_json::from_str::<Slic>(r#"{"sigma": [1.0]}"#).unwrap_err();
        assert!(error.to_string().starts_with("expected a number or three numbers"), "{error}");
    }
}
