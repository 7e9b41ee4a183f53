//! How far the learned fill's values lie from those of `max`: a U-Net whose sigmoid saturates at 1 is the
//! `max` fill by another name. Recorded while its regions are scored, a CSV beside the scores.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use ndarray::ArrayView4;
use relevox_perturb::{ConstantFill, Error, Fill, FillKind, Patch};
use relevox_report::tables::Method;
use relevox_volume::Study;
use slic3d::Supervoxels;

use crate::run::replace;
use crate::stages::{Partition, Session};

/// A fill that is watched at work.
pub struct Watched<'a> {
    fill: &'a dyn Fill,
    max: Vec<f32>,
    distances: Mutex<Vec<Option<f64>>>,
}

impl<'a> Watched<'a> {
    /// Watches a fill on one case.
    ///
    /// # Errors
    /// A scan without a brain.
    pub fn new(fill: &'a dyn Fill, study: &Study, regions: usize) -> Result<Self, Error> {
        let max = ConstantFill::new(FillKind::Max, study.image.view(), study.brain.view())?;
        Ok(Self { fill, max: max.values().to_vec(), distances: Mutex::new(vec![None; regions]) })
    }

    /// A region that is left as it is says nothing of the values.
    fn watch(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        region: usize,
        patch: &Patch,
    ) -> Result<(), Error> {
        if patch.changed_voxels(image)? == 0 {
            return Ok(());
        }
        let labels = regions.labels();
        let id = regions.ids()[region];
        let [oz, oy, ox] = patch.bounds().start;
        let (mut sum, mut count) = (0.0, 0_usize);
        for ((channel, z, y, x), &value) in patch.values().indexed_iter() {
            if labels[[oz + z, oy + y, ox + x]] == id {
                sum += f64::from((value - self.max[channel]).abs());
                count += 1;
            }
        }
        let mut distances = self.distances.lock().unwrap_or_else(PoisonError::into_inner);
        distances[region] = Some(sum / count.max(1) as f64);
        Ok(())
    }

    /// What was seen: a row for each region, its mean distance over voxels and sequences.
    ///
    /// # Errors
    /// None that a watched fill causes.
    pub fn to_csv(&self, regions: &Supervoxels) -> anyhow::Result<Vec<u8>> {
        let distances = self.distances.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["region", "voxels", "distance_from_max"])?;
        for ((id, voxels), distance) in regions.ids().iter().zip(regions.voxel_counts()).zip(&*distances) {
            let distance = distance.map(|distance| distance.to_string()).unwrap_or_default();
            table.write_record([id.to_string(), voxels.to_string(), distance])?;
        }
        Ok(table.into_inner()?)
    }
}

impl Fill for Watched<'_> {
    fn name(&self) -> &str {
        self.fill.name()
    }

    fn patches(
        &self,
        image: ArrayView4<'_, f32>,
        regions: &Supervoxels,
        batch: &[usize],
    ) -> Result<Vec<Patch>, Error> {
        let patches = self.fill.patches(image, regions, batch)?;
        for (patch, &region) in patches.iter().zip(batch) {
            self.watch(image, regions, region, patch)?;
        }
        Ok(patches)
    }
}

/// How the name of a record ends.
pub const ENDING: &str = ".values.csv";

/// Where a case's record lies.
pub fn file(partition: &Partition, case: &str) -> String {
    let scores = partition.scores_file(case, Method::Learned);
    format!("{}{ENDING}", scores.strip_suffix(".csv").unwrap_or(&scores))
}

/// Writes a case's record.
///
/// # Errors
/// A folder that can't be written to.
pub fn write(
    session: &Session,
    partition: &Partition,
    case: &str,
    watched: &Watched<'_>,
    regions: &Supervoxels,
) -> anyhow::Result<()> {
    replace(&session.run.path(&file(partition, case)), &watched.to_csv(regions)?)
}

/// A case's mean distance from `max` over the voxels of its regions.
///
/// # Errors
/// A record that is not there.
pub fn mean_distance(session: &Session, partition: &Partition, case: &str) -> anyhow::Result<f64> {
    let path: PathBuf = session.run.path(&file(partition, case));
    let read = || -> anyhow::Result<f64> {
        let (mut sum, mut voxels) = (0.0, 0.0);
        for record in csv::Reader::from_path(&path)?.deserialize() {
            let (_, count, distance): (u32, f64, Option<f64>) = record?;
            if let Some(distance) = distance {
                sum += distance * count;
                voxels += count;
            }
        }
        Ok(if voxels > 0.0 { sum / voxels } else { 0.0 })
    };
    read().with_context(|| format!("reading {}", path.display()))
}
