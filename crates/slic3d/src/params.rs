//! Parameters of a segmentation: scikit-image's, with its defaults, and ours.

use ndarray::{ArrayView3, ArrayView4};

use crate::{Error, Report, Supervoxels, gaussian};

/// Width of the Gaussian that smooths the image first, in standard deviations.
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// Parameters that have been checked, in the precision the algorithm uses.
pub(crate) struct Checked {
    pub(crate) regions: usize,
    /// Weight of the image's values: 1 / compactness.
    pub(crate) ratio: f32,
    pub(crate) iterations: usize,
    /// Smoothing kernels along `[z, y, x]`; an empty one means none.
    pub(crate) kernels: [Vec<f64>; 3],
    pub(crate) spacing: [f32; 3],
    pub(crate) enforce_connectivity: bool,
    pub(crate) min_size_factor: f64,
    pub(crate) max_size_factor: f64,
    pub(crate) slic_zero: bool,
    pub(crate) start_label: Option<u32>,
    pub(crate) strict_connectivity: bool,
    pub(crate) exact_count: bool,
    /// Distance between voxels, where seeds and windows are laid out in physical space.
    pub(crate) physical: Option<[f64; 3]>,
}

/// How to segment; defaults are scikit-image's, with [`Slic::new`]'s region count.
#[derive(Debug, Clone, PartialEq)]
pub struct Slic {
    regions: usize,
    compactness: f64,
    iterations: usize,
    sigma: Sigma,
    kernels: Option<[Vec<f64>; 3]>,
    spacing: [f64; 3],
    enforce_connectivity: bool,
    min_size_factor: f64,
    max_size_factor: f64,
    slic_zero: bool,
    start_label: Option<u32>,
    strict_connectivity: bool,
    exact_count: bool,
    physical_windows: bool,
}

