//! Rescaling of the image to 0..1 by the range of the voxels to segment, and the check for finite values.

use ndarray::{ArrayView2, ArrayView3, ArrayView4, Axis, s};
use rayon::prelude::*;

use crate::error::Error;

/// Returns the smallest and the largest value over all channels, of the voxels in the mask if there is one.
///
/// With `everywhere`, voxels outside the mask have to be finite too.
///
/// # Errors
/// Returns [`Error::NonFinite`] for the first value that is not finite and [`Error::RangeOverflow`] if the range
/// overflows.
pub(crate) fn range(
    image: ArrayView4<f32>,
    mask: Option<ArrayView3<bool>>,
    everywhere: bool,
) -> Result<[f32; 2], Error> {
    let (channels, depth, _, _) = image.dim();
    let ranges = (0..channels * depth).into_par_iter().map(|plane| {
        let (c, z) = (plane / depth, plane % depth);
        plane_range(
            image.slice(s![c, z, .., ..]),
            mask.as_ref().map(|mask| mask.index_axis(Axis(0), z)),
            everywhere,
        )
    });
    let join =
        |a: Option<[f32; 2]>, b: Option<[f32; 2]>| a.zip(b).map(|([a, b], [c, d])| [a.min(c), b.max(d)]);
    let Some([low, high]) = ranges.reduce(|| Some([f32::INFINITY, f32::NEG_INFINITY]), join) else {
        return Err(first_non_finite(image, mask, everywhere));
    };
    if (high - low).is_finite() { Ok([low, high]) } else { Err(Error::RangeOverflow { min: low, max: high }) }
}

/// Returns the range of one plane, or `None` if a value is not finite.
fn plane_range(plane: ArrayView2<f32>, mask: Option<ArrayView2<bool>>, everywhere: bool) -> Option<[f32; 2]> {
    let mut range = [f32::INFINITY, f32::NEG_INFINITY];
    let mut finite = true;
    for (y, row) in plane.outer_iter().enumerate() {
        match (mask.as_ref(), row.as_slice()) {
            (None, Some(row)) => {
                for &value in row {
                    finite &= value.abs() < f32::INFINITY;
                    range[0] = if value < range[0] { value } else { range[0] };
                    range[1] = if value > range[1] { value } else { range[1] };
                }
            }
            (Some(mask), Some(row)) if mask.row(y).as_slice().is_some() => {
                for (&value, &inside) in row.iter().zip(mask.row(y).as_slice().unwrap_or_default()) {
                    finite &= (value.abs() < f32::INFINITY) | !(inside | everywhere);
                    range[0] = if inside & (value < range[0]) { value } else { range[0] };
                    range[1] = if inside & (value > range[1]) { value } else { range[1] };
                }
            }
            _ => {
                for (x, &value) in row.iter().enumerate() {
                    let inside = mask.as_ref().is_none_or(|mask| mask[[y, x]]);
                    finite &= value.is_finite() || !(inside || everywhere);
                    if inside {
                        range = [range[0].min(value), range[1].max(value)];
                    }
                }
            }
        }
    }
    finite.then_some(range)
}

fn first_non_finite(image: ArrayView4<f32>, mask: Option<ArrayView3<bool>>, everywhere: bool) -> Error {
    let matters = |z, y, x| everywhere || mask.as_ref().is_none_or(|mask| mask[[z, y, x]]);
    let found = image.indexed_iter().find(|((_, z, y, x), value)| !value.is_finite() && matters(*z, *y, *x));
    let ((c, z, y, x), value) = found.unwrap_or(((0, 0, 0, 0), &f32::NAN));
    Error::NonFinite { what: format!("image[{c}, {z}, {y}, {x}]"), value: *value }
}

/// Returns `(value − low) / (high − low) · ratio` of every value, channel by channel; 0 for a constant image.
pub(crate) fn scaled(image: ArrayView4<f32>, [low, high]: [f32; 2], ratio: f32) -> Vec<f32> {
    let (_, depth, height, width) = image.dim();
    let span = if high == low { 1.0 } else { high - low };
    let mut scaled = vec![0.0; image.len()];
    scaled.par_chunks_mut(height * width).enumerate().for_each(|(plane, scaled)| {
        let source = image.slice(s![plane / depth, plane % depth, .., ..]);
        for (row, scaled) in source.outer_iter().zip(scaled.chunks_mut(width)) {
            let scale = |(scaled, &value): (&mut f32, &f32)| *scaled = (value - low) / span * ratio;
            match row.as_slice() {
                Some(row) => scaled.iter_mut().zip(row).for_each(scale),
                None => scaled.iter_mut().zip(row.iter()).for_each(scale),
            }
        }
    });
    scaled
}
