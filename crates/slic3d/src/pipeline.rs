//! The steps of a segmentation in scikit-image's order: rescaling, smoothing, seeds, k-means, connectivity, labels.

use std::borrow::Cow;

use ndarray::{ArrayView3, ArrayView4};
use rayon::prelude::*;

use crate::connectivity::{self, Demand, SizeLimits};
use crate::error::Error;
use crate::gaussian;
use crate::grid::{regular_grid, spaced_grid};
use crate::kmeans::{self, Clusters, Problem};
use crate::mask_seeds::{MaskSeeds, mask_seeds};
use crate::report::Report;
use crate::rescale;
use crate::supervoxels::Supervoxels;
use crate::valid::ValidSlic;

pub(crate) fn segment(
    settings: &ValidSlic,
    image: ArrayView4<f32>,
    mask: Option<ArrayView3<bool>>,
) -> Result<(Supervoxels, Report), Error> {
    let (channels, depth, height, width) = image.dim();
    let shape = [depth, height, width];
    let voxels = voxels_to_segment(image, mask)?;
    if settings.regions > voxels {
        return Err(Error::TooManyRegions { regions: settings.regions, voxels });
    }
    let smoothed = settings.kernels.iter().any(|kernel| !kernel.is_empty());
    let row_major = mask.as_ref().map(row_major);
    // The shuffles of the seeds in a mask take one thread.
    let ((seeds, step), scaled) = rayon::join(
        || seeds(settings, shape, row_major.as_deref(), voxels, channels > 1),
        || rescale::range(image, mask, smoothed).map(|range| prepare(settings, image, range, smoothed)),
    );
    let (scaled, mask) = (scaled?, row_major);
    let problem = Problem {
        shape,
        image: &scaled,
        channels,
        mask: mask.as_deref(),
        spacing: settings.spacing,
        reach: match settings.physical {
            Some(spacing) => spacing.map(|spacing| (2.0 * f64::from(step) / spacing).ceil() as usize),
            None => regular_grid(shape, seeds.len()).step.map(|step| 2 * step),
        },
        step,
        iterations: settings.iterations,
        slic_zero: settings.slic_zero,
    };
    let mut clusters = Clusters::at(&seeds, channels);
    if mask.is_some() {
        kmeans::spread(&problem, &mut clusters);
    }
    let (mut labels, convergence) = kmeans::assign(&problem, &mut clusters);
    let empty = seeds.len() - distinct(&labels, seeds.len());
    let mean_size = voxels as f64 / seeds.len() as f64;
    let limits = SizeLimits {
        min: (settings.min_size_factor * mean_size) as usize,
        max: (settings.max_size_factor * mean_size) as usize,
    };
    let strict = settings.strict_connectivity || settings.exact_count;
    if settings.enforce_connectivity || strict {
        // Page faults of a fresh allocation would cost as much as the connectivity pass: the image's memory is reused.
        let mut buffer: Vec<u32> = scaled.into_iter().map(f32::to_bits).collect();
        buffer.truncate(labels.len());
        buffer.shrink_to_fit();
        labels = connectivity::enforce(labels, shape, limits, buffer);
    }
    if strict {
        let demand = Demand { min: limits.min, count: settings.exact_count.then_some(settings.regions) };
        labels = connectivity::enforce_strict(&labels, shape, mask.as_deref(), demand);
    }
    let start = settings.start_label.unwrap_or(u32::from(mask.is_some()));
    labels.par_iter_mut().with_min_len(1 << 16).for_each(|label| *label = label.wrapping_add(start));
    let background = mask.is_some().then(|| start.wrapping_sub(1));
    let supervoxels = Supervoxels::from_voxels(labels, shape, background)?;
    let report = Report {
        requested: settings.regions,
        seeds: seeds.len(),
        empty,
        regions: supervoxels.len(),
        iterations: convergence.iterations,
        converged: convergence.converged,
        distances: convergence.distances,
    };
    Ok((supervoxels, report))
}

