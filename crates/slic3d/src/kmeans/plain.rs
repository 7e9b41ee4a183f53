//! K-means as scikit-image runs it, cluster by cluster and voxel by voxel: the reference of the tiled form.

use super::clusters::Clusters;
use super::convergence::Convergence;
use super::problem::Problem;
use crate::labels::UNASSIGNED;

/// Runs all iterations, or stops when nothing changes. With `by_position`, distances do not include intensities.
pub(super) fn run(problem: &Problem, clusters: &mut Clusters, by_position: bool) -> (Vec<u32>, Convergence) {
    let mut labels = vec![UNASSIGNED; problem.voxels()];
    let mut distance = vec![0.0; problem.voxels()];
    let mut max_colour = vec![1.0; clusters.len()];
    let mut distances = 0;
    for iteration in 0..problem.iterations {
        let labels_before = labels.clone();
        let max_colour_before = max_colour.clone();
        distance.fill(f32::INFINITY);
        for cluster in 0..clusters.len() {
            if clusters.active[cluster] {
                distances +=
                    visit(problem, clusters, cluster, &max_colour, by_position, &mut labels, &mut distance);
            }
        }
        move_to_means(problem, clusters, &labels);
        if problem.slic_zero {
            update_max_colour(problem, clusters, &labels, &mut max_colour);
        }
        if labels == labels_before && max_colour == max_colour_before {
            return (labels, Convergence { iterations: iteration + 1, converged: true, distances });
        }
    }
    (labels, Convergence { iterations: problem.iterations, converged: false, distances })
}

/// Returns the squared difference between a voxel and a cluster over all channels.
fn colour_distance(problem: &Problem, clusters: &Clusters, cluster: usize, voxel: usize) -> f32 {
    let mut sum = 0.0;
    for channel in 0..problem.channels {
        let difference = problem.image[channel * problem.voxels() + voxel]
            - clusters.colour[cluster * problem.channels + channel];
        sum += difference * difference;
    }
    sum
}

/// Assigns to a cluster the voxels of its window that are nearer to it than to all clusters before it. Returns the number
/// of distances computed.
fn visit(
    problem: &Problem,
    clusters: &Clusters,
    cluster: usize,
    max_colour: &[f32],
    by_position: bool,
    labels: &mut [u32],
    distance: &mut [f32],
) -> u64 {
    let [_, height, width] = problem.shape;
    let centre = clusters.position[cluster];
    let weight = problem.spatial_weight();
    let mut distances = 0;
    let offset = |axis: usize, at: usize| {
        let difference = problem.spacing[axis] * (centre[axis] - at as f32);
        difference * difference
    };
    for z in problem.window(0, centre[0]) {
        for y in problem.window(1, centre[1]) {
            for x in problem.window(2, centre[2]) {
                let voxel = (z * height + y) * width + x;
                if problem.mask.is_some_and(|mask| !mask[voxel]) {
                    continue;
                }
                distances += 1;
                let mut total = (offset(0, z) + offset(1, y) + offset(2, x)) * weight;
                if !by_position {
                    let mut colour = colour_distance(problem, clusters, cluster, voxel);
                    if problem.slic_zero {
                        colour /= max_colour[cluster];
                    }
                    total += colour;
                }
                if distance[voxel] > total {
                    labels[voxel] = cluster as u32;
                    distance[voxel] = total;
                }
            }
        }
    }
    distances
}

/// Moves every cluster to the mean of its voxels, summed in row-major order in `f32`; one without voxels becomes
/// inactive.
fn move_to_means(problem: &Problem, clusters: &mut Clusters, labels: &[u32]) {
    let [_, height, width] = problem.shape;
    let channels = problem.channels;
    let mut counts = vec![0_usize; clusters.len()];
    clusters.position.fill([0.0; 3]);
    clusters.colour.fill(0.0);
    for (voxel, &label) in labels.iter().enumerate() {
        if label == UNASSIGNED {
            continue;
        }
        let cluster = label as usize;
        counts[cluster] += 1;
        let at = [voxel / (height * width), voxel / width % height, voxel % width];
        for (sum, at) in clusters.position[cluster].iter_mut().zip(at) {
            *sum += at as f32;
        }
        for channel in 0..channels {
            clusters.colour[cluster * channels + channel] += problem.image[channel * labels.len() + voxel];
        }
    }
    for (cluster, &count) in counts.iter().enumerate() {
        clusters.active[cluster] = count > 0;
        if count > 0 {
            clusters.position[cluster] = clusters.position[cluster].map(|sum| sum / count as f32);
            for sum in &mut clusters.colour[cluster * channels..(cluster + 1) * channels] {
                *sum /= count as f32;
            }
        }
    }
}

/// Raises each cluster's maximum squared difference from its mean, which never decreases.
fn update_max_colour(problem: &Problem, clusters: &Clusters, labels: &[u32], max_colour: &mut [f32]) {
    for (voxel, &label) in labels.iter().enumerate() {
        if label != UNASSIGNED {
            let colour = colour_distance(problem, clusters, label as usize, voxel);
            if max_colour[label as usize] < colour {
                max_colour[label as usize] = colour;
            }
        }
    }
}
