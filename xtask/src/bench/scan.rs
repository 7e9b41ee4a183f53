//! A real case for benchmarks of relevance: its centre crop, its regions, and their patches.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use ndarray::{Array4, ArrayView4, Axis};
use relevox_models::plan::{Cache, Costs, MEMORY, Plan};
use relevox_perturb::{Box3, ConstantFill, Fill, FillKind, Patch};
use relevox_volume::{CaseFiles, Preprocess, Study};
use serde::{Deserialize, Serialize};
use slic3d::{Slic, Supervoxels};

use relevox_experiment::interrupt;

use super::peak::Peak;

pub(super) const SEQUENCES: [&str; 4] = ["t1", "t1ce", "t2", "flair"];
pub(super) const T2: usize = 2;
const COMPACTNESS: f64 = 0.1;
/// Regions that are computed together, as in `relevox_relevance`.
const TOGETHER: usize = 32;

/// Loads the centre crop of a case with the experiment's preprocessing.
pub(super) fn load(folder: &Path, size: usize) -> anyhow::Result<Study> {
    let sequences: Vec<String> = SEQUENCES.map(str::to_owned).into();
    let files = CaseFiles::in_folder(folder, &sequences)?;
    let preprocess = Preprocess { sequences, crop: [size; 3], ..Preprocess::default() };
    Ok(Study::load(&files, &preprocess.check()?)?)
}

/// Segments one sequence of a case.
pub(super) fn segment(study: &Study, sequence: usize, count: usize) -> anyhow::Result<Supervoxels> {
    let slic = Slic::new(count).compactness(COMPACTNESS);
    Ok(slic.segment_volume(study.image.index_axis(Axis(0), sequence), None)?)
}

/// Creates the blank fill of an image.
pub(super) fn blank(image: ArrayView4<'_, f32>) -> anyhow::Result<ConstantFill> {
    Ok(ConstantFill::from_values(FillKind::Blank.name(), vec![0.0; image.dim().0])?)
}

/// Patches that hold a region's values and 0 elsewhere.
pub(super) fn isolated(study: &Study, regions: &Supervoxels) -> anyhow::Result<Vec<Patch>> {
    (0..regions.len())
        .map(|region| {
            let [z, y, x] = regions.bounds(region);
            let id = regions.ids()[region];
            let labels = regions.labels();
            let values =
                Array4::from_shape_fn((SEQUENCES.len(), z.len(), y.len(), x.len()), |(c, dz, dy, dx)| {
                    let voxel = [z.start + dz, y.start + dy, x.start + dx];
                    if labels[voxel] == id { study.image[[c, voxel[0], voxel[1], voxel[2]]] } else { 0.0 }
                });
            Ok(Patch::new(Box3::from(regions.bounds(region)), values)?)
        })
        .collect()
}

/// Patches in which a region is blank.
pub(super) fn blanked(image: ArrayView4<'_, f32>, regions: &Supervoxels) -> anyhow::Result<Vec<Patch>> {
    let all: Vec<usize> = (0..regions.len()).collect();
    Ok(blank(image)?.patches(image, regions, &all)?)
}

fn keep(plan: &Plan, image: ArrayView4<'_, f32>) -> anyhow::Result<Cache> {
    Ok(plan.cache(image.as_slice().context("expected a stack in C order")?, image.dim().into(), MEMORY)?)
}

/// Operations of incremental passes.
pub(super) fn operations(plan: &Plan, image: ArrayView4<'_, f32>, patches: &[Patch]) -> anyhow::Result<f64> {
    Ok(plan.patched_operations(&keep(plan, image)?, patches)? as f64)
}

/// Cost of one layer over the patches of all regions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Layer {
    pub(super) layer: String,
    /// Voxels of the layer's output.
    pub(super) size: [usize; 3],
    /// Operations of the same number of dense passes, in 10⁹.
    pub(super) dense_gflop: f64,
    /// Operations of the incremental passes, in 10⁹.
    pub(super) gflop: f64,
    /// Operations of the kernels' own products, in 10⁹.
    pub(super) product_gflop: f64,
    /// Data that has to be read and written, in 10⁹ bytes.
    pub(super) gbytes: f64,
    pub(super) seconds: f64,
}

impl Layer {
    /// Seconds below which the layer cannot take on a machine: those of its products or of its data, whichever are more; `None` if the
    /// layer has no products.
    pub(super) fn floor(&self, peak: Peak) -> Option<f64> {
        (self.product_gflop > 0.0)
            .then(|| f64::max(self.product_gflop / peak.gflops, self.gbytes / peak.gbytes))
    }
}

/// Computes all patches in groups, as a classifier does, and returns the cost of each layer, of copies between layers, and
/// of the rest: finding changed voxels and the outputs that they reach.
pub(super) fn profile(
    plan: &Plan,
    image: ArrayView4<'_, f32>,
    patches: &[Patch],
) -> anyhow::Result<Vec<Layer>> {
    // The first run allocates the memory that later runs reuse.
    changed(plan, &keep(plan, image)?, patches)?;
    let cache = keep(plan, image)?;
    let start = Instant::now();
    changed(plan, &cache, patches)?;
    let all = start.elapsed();
    let Costs { copies, layers, .. } = plan.costs(&cache);
    let named = |layer: &str, time: Duration| Layer {
        layer: layer.to_owned(),
        size: [image.len_of(Axis(1)), image.len_of(Axis(2)), image.len_of(Axis(3))],
        dense_gflop: 0.0,
        gflop: 0.0,
        product_gflop: 0.0,
        gbytes: 0.0,
        seconds: time.as_secs_f64(),
    };
    let rest = layers.iter().fold(all.saturating_sub(copies), |rest, layer| rest.saturating_sub(layer.time));
    // Each group of patches reads all weights.
    let groups = patches.len().div_ceil(TOGETHER) as f64;
    let of_layers = layers.into_iter().map(|cost| Layer {
        layer: cost.layer,
        size: cost.size,
        dense_gflop: cost.whole_operations as f64 * patches.len() as f64 / 1e9,
        gflop: cost.operations as f64 / 1e9,
        product_gflop: cost.products as f64 / 1e9,
        gbytes: 4.0 * (cost.values as f64 + cost.weights as f64 * groups) / 1e9,
        seconds: cost.time.as_secs_f64(),
    });
    Ok(of_layers.chain([named("copies of cached activations", copies), named("other", rest)]).collect())
}

fn changed(plan: &Plan, cache: &Cache, patches: &[Patch]) -> anyhow::Result<()> {
    for together in patches.chunks(TOGETHER) {
        interrupt::check()?;
        match cache.outputs() {
            Some(_) => plan.patched_outputs(cache, together).map(drop)?,
            None => plan.patched_values(cache, together).map(drop)?,
        }
    }
    Ok(())
}

/// Writes the partition for the peer, with regions numbered in the given order.
pub(super) fn write_labels(shared: &Path, regions: &Supervoxels, order: &[usize]) -> anyhow::Result<()> {
    let numbers: HashMap<u32, i32> =
        order.iter().zip(0..).map(|(&region, number)| (regions.ids()[region], number)).collect();
    let number = |label| numbers.get(label).context("expected a region for every label");
    let mut labels = Vec::with_capacity(4 * regions.labels().len());
    for label in regions.labels() {
        labels.extend(number(label)?.to_le_bytes());
    }
    Ok(std::fs::write(shared.join("labels.i32"), labels)?)
}
