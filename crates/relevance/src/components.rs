//! Connected components of a mask: the last step from a map to a segmentation.

use ndarray::{Array3, ArrayView3};

/// Removes the connected components (over faces) of a mask that have fewer than `share` of the largest one's voxels: 0
/// removes none, 1 keeps the largest (all that are equally large).
///
/// # Shapes
/// Mask and result are `[z, y, x]`.
pub fn remove_small_components(mask: ArrayView3<'_, bool>, share: f64) -> Array3<bool> {
    const NONE: u32 = u32::MAX;
    let (depth, height, width) = mask.dim();
    let mut component_of = Array3::from_elem(mask.dim(), NONE);
    let mut sizes: Vec<usize> = Vec::new();
    let mut waiting = Vec::new();
    for (start, _) in mask.indexed_iter().filter(|(_, inside)| **inside) {
        if component_of[start] != NONE {
            continue;
        }
        let component = sizes.len() as u32;
        sizes.push(0);
        component_of[start] = component;
        waiting.push(start);
        while let Some((z, y, x)) = waiting.pop() {
            sizes[component as usize] += 1;
            let neighbours = [
                (z > 0).then(|| (z - 1, y, x)),
                (z + 1 < depth).then_some((z + 1, y, x)),
                (y > 0).then(|| (z, y - 1, x)),
                (y + 1 < height).then_some((z, y + 1, x)),
                (x > 0).then(|| (z, y, x - 1)),
                (x + 1 < width).then_some((z, y, x + 1)),
            ];
            for there in neighbours.into_iter().flatten() {
                if mask[there] && component_of[there] == NONE {
                    component_of[there] = component;
                    waiting.push(there);
                }
            }
        }
    }
    let least = share * sizes.iter().copied().max().unwrap_or(0) as f64;
    component_of.mapv(|component| component != NONE && sizes[component as usize] as f64 >= least)
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;

    #[test]
    fn a_component_may_turn_back_along_any_axis() {
        for [down, across] in [[0, 2], [1, 2], [2, 1]] {
            // A U, whose second leg is reached from the first by its end only.
            let mut mask = Array3::from_elem((3, 3, 3), false);
            for (depth, along) in [(0, 0), (1, 0), (1, 1), (1, 2), (0, 2)] {
                let mut voxel = [0; 3];
                (voxel[down], voxel[across]) = (depth, along);
                mask[voxel] = true;
            }
            assert_eq!(remove_small_components(mask.view(), 1.0), mask, "axis {down}");
        }
    }

    #[test]
    fn small_components_are_removed_and_corners_do_not_connect() {
        let mut mask = Array3::from_elem((6, 6, 6), false);
        mask.slice_mut(s![0..2, 0..2, 0..2]).fill(true); // 8 voxels
        mask[[2, 2, 2]] = true; // touches them by a corner only
        mask.slice_mut(s![5, 3..5, 4..6]).fill(true); // 4 voxels
        let kept = |share: f64| remove_small_components(mask.view(), share);
        assert_eq!(kept(0.0), mask);
        let half = kept(0.5);
        assert!(!half[[2, 2, 2]] && half.iter().filter(|inside| **inside).count() == 12);
        let largest = kept(1.0);
        assert!(largest.iter().filter(|inside| **inside).count() == 8 && largest[[1, 1, 1]]);
        assert!(
            remove_small_components(Array3::from_elem((2, 2, 2), false).view(), 0.5)
                .iter()
                .all(|inside| !inside)
        );
    }
}
