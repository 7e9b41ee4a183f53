//! How far apart two masks' surfaces lie: the 95th percentile of Hausdorff's distance.
//!
//! A. A. Taha and A. Hanbury, "Metrics for evaluating 3D medical image segmentation: analysis, selection, and tool", BMC
//! Medical Imaging 15, 2015, doi:10.1186/s12880-015-0068-x. Distances: P. F. Felzenszwalb and D. P. Huttenlocher, "Distance
//! Transforms of Sampled Functions", Theory of Computing 8, 2012, doi:10.4086/toc.2012.v008a019: exact, in linear time.

use ndarray::{Array3, ArrayView3, Axis};

use crate::error::{Error, same_shape};

/// The larger of the 95th percentiles of the distances from one mask's surface voxels to the nearest of the other's, both
/// ways, in millimetres; percentiles interpolate. `None` where a mask is empty: there is no distance to nothing.
///
/// A surface voxel has a face neighbour outside of the mask; beyond the image is outside.
///
/// # Shapes
/// Both `[z, y, x]`; the spacing along the same axes.
///
/// # Errors
/// [`Error::Shape`]; [`Error::Negative`] for a spacing that is not above 0.
pub fn hausdorff95(
    a: ArrayView3<'_, bool>,
    b: ArrayView3<'_, bool>,
    spacing_mm: [f64; 3],
) -> Result<Option<f64>, Error> {
    same_shape("second mask", a.shape(), b.shape())?;
    if let Some(index) = spacing_mm.iter().position(|spacing| !(spacing.is_finite() && *spacing > 0.0)) {
        return Err(Error::Negative { what: "spacing", index, value: spacing_mm[index] });
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
        (!found.is_empty() && found[found.len() - 1].is_finite())
            .then(|| crate::bootstrap::quantile(&found, 0.95))
    };
    Ok(one_way(&a, &b).zip(one_way(&b, &a)).map(|(there, back)| there.max(back)))
}

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

/// Squared distance of every voxel to the nearest `true` one; infinite where there is none.
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

/// `min over q of f(q) + (spacing (p − q))²` for every place p of a line.
fn lower_envelope(f: &[f64], spacing: f64) -> Vec<f64> {
    let at = |place: usize| place as f64 * spacing;
    // Places whose parabolas make the envelope, and from where on each does.
    let (mut places, mut from): (Vec<usize>, Vec<f64>) = (Vec::new(), Vec::new());
    for q in (0..f.len()).filter(|&q| f[q].is_finite()) {
        loop {
            let Some(&last) = places.last() else {
                places.push(q);
                from.push(f64::NEG_INFINITY);
                break;
            };
            let cross =
                ((f[q] + at(q) * at(q)) - (f[last] + at(last) * at(last))) / (2.0 * (at(q) - at(last)));
            if cross <= from[from.len() - 1] {
                places.pop();
                from.pop();
            } else {
                places.push(q);
                from.push(cross);
                break;
            }
        }
    }
    if places.is_empty() {
        return vec![f64::INFINITY; f.len()];
    }
    let mut part = 0;
    (0..f.len())
        .map(|p| {
            while part + 1 < places.len() && from[part + 1] < at(p) {
                part += 1;
            }
            let away = at(p) - at(places[part]);
            f[places[part]] + away * away
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
    fn equal_masks_touch_and_empty_ones_have_no_distance() {
        let (mask, none) = (cube(3, 8), cube(0, 0));
        assert_eq!(hausdorff95(mask.view(), mask.view(), [1.0; 3]), Ok(Some(0.0)));
        assert_eq!(hausdorff95(mask.view(), none.view(), [1.0; 3]), Ok(None));
        assert_eq!(hausdorff95(none.view(), none.view(), [1.0; 3]), Ok(None));
    }

    #[test]
    fn a_shift_is_a_distance_in_millimetres() {
        let (a, mut b) = (cube(3, 4), cube(0, 0));
        b[[3, 3, 7]] = true;
        assert_eq!(hausdorff95(a.view(), b.view(), [2.0, 1.0, 0.5]), Ok(Some(2.0)));
        assert_eq!(
            hausdorff95(a.view(), b.view(), [0.0, 1.0, 1.0]).unwrap_err(),
            Error::Negative { what: "spacing", index: 0, value: 0.0 }
        );
    }

    #[test]
    fn distances_are_the_least_of_all() {
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