impl Slic {
    /// Asks for about `regions` regions.
    pub fn new(regions: usize) -> Self {
        Slic {
            regions,
            compactness: 10.0,
            iterations: 10,
            sigma: Sigma::Scaled(0.0),
            kernels: None,
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

    /// Weight of nearness against likeness; the image's values are first scaled to 0..1. Default 10.
    pub fn compactness(mut self, compactness: f64) -> Self {
        self.compactness = compactness;
        self
    }

    /// Most iterations of k-means. Default 10.
    pub fn iterations(mut self, iterations: usize) -> Self {
        self.iterations = iterations;
        self
    }

    /// Gaussian smoothing before segmentation. Default 0: none.
    pub fn sigma(mut self, sigma: impl Into<Sigma>) -> Self {
        self.sigma = sigma.into();
        self
    }

    /// Smoothing by given kernels along `[z, y, x]` in place of [`sigma`](Slic::sigma): symmetric weights of odd length,
    /// or none. NumPy's `exp` differs in its last bit between its own builds, so kernels taken from it give
    /// its very labels.
    pub fn smoothing_kernels(mut self, kernels: [Vec<f64>; 3]) -> Self {
        self.kernels = Some(kernels);
        self
    }

    /// Distance between voxel centres along `[z, y, x]`, in any one unit. Default 1.
    pub fn spacing(mut self, spacing: [f64; 3]) -> Self {
        self.spacing = spacing;
        self
    }

    /// Whether small and disconnected parts are merged and large ones split. Default true.
    pub fn enforce_connectivity(mut self, enforce: bool) -> Self {
        self.enforce_connectivity = enforce;
        self
    }

    /// Parts smaller than this share of the mean region size are merged. Default 0.5.
    pub fn min_size_factor(mut self, factor: f64) -> Self {
        self.min_size_factor = factor;
        self
    }

    /// Parts are cut at this multiple of the mean region size. Default 3.
    pub fn max_size_factor(mut self, factor: f64) -> Self {
        self.max_size_factor = factor;
        self
    }

    /// Whether compactness adapts to each region (SLIC-zero). Default false.
    pub fn slic_zero(mut self, slic_zero: bool) -> Self {
        self.slic_zero = slic_zero;
        self
    }

    /// Smallest id. Default 0, and 1 with a mask; one less is the background (`u32::MAX`, scikit-image's −1, below 0).
    pub fn start_label(mut self, start_label: u32) -> Self {
        self.start_label = Some(start_label);
        self
    }

    /// Beyond scikit-image: whether every region is one 6-connected part, its ids contiguous, and no voxel of the mask is
    /// left out. scikit-image's own pass comes first. Default false.
    pub fn strict_connectivity(mut self, strict: bool) -> Self {
        self.strict_connectivity = strict;
        self
    }

    /// Beyond scikit-image: whether regions are merged and split until there are as many as asked for, or the nearest
    /// number that the mask's own parts allow. Brings strict connectivity with it. Default false.
    pub fn exact_count(mut self, exact: bool) -> Self {
        self.exact_count = exact;
        self
    }

    /// Beyond scikit-image: whether seeds and search windows are laid out in physical space, for voxels that are no
    /// cubes. Default false.
    pub fn physical_windows(mut self, physical: bool) -> Self {
        self.physical_windows = physical;
        self
    }

    /// Checks all parameters.
    pub(crate) fn check(&self) -> Result<Checked, Error> {
        let wrong = |name, value: String, expected| Err(Error::Parameter { name, value, expected });
        let between = |value: f64, low: f64, high: f64| value >= low && value <= high;
        if self.regions == 0 || self.regions >= u32::MAX as usize {
            return wrong("regions", self.regions.to_string(), "at least 1 and below 2^32 - 1");
        }
        if !between(self.compactness, 1e-12, 1e12) {
            return wrong("compactness", self.compactness.to_string(), "positive, from 1e-12 to 1e12");
        }
        if self.iterations == 0 {
            return wrong("iterations", "0".into(), "at least 1");
        }
        if !self.spacing.iter().all(|&spacing| between(spacing, 1e-9, 1e9)) {
            return wrong("spacing", format!("{:?}", self.spacing), "positive, from 1e-9 to 1e9");
        }
        if !between(self.min_size_factor, 0.0, f64::MAX) {
            return wrong("min_size_factor", self.min_size_factor.to_string(), "finite and not negative");
        }
        if !between(self.max_size_factor, 0.0, f64::MAX) {
            return wrong("max_size_factor", self.max_size_factor.to_string(), "finite and not negative");
        }
        let spacing = self.spacing.map(|spacing| spacing as f32);
        Ok(Checked {
            regions: self.regions,
            ratio: (1.0 / self.compactness) as f32,
            iterations: self.iterations,
            kernels: self.checked_kernels(spacing)?,
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

    fn checked_kernels(&self, spacing: [f32; 3]) -> Result<[Vec<f64>; 3], Error> {
        let expected = "finite, from 0 to 1e4";
        let sigma = match self.sigma {
            Sigma::Scaled(sigma) => spacing.map(|spacing| sigma as f32 / spacing),
            Sigma::Voxels(sigma) => sigma.map(|sigma| sigma as f32),
        };
        if !sigma.iter().all(|sigma| (0.0..=1e4).contains(sigma)) {
            return Err(Error::Parameter { name: "sigma", value: format!("{sigma:?} voxels"), expected });
        }
        let Some(kernels) = &self.kernels else { return Ok(sigma.map(gaussian::kernel)) };
        for kernel in kernels {
            let mirrored = kernel.iter().rev().eq(kernel.iter());
            let usable = kernel.len() % 2 == 1 && mirrored && kernel.iter().all(|weight| weight.is_finite());
            if !usable && !kernel.is_empty() {
                return Err(Error::Parameter {
                    name: "smoothing_kernels",
                    value: format!("{kernel:?}"),
                    expected: "symmetric finite weights of odd length, or none",
                });
            }
        }
        Ok(kernels.clone())
    }

    /// Segments an image of one or more channels; with a mask only the voxels where it is set.
    ///
    /// # Shapes
    /// `image` is `[c, z, y, x]`, `mask` is `[z, y, x]`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn segment(
        &self,
        image: ArrayView4<f32>,
        mask: Option<ArrayView3<bool>>,
    ) -> Result<Supervoxels, Error> {
        self.segment_with_report(image, mask).map(|(supervoxels, _)| supervoxels)
    }

    /// [`segment`](Slic::segment), with an account of how it went.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn segment_with_report(
        &self,
        image: ArrayView4<f32>,
        mask: Option<ArrayView3<bool>>,
    ) -> Result<(Supervoxels, Report), Error> {
        crate::segment::segment(&self.check()?, image, mask)
    }

    /// [`segment`](Slic::segment) for one channel.
    ///
    /// # Shapes
    /// `image` and `mask` are `[z, y, x]`.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn segment_volume(
        &self,
        image: ArrayView3<f32>,
        mask: Option<ArrayView3<bool>>,
    ) -> Result<Supervoxels, Error> {
        self.segment(image.insert_axis(ndarray::Axis(0)), mask)
    }
}
