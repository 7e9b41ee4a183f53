//! Distances of a learned fill's values from those of `max`, recorded while regions are scored, in a CSV next to the
//! scores.
//!
//! A U-Net whose sigmoid saturates at 1 is equivalent to the `max` fill.

use std::sync::{Mutex, PoisonError};

use relevox_perturb::{ConstantFill, Error, Fill, FillKind, ImageView, Patch, Result};
use relevox_report::tables::Method;
use relevox_volume::Study;
use serde::{Deserialize, Serialize};
use slic3d::Supervoxels;

use crate::stages::partition::Partition;
use crate::stages::session::Session;
use crate::stages::table;

/// Suffix of a record's name.
pub const RECORD_SUFFIX: &str = ".values.csv";

/// Row of a record.
#[derive(Serialize, Deserialize)]
struct Row {
    region: u32,
    voxels: usize,
    #[serde(serialize_with = "table::plain_option")]
    distance_from_max: Option<f64>,
}

/// A fill whose distances from `max` are recorded.
pub struct RecordedFill<'a> {
    fill: &'a dyn Fill,
    max: Vec<f32>,
    distances: Mutex<Vec<Option<f64>>>,
}

impl<'a> RecordedFill<'a> {
    /// Wraps a fill for one case.
    ///
    /// # Errors
    /// Returns [`Error::EmptyMask`] if the scan has no brain voxels.
    pub fn new(fill: &'a dyn Fill, study: &Study, regions: usize) -> Result<Self, Error> {
        let max = ConstantFill::new(FillKind::Max, study.image.view(), study.brain.view())?;
        Ok(Self { fill, max: max.values().to_vec(), distances: Mutex::new(vec![None; regions]) })
    }

    /// Records the mean distance of a region's new values, unless the region is unchanged.
    fn record(
        &self,
        image: ImageView<'_>,
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

    /// Formats the record: for each region its mean distance over voxels and sequences.
    ///
    /// # Errors
    /// Returns an error if a row can't be represented in CSV.
    pub fn to_csv(&self, regions: &Supervoxels) -> anyhow::Result<Vec<u8>> {
        let distances = self.distances.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = regions.ids().iter().zip(regions.voxel_counts());
        let rows = ids.zip(&*distances).map(|((&region, &voxels), &distance_from_max)| Row {
            region,
            voxels,
            distance_from_max,
        });
        table::to_csv(&["region", "voxels", "distance_from_max"], rows)
    }
}

impl Fill for RecordedFill<'_> {
    fn name(&self) -> &str {
        self.fill.name()
    }

    fn patches(&self, image: ImageView<'_>, regions: &Supervoxels, batch: &[usize]) -> Result<Vec<Patch>> {
        let patches = self.fill.patches(image, regions, batch)?;
        for (patch, &region) in patches.iter().zip(batch) {
            self.record(image, regions, region, patch)?;
        }
        Ok(patches)
    }
}

/// File with the record of a case under a learned fill.
pub fn file(partition: &Partition, case: &str, fill: Method) -> String {
    let scores = partition.scores_file(case, fill);
    format!("{}{RECORD_SUFFIX}", scores.strip_suffix(".csv").unwrap_or(&scores))
}

/// Reads a record and returns the mean distance over the voxels of all changed regions.
///
/// # Errors
/// Returns an error that names the file if it can't be read.
pub fn mean_distance(
    session: &Session,
    partition: &Partition,
    case: &str,
    fill: Method,
) -> anyhow::Result<f64> {
    let rows: Vec<Row> = table::read(&session.run.path(&file(partition, case, fill)))?;
    let (mut sum, mut total) = (0.0, 0.0);
    for row in rows {
        if let Some(distance) = row.distance_from_max {
            let voxels = row.voxels as f64;
            sum += distance * voxels;
            total += voxels;
        }
    }
    Ok(if total > 0.0 { sum / total } else { 0.0 })
}
