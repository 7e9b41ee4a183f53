//! Sums of the positions of each cluster's voxels, updated by the voxels that change cluster.
//!
//! Additions of integers in `f32` are exact below 2²⁴, so that a smaller sum does not depend on the order of the voxels.

use super::lanes::LANES;
use super::sums::{Cluster, EXACT, Sums};

/// Sums of the positions along z, y and x of the voxels that each cluster gained, minus those that it lost, and their number.
pub(super) struct Gains(Vec<[i64; 4]>);

impl Gains {
    pub(super) fn new(clusters: usize) -> Gains {
        Gains(vec![[0; 4]; clusters])
    }

    /// Moves voxels from their old to their new clusters: the lanes set in `differ` of the row that starts at voxel `[z, y, x]`.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        [z, y, x]: [usize; 3],
        old: &[u32; LANES],
        new: &[u32; LANES],
        mut differ: u32,
    ) {
        while differ != 0 {
            let lane = differ.trailing_zeros() as usize % LANES;
            differ &= differ - 1;
            let point = [z as i64, y as i64, (x + lane) as i64, 1];
            // Unassigned voxels belong to no cluster.
            if let Some(gain) = self.0.get_mut(old[lane] as usize) {
                (0..4).for_each(|i| gain[i] -= point[i]);
            }
            if let Some(gain) = self.0.get_mut(new[lane] as usize) {
                (0..4).for_each(|i| gain[i] += point[i]);
            }
        }
    }

    /// Adds other gains to these, and clears them.
    pub(super) fn take(&mut self, other: &mut Gains) {
        for (total, gain) in self.0.iter_mut().zip(&mut other.0) {
            let gain = std::mem::take(gain);
            (0..4).for_each(|i| total[i] += gain[i]);
        }
    }

    /// Returns the sums of all clusters, if all gains since they were empty were added, and which clusters' sums are exact.
    pub(super) fn sums(&self) -> (Sums, Vec<bool>) {
        let exact = |gain: &[i64; 4]| gain[..3].iter().all(|&sum| sum < EXACT as i64);
        let cluster = |&[z, y, x, voxels]: &[i64; 4]| Cluster {
            first: [z as f32, y as f32, x as f32, 0.0],
            voxels: voxels as u32,
        };
        (Sums::of(self.0.iter().map(cluster).collect()), self.0.iter().map(exact).collect())
    }
}
