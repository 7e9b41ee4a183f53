//! Operations that read a whole layer: the mean over voxels, normalisation by the layer's own statistics, and a fully
//! connected layer of all values.
//!
//! Sums over voxels are in float64 and in a fixed order.

use super::elementwise::{Combine, Elementwise};
use super::image::unpack;
use super::job::Job;
use super::lanes::{Dense, Lanes};
use super::rectifier::Rectifier;
use super::window::{BLOCK, Window};
use crate::simd::Isa;
use rayon::prelude::*;

/// Returns the sum of `value(x)` over the voxels of each lane of a block.
fn sums(window: &Window, values: &[f32], block: usize, value: impl Fn(usize, f64) -> f64) -> [f64; BLOCK] {
    let [depth, height, width] = window.layer;
    let mut sums = [0.0; BLOCK];
    for z in 0..depth {
        for y in 0..height {
            let row = &values[window.at(block, [z as isize, y as isize, 0])..][..width * BLOCK];
            for voxel in row.chunks_exact(BLOCK) {
                for (lane, (sum, &x)) in sums.iter_mut().zip(voxel).enumerate() {
                    *sum += value(lane, f64::from(x));
                }
            }
        }
    }
    sums
}

fn voxels(window: &Window) -> f64 {
    window.layer.iter().product::<usize>() as f64
}

/// Validates that a job's input is a whole layer.
fn check_whole(job: &Job<'_>) {
    let window = job.input.0;
    let whole = relevox_grid::Box3::whole(window.layer).signed();
    assert!(window.pitch == BLOCK && window.holds(&whole), "{window:?} is not a whole layer");
    assert!(job.input.1.len() == window.elements(), "{} values of {window:?}", job.input.1.len());
}

/// Computes the mean over voxels of each channel, into a layer of one voxel.
///
/// # Panics
/// Panics if a job's input window does not hold the whole layer, or its output is not one voxel of as many blocks.
pub fn mean(jobs: &mut [Job<'_>]) {
    jobs.par_iter_mut().for_each(|job| {
        check_whole(job);
        let (window, values) = job.input;
        let (output, to) = (job.output.0, &mut *job.output.1);
        assert!(output.layer == [1; 3] && output.blocks == window.blocks && to.len() == output.elements());
        let count = voxels(window);
        let at: Vec<usize> = (0..window.blocks).map(|block| output.at(block, [0; 3])).collect();
        let means: Vec<[f64; BLOCK]> =
            (0..window.blocks).into_par_iter().map(|block| sums(window, values, block, |_, x| x)).collect();
        to.fill(0.0);
        for (at, sums) in at.into_iter().zip(means) {
            to[at..at + BLOCK].iter_mut().zip(sums).for_each(|(to, sum)| *to = (sum / count) as f32);
        }
    });
}

/// Instance or group normalisation, with an activation.
#[derive(Debug)]
pub struct Norm {
    lanes: Lanes,
    groups: usize,
    epsilon: f64,
    /// By channel.
    scale: Vec<f32>,
    shift: Vec<f32>,
    apply: Elementwise,
}

impl Norm {
    /// Creates a normalisation over groups of neighbouring channels.
    pub fn new(
        isa: Isa,
        lanes: &Lanes,
        groups: usize,
        epsilon: f64,
        [scale, shift]: [Vec<f32>; 2],
        rectifier: Rectifier,
    ) -> Norm {
        let apply = Elementwise::new(isa, lanes, Combine::Alone).rectified(rectifier);
        Norm { lanes: lanes.clone(), groups, epsilon, scale, shift, apply }
    }

    /// Computes the outputs of each job from the statistics of its whole input.
    ///
    /// # Panics
    /// Panics if a job's input window does not hold the whole layer, or its output window what is written.
    pub fn run(&self, jobs: &mut [Job<'_>]) {
        jobs.par_iter_mut().for_each(|job| {
            check_whole(job);
            let [scale, shift] = self.parameters(job.input);
            self.apply.run_one(job, Some([&scale, &shift]));
        });
    }

    /// Returns factor and summand of each lane for one layer.
    fn parameters(&self, (window, values): (&Window, &[f32])) -> [Vec<f32>; 2] {
        let channels = self.lanes.count();
        let by_group = channels / self.groups;
        let of_groups = |by_lane: Vec<[f64; BLOCK]>| -> Vec<f64> {
            let mut totals = vec![0.0; self.groups];
            for (&sum, channel) in by_lane.iter().flatten().zip(&self.lanes.channels) {
                if let Some(channel) = channel {
                    totals[channel / by_group] += sum;
                }
            }
            let count = voxels(window) * by_group as f64;
            totals.into_iter().map(|total| total / count).collect()
        };
        let blocks = || (0..window.blocks).into_par_iter();
        let means = of_groups(blocks().map(|block| sums(window, values, block, |_, x| x)).collect());
        let squares = |block: usize| {
            let means: [f64; BLOCK] = std::array::from_fn(|lane| {
                self.lanes.channels[block * BLOCK + lane].map_or(0.0, |channel| means[channel / by_group])
            });
            sums(window, values, block, |lane, x| (x - means[lane]).powi(2))
        };
        let variances = of_groups(blocks().map(squares).collect());
        let (mut scale, mut shift) = (Vec::with_capacity(channels), Vec::with_capacity(channels));
        for channel in 0..channels {
            let group = channel / by_group;
            let factor = f64::from(self.scale[channel]) / (variances[group] + self.epsilon).sqrt();
            scale.push(factor as f32);
            shift.push((f64::from(self.shift[channel]) - means[group] * factor) as f32);
        }
        [self.lanes.arrange(&scale), self.lanes.arrange(&shift)]
    }
}

/// Computes a fully connected layer of all values of a layer in the order `[c, z, y, x]`, into a layer of one voxel.
///
/// # Panics
/// Panics if a job's input window does not hold the whole layer of these lanes, its output is not one voxel with all
/// outputs, or the weights `[o, i]` do not fit.
pub fn linear(dense: Dense<'_>, lanes: &Lanes, jobs: &mut [Job<'_>]) {
    jobs.par_iter_mut().for_each(|job| {
        check_whole(job);
        let (window, values) = job.input;
        assert!(lanes.blocks() == window.blocks, "{lanes:?}");
        let by_channel = window.layer.iter().product::<usize>();
        let mut flat = vec![0.0; lanes.count() * by_channel];
        unpack(window, values, lanes, window.layer, &mut flat);
        let (output, to) = (job.output.0, &mut *job.output.1);
        let outputs = dense.bias.len();
        assert!(
            output.layer == [1; 3]
                && output.blocks == outputs.div_ceil(BLOCK)
                && to.len() == output.elements()
        );
        assert!(dense.weights.len() == outputs * flat.len(), "{} weights", dense.weights.len());
        let sums: Vec<f32> = (0..outputs)
            .into_par_iter()
            .map(|o| {
                let weights = &dense.weights[o * flat.len()..][..flat.len()];
                let products = weights.iter().zip(&flat).map(|(&w, &x)| f64::from(w) * f64::from(x));
                (f64::from(dense.bias[o]) + products.sum::<f64>()) as f32
            })
            .collect();
        to.fill(0.0);
        for (o, sum) in sums.into_iter().enumerate() {
            to[output.at(o / BLOCK, [0; 3]) + o % BLOCK] = sum;
        }
    });
}
