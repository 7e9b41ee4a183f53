//! Relevance maps: 0..100, on the scan's own grid and affine, one file for each case and method; beside each its mask.

use anyhow::Context;
use ndarray::Array3;
use relevox_eval::{mixture_threshold, otsu, otsu_weighted};
use relevox_relevance::{RelevanceMap, remove_small_components};
use relevox_report::tables::Method;
use relevox_volume::{Study, nifti};
use slic3d::Supervoxels;

use super::methods::{self, brain_voxels, of_case};
use super::network::{Cam, Network};
use super::{Partition, Session, Work, explain};
use crate::config::LabelFree;
use crate::interrupt;
use crate::progress::Progress;
use crate::run::Inputs;

/// A case's map.
pub fn file(case: &str, method: Method) -> String {
    format!("maps/{case}/{method}.nii.gz")
}

/// What a Grad-CAM map is made from.
///
/// # Errors
/// A case that the cohort does not have.
pub fn gradcam_inputs(session: &Session, case: &str, classifier: &str) -> anyhow::Result<Inputs> {
    Ok(session.scans.inputs(case)?.file("classifier", classifier).setting("method", &Method::GradCam))
}

/// A case's mask by a method.
pub fn mask_file(case: &str, method: Method) -> String {
    format!("maps/{case}/{method}-mask.nii.gz")
}

/// What a mask is made from.
///
/// # Errors
/// A map that is not there.
pub fn mask_inputs(
    session: &Session,
    partition: &Partition,
    case: &str,
    method: Method,
) -> anyhow::Result<Inputs> {
    let evaluate = &session.config.evaluate;
    Ok(Inputs::new()
        .file("map", &session.run.hash(&file(case, method))?)
        .file("labels", &session.run.hash(&partition.regions_file(case))?)
        .setting("mask", &evaluate.mask)
        .setting("island", &evaluate.island))
}

/// Makes the maps of every method, and a mask of each.
///
/// # Errors
/// What reading scores and writing maps meets.
pub fn run(session: &Session, network: &Network, partition: &Partition) -> anyhow::Result<Work> {
    let (cases, explained) = (session.scored_cases(), explain::cases(session)?);
    let progress = Progress::start("maps", cases.len(), "cases");
    let mut work = Work::default();
    for case in cases {
        let name = case.id();
        for method in of_case(session, explained.contains(name)) {
            interrupt::check()?;
            let map = file(name, method);
            if let Some(inputs) = methods::map_inputs(method, session, partition, name)? {
                work.count(session.run.make(&map, &inputs, |path| {
                    let study = session.scans.study(name)?;
                    let regions = partition.read(
                        &session.run,
                        &session.scans,
                        name,
                        &session.config.regions,
                        "regions",
                    )?;
                    let relevance = methods::relevance(method, session, partition, name)?.unwrap_or_default();
                    let map = RelevanceMap::paint(&regions, &relevance)?;
                    Ok(nifti::write(path, &study.frame.to_scan(map.voxels.view())?)?)
                })?);
            } else if method == Method::GradCam {
                let inputs = gradcam_inputs(session, name, &network.hash)?;
                work.count(session.run.make(&map, &inputs, |path| {
                    let study = session.scans.study(name)?;
                    let map = network.grad_cam(study.image.view(), Cam::Plain)?;
                    Ok(nifti::write(path, &study.frame.to_scan(map.voxels.view())?)?)
                })?);
            }
            let inputs = mask_inputs(session, partition, name, method)?;
            work.count(session.run.make(&mask_file(name, method), &inputs, |path| {
                let study = session.scans.study(name)?;
                let mask = mask(session, &study, partition, method)?.mapv(u32::from);
                Ok(nifti::write_labels(path, &study.frame.to_scan(mask.view())?)?)
            })?);
        }
        progress.advance(1);
    }
    Ok(work)
}

/// A map cut at the config's label-free threshold, without small islands, on the network's grid.
///
/// # Errors
/// A map or a table that can't be read.
pub fn mask(
    session: &Session,
    study: &Study,
    partition: &Partition,
    method: Method,
) -> anyhow::Result<Array3<bool>> {
    let map = read(session, study, method)?;
    let regions =
        partition.read(&session.run, &session.scans, &study.case, &session.config.regions, "regions")?;
    let relevance = methods::relevance(method, session, partition, &study.case)?;
    let values = Values::of(&map, study, &regions, relevance);
    let cut = values.threshold(session.config.evaluate.mask)?;
    // What a file holds has single precision.
    let marked = map.mapv(|value| cut.is_some_and(|cut| value >= cut as f32));
    Ok(remove_small_components(marked.view(), session.config.evaluate.island))
}

/// The values that a threshold without a label is found from, each with its volume of brain.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// By region, or by voxel for a map that knows no regions.
    pub values: Vec<f64>,
    /// Voxels of the brain that have each.
    pub brain: Vec<f64>,
}

/// A map by voxel is counted in so many steps of its range where every value counts by its volume.
const LEVELS: f64 = 256.0;

impl Values {
    /// Those of a map: by region where there is a relevance for each.
    pub fn of(map: &Array3<f32>, study: &Study, regions: &Supervoxels, relevance: Option<Vec<f64>>) -> Self {
        match relevance {
            Some(values) => Self { brain: brain_voxels(regions, study.brain.view()), values },
            None => Self {
                values: map.iter().map(|&value| f64::from(value)).collect(),
                brain: study.brain.iter().map(|&inside| f64::from(u8::from(inside))).collect(),
            },
        }
    }

    /// The threshold, where anything stands out.
    ///
    /// # Errors
    /// Values that are not finite.
    pub fn threshold(&self, kind: LabelFree) -> Result<Option<f64>, relevox_eval::Error> {
        if kind == LabelFree::Otsu || self.brain.iter().sum::<f64>() == 0.0 {
            return otsu(&self.values);
        }
        match kind {
            LabelFree::Mixture if self.values.len() > LEVELS as usize * 4 => {
                // Relevance is 0 to 100.
                let level = |value: f64| (value / 100.0 * LEVELS).floor().min(LEVELS - 1.0);
                let mut counts = vec![0.0; LEVELS as usize];
                self.values
                    .iter()
                    .zip(&self.brain)
                    .for_each(|(value, brain)| counts[level(*value) as usize] += brain);
                let levels: Vec<f64> = (0..counts.len()).map(|level| level as f64 * 100.0 / LEVELS).collect();
                mixture_threshold(&levels, &counts)
            }
            LabelFree::Mixture => mixture_threshold(&self.values, &self.brain),
            _ => otsu_weighted(&self.values, &self.brain),
        }
    }
}

/// A map of the run back on the network's grid, exactly as it was before it was laid on the scan's: a block
/// of scan voxels holds one value.
///
/// # Errors
/// A map that can't be read or lies on another grid.
pub fn read(session: &Session, study: &Study, method: Method) -> anyhow::Result<Array3<f32>> {
    let path = session.run.path(&file(&study.case, method));
    let map = nifti::read(&path)?;
    study.frame.to_network(map.voxels.view()).with_context(|| path.display().to_string())
}
