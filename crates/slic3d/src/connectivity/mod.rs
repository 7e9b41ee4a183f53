//! After k-means: parts too small are merged into a neighbour, parts too large are cut.

mod plain;
mod runs;
pub(crate) mod strict;

/// Limits on a connected part's size, in voxels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub(crate) min: usize,
    pub(crate) max: usize,
}

/// Relabels connected parts from 0 in the order of their first voxels, as scikit-image does.
///
/// The new labels come to lie in `room`, unassigned voxels of the labels' number.
pub(crate) fn enforce(labels: &[u32], shape: [usize; 3], limits: Limits, room: Vec<u32>) -> Vec<u32> {
    runs::enforce(labels, shape, limits, room)
        .unwrap_or_else(|room| plain::enforce(labels, shape, limits, room))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kmeans::UNASSIGNED;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn runs_give_the_plain_labels(
            shape in [1_usize..7, 1_usize..12, 1_usize..50],
            min in 0_usize..30,
            max in 0_usize..200,
            coarse in 1_usize..12,
            holes: bool,
            seed: u32,
        ) {
            let [depth, height, width] = shape;
            let hash = |n: usize| (n as u32 ^ seed).wrapping_mul(0x9e37_79b1).rotate_left(11).wrapping_mul(0xc2b2_ae35) >> 24;
            let labels: Vec<u32> = (0..depth * height * width)
                .map(|voxel| {
                    let (row, x) = (voxel / width, voxel % width);
                    let label = hash((row / height / 2 * 31 + row % height / 3) * 17 + x / coarse) % 4;
                    if holes && label == 3 { UNASSIGNED } else { label }
                })
                .collect();
            let limits = Limits { min, max };
            let room = || vec![UNASSIGNED; labels.len()];
            let expected = plain::enforce(&labels, shape, limits, room());
            if let Ok(found) = runs::enforce(&labels, shape, limits, room()) {
                prop_assert_eq!(found, expected);
            }
        }
    }
}
