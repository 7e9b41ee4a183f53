//! The 95th percentile of the Hausdorff distance between the surfaces of two masks.
//!
//! Taha, A. A. and Hanbury, A., "Metrics for evaluating 3D medical image segmentation: analysis, selection, and tool",
//! BMC Medical Imaging 15, 2015, doi:10.1186/s12880-015-0068-x. The distance transform is exact and takes linear time:
//! Felzenszwalb, P. F. and Huttenlocher, D. P., "Distance Transforms of Sampled Functions", Theory of Computing 8,
//! 2012, doi:10.4086/toc.2012.v008a019.

use ndarray::{Array3, ArrayView3, Axis};

use crate::checks::same_shape;
use crate::error::Error;
use crate::quantile::quantile;

/// Computes the 95th percentile of the Hausdorff distance in millimetres, or returns `None` if a mask is empty.
///
/// For each mask, the distances from its surface voxels to the nearest surface voxel of the other are reduced to their
/// 95th percentile, with linear interpolation; the result is the larger of the two. A surface voxel has a face
/// neighbour outside the mask or outside the image.
///
/// # Shapes
/// Masks `[z, y, x]` of equal shape, spacing `[z, y, x]`.
///
/// # Errors
/// Returns [`Error::ShapeMismatch`] if the shapes differ and [`Error::InvalidSetting`] if a spacing is not finite and
/// positive.
pub fn hausdorff95(
    a: ArrayView3<'_, bool>,
    b: ArrayView3<'_, bool>,
    spacing_mm: [f64; 3],
) -> Result<Option<f64>, Error> {
    same_shape("second mask", a.shape(), b.shape())?;
    if !spacing_mm.iter().all(|spacing| spacing.is_finite() && *spacing > 0.0) {
        let (expected, found) = ("finite positive values".into(), format!("{spacing_mm:?}"));
        return Err(Error::InvalidSetting { setting: "spacing_mm", expected, found });
    }
    let (a, b) = (surface(a), surface(b));
    let one_way = |from: &Array3<bool>, to: &Array3<bool>| {
        let distance = distances(to, spacing_mm);
        let mut found: Vec<f64> = from
            .iter()
            .zip(&distance)
            .filter(|(surface, _)| **surface)
            .map(|(_, squared)| squared.sqrt())
            .collect();
        found.sort_by(f64::total_cmp);
        (!found.is_empty() && found[found.len() - 1].is_finite()).then(|| quantile(&found, 0.95))
    };
    Ok(one_way(&a, &b).zip(one_way(&b, &a)).map(|(there, back)| there.max(back)))
}

/// Returns the surface voxels of a mask.
fn surface(mask: ArrayView3<'_, bool>) -> Array3<bool> {
    let (depth, height, width) = mask.dim();
    Array3::from_shape_fn(mask.dim(), |(z, y, x)| {
        let inner = z > 0 && y > 0 && x > 0 && z + 1 < depth && y + 1 < height && x + 1 < width;
        mask[[z, y, x]]
            && !(inner
                && mask[[z - 1, y, x]]
                && mask[[z + 1, y, x]]
                && mask[[z, y - 1, x]]
                && mask[[z, y + 1, x]]
                && mask[[z, y, x - 1]]
                && mask[[z, y, x + 1]])
    })
}

/// Computes the squared distance of every voxel to the nearest voxel of the mask; infinite if there is none.
fn distances(mask: &Array3<bool>, spacing_mm: [f64; 3]) -> Array3<f64> {
    let mut squared = mask.mapv(|inside| if inside { 0.0 } else { f64::INFINITY });
    for (axis, spacing) in spacing_mm.into_iter().enumerate() {
        for mut line in squared.lanes_mut(Axis(axis)) {
            let lowered = lower_envelope(&line.to_vec(), spacing);
            line.iter_mut().zip(lowered).for_each(|(to, from)| *to = from);
        }
    }
    squared
}

