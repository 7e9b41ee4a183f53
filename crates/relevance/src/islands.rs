//! A mask without its small islands: the last step from a map to a segmentation.

use ndarray::{Array3, ArrayView3};

/// Keeps the parts of a mask, connected over faces, that have at least `share` of the largest part's voxels: 0 keeps all
/// of them, 1 the largest (all of the largest, where several are).
///
/// # Shapes
/// `[z, y, x]`, the result too.
pub fn without_islands(mask: ArrayView3<'_, bool>, share: f64) -> Array3<bool> {
    const NONE: u32 = u32::MAX;
    let (depth, height, width) = mask.dim();
    let mut part_of = Array3::from_elem(mask.dim(), NONE);
    let mut sizes: Vec<usize> = Vec::new();
    let mut waiting = Vec::new();
    for (start, _) in mask.indexed_iter().filter(|(_, inside)| **inside) {
        if part_of[start] != NONE {
            continue;
        }
        let part = sizes.len() as u32;
        sizes.push(0);
        part_of[start] = part;
        waiting.push(start);
        while let Some((z, y, x)) = waiting.pop() {
            sizes[part as usize] += 1;
            let neighbours = [
                (z > 0).then(|| (z - 1, y, x)),
                (z + 1 < depth).then_some((z + 1, y, x)),
                (y > 0).then(|| (z, y - 1, x)),
                (y + 1 < height).then_some((z, y + 1, x)),
                (x > 0).then(|| (z, y, x - 1)),
                (x + 1 < width).then_some((z, y, x + 1)),
            ];
            for there in neighbours.into_iter().flatten() {
                if mask[there] && part_of[there] == NONE {
                    part_of[there] = part;
                    waiting.push(there);
                }
            }
        }
    }
    let least = share * sizes.iter().copied().max().unwrap_or(0) as f64;
    part_of.mapv(|part| part != NONE && sizes[part as usize] as f64 >= least)
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;

    #[test]
    fn small_parts_go_and_corners_do_not_connect() {
        let mut mask = Array3::from_elem((6, 6, 6), false);
        mask.slice_mut(s![0..2, 0..2, 0..2]).fill(true); // 8 voxels
        mask[[2, 2, 2]] = true; // touches them by a corner alone
        mask.slice_mut(s![5, 3..5, 4..6]).fill(true); // 4 voxels
        let kept = |share: f64| without_islands(mask.view(), share);
        assert_eq!(kept(0.0), mask);
        let half = kept(0.5);
        assert!(!half[[2, 2, 2]] && half.iter().filter(|inside| **inside).count() == 12);
        let largest = kept(1.0);
        assert!(largest.iter().filter(|inside| **inside).count() == 8 && largest[[1, 1, 1]]);
        assert!(
            without_islands(Array3::from_elem((2, 2, 2), false).view(), 0.5).iter().all(|inside| !inside)
        );
    }
}
