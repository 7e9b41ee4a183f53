//! The order in which regions merge, and properties of any tree.
use std::collections::BTreeSet;

use ndarray::{Array3, Array4};
use proptest::prelude::*;
use relevox_relevance::{Error, RegionTree};
use slic3d::Supervoxels;

fn row(labels: &[u32], background: Option<u32>) -> Supervoxels {
    let labels = Array3::from_shape_vec((1, 1, labels.len()), labels.to_vec()).unwrap();
    Supervoxels::from_labels(labels, background).unwrap()
}

fn image(values: &[f32]) -> Array4<f32> {
    Array4::from_shape_vec((1, 1, 1, values.len()), values.to_vec()).unwrap()
}

fn merges(tree: &RegionTree) -> Vec<[usize; 2]> {
    (tree.regions()..tree.len()).map(|node| tree.children(node).unwrap()).collect()
}

#[test]
fn neighbours_that_are_alike_merge_first() {
    let tree =
        RegionTree::new(image(&[0.0, 0.1, 0.9, 1.0, 0.55]).view(), &row(&[0, 1, 2, 3, 4], None)).unwrap();
    // 0|1 and 2|3 are equally alike but for rounding; then 4 to the bright ones, then all.
    let found = merges(&tree);
    assert_eq!(found.iter().take(2).copied().collect::<BTreeSet<_>>(), BTreeSet::from([[0, 1], [2, 3]]));
    let bright = 5 + found.iter().position(|pair| *pair == [2, 3]).unwrap();
    assert_eq!((found[2][0], found[2][1], tree.parent(bright)), (4, bright, Some(7)));
    assert_eq!(tree.leaves(7), [4, 2, 3]);
}

#[test]
fn a_small_region_joins_before_a_large_one_that_is_as_alike() {
    // 0, 1 and 2 with means 0, 1 and 2: the first has three voxels.
    let tree =
        RegionTree::new(image(&[0.0, 0.0, 0.0, 1.0, 2.0]).view(), &row(&[0, 0, 0, 1, 2], None)).unwrap();
    assert_eq!(merges(&tree), [[1, 2], [0, 3]]);
}

#[test]
fn a_long_border_outweighs_a_short_one() {
    // Region 1 touches 0 along four faces and 2 along one, and is as alike to both.
    let labels = Array3::from_shape_vec((1, 2, 5), vec![0, 0, 0, 0, 9, 1, 1, 1, 1, 2]).unwrap();
    let regions = Supervoxels::from_labels(labels, Some(9)).unwrap();
    let values = vec![0.0, 0.0, 0.0, 0.0, 5.0, 1.0, 1.0, 1.0, 1.0, 2.0];
    let image = Array4::from_shape_vec((1, 1, 2, 5), values).unwrap();
    // 4·4/8 / 4 = 0.5 against 4·1/5 / 1 = 0.8.
    assert_eq!(merges(&RegionTree::new(image.view(), &regions).unwrap()), [[0, 1], [2, 3]]);
}

#[test]
fn parts_that_do_not_touch_merge_last() {
    let regions = row(&[0, 1, 9, 2, 9, 3, 4, 4], Some(9));
    let tree = RegionTree::new(image(&[0.0, 5.0, 0.0, 0.0, 0.0, 1.0, 9.0, 9.0]).view(), &regions).unwrap();
    // 0|1 and 3|4 touch; of what is left 2 has one voxel, 0|1 two, 3|4 three.
    assert_eq!(merges(&tree), [[0, 1], [3, 4], [2, 5], [6, 7]]);
}

#[test]
fn equal_costs_merge_in_the_order_of_regions() {
    let tree = RegionTree::new(image(&[1.0; 6]).view(), &row(&[0, 1, 2, 3, 4, 5], None)).unwrap();
    assert_eq!(merges(&tree), [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]);
}

#[test]
fn one_region_is_a_tree() {
    let tree = RegionTree::new(image(&[1.0, 2.0]).view(), &row(&[3, 3], None)).unwrap();
    assert_eq!((tree.len(), tree.root(), tree.leaves(0)), (1, 0, &[0][..]));
    assert_eq!(
        (tree.children(0), tree.parent(0), tree.children(7), tree.parent(7)),
        (None, None, None, None)
    );
    assert_eq!(tree, RegionTree::from_merges(1, &[]).unwrap());
}

#[test]
fn what_is_no_tree_is_named() {
    let fails = |regions, merges: &[[usize; 2]]| RegionTree::from_merges(regions, merges).unwrap_err();
    assert!(matches!(fails(3, &[[0, 1]]), Error::ShapeMismatch { .. }));
    assert!(matches!(fails(0, &[]), Error::ShapeMismatch { .. }));
    assert!(matches!(fails(3, &[[0, 3], [1, 2]]), Error::OutOfRange { len: 3, found: 3, .. }));
    assert!(fails(3, &[[0, 1], [1, 3]]).to_string().contains("node 1 twice"));
    assert!(fails(2, &[[1, 1]]).to_string().contains("node 1 twice"));
    let regions = row(&[0, 1], None);
    let found = RegionTree::new(image(&[0.0, 1.0, 2.0]).view(), &regions).unwrap_err();
    assert!(matches!(found, Error::ShapeMismatch { .. }), "{found}");
    let found = RegionTree::new(image(&[0.0, f32::NAN]).view(), &regions).unwrap_err();
    assert!(matches!(found, Error::NonFinite { .. }), "{found}");
}