/// Computes the minimum over q of `f(q) + (spacing (p − q))²` for every position p of a line.
fn lower_envelope(f: &[f64], spacing: f64) -> Vec<f64> {
    let at = |position: usize| position as f64 * spacing;
    // Vertices of the parabolas in the envelope, and the start of each one's interval.
    let (mut vertices, mut from): (Vec<usize>, Vec<f64>) = (Vec::new(), Vec::new());
    for q in (0..f.len()).filter(|&q| f[q].is_finite()) {
        loop {
            let Some(&last) = vertices.last() else {
                vertices.push(q);
                from.push(f64::NEG_INFINITY);
                break;
            };
            let cross =
                ((f[q] + at(q) * at(q)) - (f[last] + at(last) * at(last))) / (2.0 * (at(q) - at(last)));
            if cross <= from[from.len() - 1] {
                vertices.pop();
                from.pop();
            } else {
                vertices.push(q);
                from.push(cross);
                break;
            }
        }
    }
    if vertices.is_empty() {
        return vec![f64::INFINITY; f.len()];
    }
    let mut part = 0;
    (0..f.len())
        .map(|p| {
            while part + 1 < vertices.len() && from[part + 1] < at(p) {
                part += 1;
            }
            let away = at(p) - at(vertices[part]);
            f[vertices[part]] + away * away
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;

    fn cube(from: usize, to: usize) -> Array3<bool> {
        let mut mask = Array3::from_elem((12, 12, 12), false);
        mask.slice_mut(s![from..to, from..to, from..to]).fill(true);
        mask
    }

    #[test]
    fn equal_masks_have_distance_0_and_empty_ones_none() {
        let (mask, none) = (cube(3, 8), cube(0, 0));
        assert_eq!(hausdorff95(mask.view(), mask.view(), [1.0; 3]), Ok(Some(0.0)));
        assert_eq!(hausdorff95(mask.view(), none.view(), [1.0; 3]), Ok(None));
        assert_eq!(hausdorff95(none.view(), none.view(), [1.0; 3]), Ok(None));
    }

    #[test]
    fn a_shift_is_measured_in_millimetres() {
        let (a, mut b) = (cube(3, 4), cube(0, 0));
        b[[3, 3, 7]] = true;
        assert_eq!(hausdorff95(a.view(), b.view(), [2.0, 1.0, 0.5]), Ok(Some(2.0)));
        assert_eq!(
            hausdorff95(a.view(), b.view(), [0.0, 1.0, 1.0]).unwrap_err().to_string(),
            "spacing_mm: expected finite positive values, found [0.0, 1.0, 1.0]"
        );
    }

    #[test]
    fn a_surface_voxel_has_a_face_neighbour_outside_the_mask_or_the_image() {
        let full = |_: (usize, usize, usize)| true;
        let sparse = |(z, y, x): (usize, usize, usize)| (z * 31 + y * 17 + x * 7) % 9 != 0;
        for mask in [Array3::from_shape_fn((4, 5, 6), full), Array3::from_shape_fn((6, 5, 7), sparse)] {
            let inside = |at: [usize; 3]| mask.get(at).copied().unwrap_or(false);
            let expected = Array3::from_shape_fn(mask.dim(), |(z, y, x)| {
                let (below, above) = ([z, y, x].map(|at| at.wrapping_sub(1)), [z + 1, y + 1, x + 1]);
                let all = inside([below[0], y, x])
                    && inside([above[0], y, x])
                    && inside([z, below[1], x])
                    && inside([z, above[1], x])
                    && inside([z, y, below[2]])
                    && inside([z, y, above[2]]);
                mask[[z, y, x]] && !all
            });
            assert_eq!(surface(mask.view()), expected);
        }
        assert_eq!(
            surface(Array3::from_elem((4, 5, 6), true).view()).iter().filter(|s| !**s).count(),
            2 * 3 * 4
        );
    }

    #[test]
    fn distances_equal_the_minimum_over_all_voxels() {
        let mask = Array3::from_shape_fn((5, 7, 6), |(z, y, x)| (z * 31 + y * 17 + x * 7) % 23 == 0);
        let spacing = [1.5, 0.7, 2.0];
        let found = distances(&mask, spacing);
        for ((z, y, x), found) in found.indexed_iter() {
            let all = mask.indexed_iter().filter(|(_, inside)| **inside).map(|((a, b, c), _)| {
                let away = [z.abs_diff(a), y.abs_diff(b), x.abs_diff(c)];
                (0..3).map(|axis| (away[axis] as f64 * spacing[axis]).powi(2)).sum::<f64>()
            });
            assert!((found - all.fold(f64::INFINITY, f64::min)).abs() < 1e-9);
        }
    }
}
