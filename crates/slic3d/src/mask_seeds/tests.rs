//! A step of the k-means against the one that computes all distances.

use super::bricks::Bricks;
use super::nearest::add;
use super::{KMEANS_ITERATIONS, nearest_of, position, squared_distance};

fn plain_step(points: &[[f64; 3]], seeds: &mut [[f64; 3]]) {
    let mut sums = vec![([0.0; 3], 0); seeds.len()];
    for &point in points {
        let nearest = nearest_of(seeds, |_, seed| squared_distance(seed, point));
        add(&mut sums[nearest], point, 1);
    }
    for (seed, (sum, count)) in seeds.iter_mut().zip(sums).filter(|(_, (_, count))| *count > 0) {
        *seed = sum.map(|value| value / f64::from(count));
    }
}

#[test]
fn excluding_distant_seeds_changes_nothing() {
    for shape in [[20, 24, 26], [1, 40, 33], [1, 1, 700], [50, 3, 2]] {
        let [depth, height, width] = shape;
        let grid = [height, width];
        let all = 0..(depth * height * width) as u32;
        let voxels: Vec<u32> = all.filter(|voxel| voxel * 7 / 5 % 11 > 3).collect();
        let points: Vec<[f64; 3]> = voxels.iter().map(|&voxel| position(voxel, grid)).collect();
        let mut seeds: Vec<[f64; 3]> = points.iter().copied().step_by(31).collect();
        let mut expected = seeds.clone();
        let bricks = Bricks::new(&voxels, shape);
        assert_eq!(
            bricks.bricks.iter().map(|brick| brick.points.count_ones() as usize).sum::<usize>(),
            voxels.len()
        );
        for _ in 0..KMEANS_ITERATIONS {
            bricks.step(&mut seeds);
            plain_step(&points, &mut expected);
            assert_eq!(seeds, expected);
        }
    }
}