/// Returns the number of labels below `count` that occur.
fn distinct(labels: &[u32], count: usize) -> usize {
    let find = |labels: &[u32]| {
        // The last entry is that of all unassigned voxels: labels may be noisy, and a branch mispredicted.
        let mut seen = vec![false; count + 1];
        labels.iter().for_each(|&label| seen[(label as usize).min(count)] = true);
        seen
    };
    let join = |mut seen: Vec<bool>, other: Vec<bool>| {
        seen.iter_mut().zip(other).for_each(|(seen, other)| *seen |= other);
        seen
    };
    let pieces = labels.par_chunks(labels.len().div_ceil(rayon::current_num_threads()).max(1));
    let seen = pieces.map(find).reduce(|| vec![false; count + 1], join);
    seen[..count].iter().filter(|&&seen| seen).count()
}

/// Returns the voxels of a mask in row-major order.
fn row_major<'a>(mask: &'a ArrayView3<bool>) -> Cow<'a, [bool]> {
    match mask.as_slice() {
        Some(mask) => Cow::Borrowed(mask),
        None => Cow::Owned(mask.iter().copied().collect()),
    }
}

/// Returns the number of voxels that the mask sets.
fn count(mask: &[bool]) -> usize {
    // The count of 255 voxels fits into a byte, which vectorises.
    mask.chunks(255).map(|piece| usize::from(piece.iter().map(|&inside| u8::from(inside)).sum::<u8>())).sum()
}

/// Validates the shapes of image and mask and returns the number of voxels to segment.
fn voxels_to_segment(image: ArrayView4<f32>, mask: Option<ArrayView3<bool>>) -> Result<usize, Error> {
    if image.is_empty() {
        return Err(Error::Empty { what: "image", shape: image.shape().to_vec() });
    }
    let (_, depth, height, width) = image.dim();
    let Some(mask) = mask else { return Ok(depth * height * width) };
    if mask.dim() != (depth, height, width) {
        let (expected, found) = (vec![depth, height, width], mask.shape().to_vec());
        return Err(Error::ShapeMismatch { what: "mask", expected, found });
    }
    match count(&row_major(&mask)) {
        0 => Err(Error::EmptyMask { voxels: mask.len() }),
        inside => Ok(inside),
    }
}

/// Returns the image rescaled to 0..1, smoothed, and multiplied by 1 / compactness.
fn prepare(settings: &ValidSlic, image: ArrayView4<f32>, range: [f32; 2], smoothed: bool) -> Vec<f32> {
    let (_, depth, height, width) = image.dim();
    // Multiplication by 1 is exact: an image to be smoothed is weighted afterwards.
    let mut scaled = rescale::scaled(image, range, if smoothed { 1.0 } else { settings.ratio });
    if smoothed {
        for channel in scaled.chunks_exact_mut(depth * height * width) {
            gaussian::smooth(channel, [depth, height, width], &settings.kernels);
        }
        scaled.iter_mut().for_each(|value| *value *= settings.ratio);
    }
    scaled
}

/// Returns the seeds in voxels, and the distance between adjacent ones.
fn seeds(
    settings: &ValidSlic,
    shape: [usize; 3],
    mask: Option<&[bool]>,
    voxels: usize,
    multichannel: bool,
) -> (Vec<[f64; 3]>, f32) {
    let spacing = settings.physical.unwrap_or([1.0; 3]);
    let (seeds, steps) = match mask {
        Some(mask) => {
            let MaskSeeds { seeds, steps } = mask_seeds(mask, shape, voxels, settings.regions, multichannel);
            (seeds, steps)
        }
        None => {
            let grid = spaced_grid(shape, spacing, settings.regions);
            (grid.points(shape), grid.step.map(|step| step as f64))
        }
    };
    let steps = [0, 1, 2].map(|axis| steps[axis] * spacing[axis]);
    // A single seed in a mask has no neighbour to measure a distance to.
    let step = if steps == [0.0; 3] { 1.0 } else { steps.into_iter().fold(0.0, f64::max) };
    (seeds, step as f32)
}
