//! The pass by pieces against the plain one, over random labels and limits.

use proptest::prelude::*;

use super::limits::SizeLimits;
use super::{pieces, plain};
use crate::labels::UNASSIGNED;
use crate::synthetic::hash;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn pieces_give_the_labels_of_the_plain_pass(
        shape in [1_usize..7, 1_usize..12, 1_usize..150],
        min in 0_usize..30,
        max in 0_usize..200,
        coarse in 1_usize..12,
        holes: bool,
        threads in 1_usize..5,
        seed: u32,
    ) {
        let [depth, height, width] = shape;
        let label = |voxel: usize| {
            let (row, x) = (voxel / width, voxel % width);
            let label = hash(seed, (row / height / 2 * 31 + row % height / 3) * 17 + x / coarse) >> 24 & 3;
            if holes && label == 3 { UNASSIGNED } else { label }
        };
        let labels: Vec<u32> = (0..depth * height * width).map(label).collect();
        let limits = SizeLimits { min, max };
        let expected = plain::enforce(&labels, shape, limits);
        let buffer = (0..labels.len()).map(|voxel| hash(!seed, voxel)).collect();
        let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = threads.install(|| pieces::enforce(labels, shape, limits, buffer));
        prop_assert_eq!(found, expected);
    }
}
