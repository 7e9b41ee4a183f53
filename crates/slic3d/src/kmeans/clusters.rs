//! Clusters of k-means.

/// Clusters with their centres.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clusters {
    /// Position `[z, y, x]` in voxels.
    pub(crate) position: Vec<[f32; 3]>,
    /// Mean of each channel, cluster by cluster.
    pub(crate) colour: Vec<f32>,
    /// False once a cluster has lost all its voxels; it is then excluded.
    pub(crate) active: Vec<bool>,
}

impl Clusters {
    pub(crate) fn at(seeds: &[[f64; 3]], channels: usize) -> Self {
        Clusters {
            position: seeds.iter().map(|seed| seed.map(|at| at as f32)).collect(),
            colour: vec![0.0; seeds.len() * channels],
            active: vec![true; seeds.len()],
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.position.len()
    }
}
