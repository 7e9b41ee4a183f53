//! From image to supervoxels, in scikit-image's steps.

use std::borrow::Cow;

use ndarray::{ArrayView3, ArrayView4};

use rayon::prelude::*;

use crate::connectivity::strict::{self, Demand};
use crate::connectivity::{self, Limits};
use crate::grid::{regular_grid, spaced_grid};
use crate::kmeans::{self, Clusters, Problem, UNASSIGNED};
use crate::mask_seeds::{MaskSeeds, mask_seeds};
use crate::params::Checked;
use crate::{Error, Supervoxels, gaussian, rescale};

/// How a segmentation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Regions asked for.
    pub requested: usize,
    /// Clusters that were started.
    pub seeds: usize,
    /// Clusters left without a voxel.
    pub dead: usize,
    /// Regions found, as in [`Supervoxels::len`].
    pub regions: usize,
    /// Iterations of k-means until its end or its fixed point.
    pub iterations: usize,
    /// Whether further iterations would change nothing.
    pub converged: bool,
}

pub(crate) fn segment(
    params: &Checked,
    image: ArrayView4<f32>,
    mask: Option<ArrayView3<bool>>,
) -> Result<(Supervoxels, Report), Error> {
    let (channels, depth, height, width) = image.dim();
    let shape = [depth, height, width];
    let voxels = taking_part(image, mask)?;
    if params.regions > voxels {
        return Err(Error::TooManyRegions { regions: params.regions, voxels });
    }
    let smoothed = params.kernels.iter().any(|kernel| !kernel.is_empty());
    let range = rescale::range(image, mask, smoothed)?;
    let (seeds, step) = seeds(params, shape, mask, channels > 1);
    let scaled = prepare(params, image, range, smoothed);
    let mask = mask.as_ref().map(row_major);
    let problem = Problem {
        shape,
        image: &scaled,
        channels,
        mask: mask.as_deref(),
        spacing: params.spacing,
        reach: match params.physical {
            Some(spacing) => spacing.map(|spacing| (2.0 * f64::from(step) / spacing).ceil() as usize),
            None => regular_grid(shape, seeds.len()).step.map(|step| 2 * step),
        },
        step,
        iterations: params.iterations,
        slic_zero: params.slic_zero,
    };
    let mut clusters = Clusters::at(&seeds, channels);
    if mask.is_some() {
        kmeans::spread(&problem, &mut clusters);
    }
    let (mut labels, course) = kmeans::assign(&problem, &mut clusters);
    let dead = seeds.len() - distinct(&labels, seeds.len());
    let size = voxels as f64 / seeds.len() as f64;
    let limits = Limits {
        min: (params.min_size_factor * size) as usize,
        max: (params.max_size_factor * size) as usize,
    };
    let strict = params.strict_connectivity || params.exact_count;
    if params.enforce_connectivity || strict {
        // Fresh memory costs as much as all that the connectivity pass does: the image's is taken.
        let mut room: Vec<u32> = scaled.into_iter().map(|_| UNASSIGNED).collect();
        room.truncate(labels.len());
        room.shrink_to_fit();
        labels = connectivity::enforce(&labels, shape, limits, room);
    }
    if strict {
        let demand = Demand { min: limits.min, count: params.exact_count.then_some(params.regions) };
        labels = strict::enforce(&labels, shape, mask.as_deref(), demand);
    }
    let start = params.start_label.unwrap_or(u32::from(mask.is_some()));
    labels.par_iter_mut().with_min_len(1 << 16).for_each(|label| *label = label.wrapping_add(start));
    let background = mask.is_some().then(|| start.wrapping_sub(1));
    let supervoxels = Supervoxels::from_voxels(labels, shape, background)?;
    let report = Report {
        requested: params.regions,
        seeds: seeds.len(),
        dead,
        regions: supervoxels.len(),
        iterations: course.iterations,
        converged: course.converged,
    };
    Ok((supervoxels, report))
}

/// How many of the labels below `count` occur.
fn distinct(labels: &[u32], count: usize) -> usize {
    let mut seen = vec![false; count];
    let mut last = UNASSIGNED;
    for &label in labels {
        if label != last && label != UNASSIGNED {
            seen[label as usize] = true;
        }
        last = label;
    }
    seen.into_iter().filter(|&seen| seen).count()
}

/// The voxels of a mask in row-major order.
fn row_major<'a>(mask: &'a ArrayView3<bool>) -> Cow<'a, [bool]> {
    match mask.as_slice() {
        Some(mask) => Cow::Borrowed(mask),
        None => Cow::Owned(mask.iter().copied().collect()),
    }
}

/// How many voxels of the mask are set.
fn count(mask: &[bool]) -> usize {
    // Pieces that a byte can count.
    mask.chunks(255).map(|piece| usize::from(piece.iter().map(|&inside| u8::from(inside)).sum::<u8>())).sum()
}

/// The number of voxels to segment.
fn taking_part(image: ArrayView4<f32>, mask: Option<ArrayView3<bool>>) -> Result<usize, Error> {
    if image.is_empty() {
        return Err(Error::Empty { what: "image", shape: image.shape().to_vec() });
    }
    let (_, depth, height, width) = image.dim();
    let Some(mask) = mask else { return Ok(depth * height * width) };
    let (z, y, x) = mask.dim();
    if (z, y, x) != (depth, height, width) {
        return Err(Error::Shape { what: "mask", expected: [depth, height, width], found: [z, y, x] });
    }
    match count(&row_major(&mask)) {
        0 => Err(Error::EmptyMask { voxels: mask.len() }),
        inside => Ok(inside),
    }
}

/// The image scaled to 0..1, smoothed, and weighted against distance.
fn prepare(params: &Checked, image: ArrayView4<f32>, range: [f32; 2], smoothed: bool) -> Vec<f32> {
    let (_, depth, height, width) = image.dim();
    // Multiplying by 1 is exact: where the image is smoothed first, its weight comes after.
    let mut scaled = rescale::scaled(image, range, if smoothed { 1.0 } else { params.ratio });
    if smoothed {
        for channel in scaled.chunks_exact_mut(depth * height * width) {
            gaussian::smooth(channel, [depth, height, width], &params.kernels);
        }
        scaled.iter_mut().for_each(|value| *value *= params.ratio);
    }
    scaled
}

/// Seeds in voxels, and the distance between neighbours.
fn seeds(
    params: &Checked,
    shape: [usize; 3],
    mask: Option<ArrayView3<bool>>,
    multichannel: bool,
) -> (Vec<[f64; 3]>, f32) {
    let spacing = params.physical.unwrap_or([1.0; 3]);
    let (seeds, steps) = match mask {
        Some(mask) => {
            let MaskSeeds { seeds, steps } = mask_seeds(mask, params.regions, multichannel);
            (seeds, steps)
        }
        None => {
            let grid = spaced_grid(shape, spacing, params.regions);
            (grid.points(shape), grid.step.map(|step| step as f64))
        }
    };
    let steps = [0, 1, 2].map(|axis| steps[axis] * spacing[axis]);
    // A single seed in a mask has no other to keep a distance from.
    let step = if steps == [0.0; 3] { 1.0 } else { steps.into_iter().fold(0.0, f64::max) };
    (seeds, step as f32)
}