/// The plain version: all pairs are looked at before each merge of neighbours.
fn slow(image: &Array4<f32>, regions: &Supervoxels) -> Vec<[usize; 2]> {
    let (c, d, h, w) = image.dim();
    let mut node = Array3::from_elem((d, h, w), usize::MAX);
    for region in 0..regions.len() {
        regions.voxels(region).for_each(|voxel| node[voxel] = region);
    }
    let mut merges: Vec<[usize; 2]> = Vec::new();
    while merges.len() + 1 < regions.len() {
        let alive: BTreeSet<usize> = node.iter().copied().filter(|node| *node != usize::MAX).collect();
        let voxels = |which: usize| node.iter().filter(|node| **node == which).count() as f64;
        let mean = |which: usize, channel: usize| {
            let inside = node.indexed_iter().filter(|(_, node)| **node == which);
            inside.map(|((z, y, x), _)| f64::from(image[[channel, z, y, x]])).sum::<f64>() / voxels(which)
        };
        let mut best: Option<(f64, [usize; 2])> = None;
        for &a in &alive {
            for &b in alive.range(a + 1..) {
                let steps = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
                let faces = node.indexed_iter().flat_map(|((z, y, x), &here)| {
                    steps.map(|[i, j, k]| {
                        (here, node.get([z + i, y + j, x + k]).copied().unwrap_or(usize::MAX))
                    })
                });
                let length = faces.filter(|pair| *pair == (a, b) || *pair == (b, a)).count();
                if length == 0 {
                    continue;
                }
                let d: f64 = (0..c).map(|channel| (mean(a, channel) - mean(b, channel)).powi(2)).sum();
                let cost = voxels(a) * voxels(b) / (voxels(a) + voxels(b)) * d / length as f64;
                if best.is_none_or(|(least, _)| cost < least - 1e-12) {
                    best = Some((cost, [a, b]));
                }
            }
        }
        let [a, b] = best.map_or_else(
            || {
                let mut left: Vec<usize> = alive.iter().copied().collect();
                left.sort_by_key(|&which| (voxels(which) as usize, which));
                [left[0].min(left[1]), left[0].max(left[1])]
            },
            |(_, pair)| pair,
        );
        let new = regions.len() + merges.len();
        node.mapv_inplace(|which| if which == a || which == b { new } else { which });
        merges.push([a, b]);
    }
    merges
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_heap_merges_as_the_plain_version(
        labels in proptest::collection::vec(0..12_u32, 36),
        values in proptest::collection::vec(0.0..1.0_f32, 72),
    ) {
        prop_assume!(labels.iter().any(|label| *label != 0));
        let regions =
            Supervoxels::from_labels(Array3::from_shape_vec((3, 3, 4), labels).unwrap(), Some(0)).unwrap();
        let image = Array4::from_shape_vec((2, 3, 3, 4), values).unwrap();
        let tree = RegionTree::new(image.view(), &regions).unwrap();
        prop_assert_eq!(merges(&tree), slow(&image, &regions));
        prop_assert_eq!(&RegionTree::new((&image * 1024.0).view(), &regions).unwrap(), &tree);
    }

    #[test]
    fn a_node_holds_the_regions_of_its_children(
        labels in proptest::collection::vec(0..30_u32, 64),
        values in proptest::collection::vec(0.0..1.0_f32, 64),
    ) {
        let regions =
            Supervoxels::from_labels(Array3::from_shape_vec((4, 4, 4), labels).unwrap(), None).unwrap();
        let image = Array4::from_shape_vec((1, 4, 4, 4), values).unwrap();
        let tree = RegionTree::new(image.view(), &regions).unwrap();
        prop_assert_eq!((tree.regions(), tree.len()), (regions.len(), 2 * regions.len() - 1));
        prop_assert_eq!(tree.leaves(tree.root()).iter().copied().collect::<BTreeSet<_>>().len(), regions.len());
        for node in 0..tree.len() {
            match tree.children(node) {
                None => prop_assert_eq!(tree.leaves(node), &[node]),
                Some([a, b]) => {
                    prop_assert!(a < b && b < node);
                    prop_assert_eq!([tree.parent(a), tree.parent(b)], [Some(node); 2]);
                    prop_assert_eq!(tree.leaves(node), [tree.leaves(a), tree.leaves(b)].concat());
                }
            }
        }
        prop_assert_eq!(tree.parent(tree.root()), None);
        prop_assert_eq!(RegionTree::from_merges(tree.regions(), &merges(&tree)).unwrap(), tree);
    }
}
